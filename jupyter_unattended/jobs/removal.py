"""Removing a job directory."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from ..errors import WorkspaceError


def remove(directory: Path) -> None:
    """Remove a job directory, if it is there.

    It is renamed first: a deletion that is cut short leaves nothing that looks like a job.
    """
    doomed = directory.with_name(f".deleted-{directory.name}")
    try:
        with contextlib.suppress(FileNotFoundError):
            directory.rename(doomed)
        if doomed.exists():
            shutil.rmtree(doomed)
    except OSError as error:
        raise WorkspaceError(
            f"{error.filename or directory} cannot be deleted ({error.strerror})."
        ) from error
