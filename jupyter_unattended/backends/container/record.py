"""What the backend keeps of a job in its directory, in ``container.json``: where it runs.

Every attempt runs from the same image, through the same engine. Nothing secret is in it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import WorkspaceError
from ...paths import JobPaths
from .engine import Image, Mount, Status
from .plan import Place


@dataclass(frozen=True)
class Record:
    """What is kept: the engine's recipe, the image, and the variables that the job inherits."""

    engine: dict[str, Any]
    place: Place
    environment: dict[str, str] = field(default_factory=dict)


def path(paths: JobPaths) -> Path:
    """Return where it is."""
    return paths.root / "container.json"


def write(paths: JobPaths, record: Record) -> None:
    """Write it, all or nothing; or raise `WorkspaceError`."""
    fresh = path(paths).with_name(".container.json-new")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(record), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path(paths))
    except OSError as error:
        raise WorkspaceError(f"{path(paths)} cannot be written ({error.strerror}).") from error


def read(paths: JobPaths) -> Record:
    """Return it, or raise `ValueError`."""
    try:
        content = json.loads(path(paths).read_bytes())
        place = content["place"]
        found, own = place["found"], place["own"]
        if own is not None:
            own = Status(**{**own, "mounts": tuple(Mount(**mount) for mount in own["mounts"])})
        image = None if found is None else Image(**found)
        return Record(content["engine"], Place(place["image"], image, own), content["environment"])
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"{path(paths)} cannot be read ({error})") from error
