"""What the backend keeps of a job in its directory, in ``kubernetes.json``.

The cluster is the truth about a job. This is what the cluster forgets: that the job was cancelled
or paused by deleting it, and the manifest from which it can be made again.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ...errors import WorkspaceError
from ...jobs import attempts
from ...paths import JobPaths


def path(paths: JobPaths) -> Path:
    """Return where it is."""
    return paths.root / "kubernetes.json"


def read(paths: JobPaths) -> dict[str, Any]:
    """Return the record, empty if there is none."""
    try:
        found = json.loads(path(paths).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def update(paths: JobPaths, **changes: Any) -> None:
    """Change the record; None removes a field.

    Raises
    ------
    WorkspaceError
        If it cannot be written.
    """
    record = {**read(paths), **changes}
    record = {name: value for name, value in record.items() if value is not None}
    try:
        descriptor, name = tempfile.mkstemp(prefix=".kubernetes-", dir=paths.root)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
                json.dump(record, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path(paths))
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise WorkspaceError(
            f"{path(paths)} cannot be written ({error.strerror}), so nothing was changed."
        ) from error


def note_pause(paths: JobPaths) -> None:
    """Note that a person stopped the newest attempt: it does not count as a restart."""
    existing = paths.existing_attempts()
    if existing and attempts.record(existing[-1]).get("exit_code") is None:
        with contextlib.suppress(OSError):
            existing[-1].paused.touch()
