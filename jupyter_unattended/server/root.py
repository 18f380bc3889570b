"""Contents paths, as JupyterLab speaks them, and paths on disk, as jobs need them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError

#: Drives whose files are the server's own files: JupyterLab's collaboration puts this one in front.
_TRANSPARENT_DRIVES = {"RTC"}


class Root:
    """The directory that the file browser shows.

    The rule is the Contents API's own: a path never leads above the root by its text, and links
    that the user made inside the root are followed.

    Parameters
    ----------
    directory
        The server's root directory; None where files are not on this machine's disk.
    """

    def __init__(self, directory: str | None) -> None:
        self.directory = None if directory is None else Path(os.path.abspath(directory))  # noqa: PTH100

    @classmethod
    def of(cls, contents_manager: Any) -> Root:
        """Return the root of a server's contents manager."""
        return cls(getattr(contents_manager, "root_dir", None))

    def to_disk(self, path: str) -> Path:
        """Return where a Contents path is on disk.

        Raises
        ------
        InvalidInputError
            If it leaves the root, or is on a drive that jobs cannot reach.
        """
        drive, colon, rest = path.partition(":")
        if colon and "/" not in drive:
            if drive not in _TRANSPARENT_DRIVES:
                raise InvalidInputError(
                    f"{path} is on the drive {drive!r}, which a job cannot read; save a copy of "
                    "the notebook among the server's own files and run that."
                )
            path = rest
        if self.directory is None:
            raise InvalidInputError(
                "This server keeps its files in no directory, so a job cannot reach them."
            )
        if "\0" in path:
            raise InvalidInputError(f"{path!r} is not a path.")
        # Not Path.resolve(): a link inside the root may lead to where the data is.
        full = Path(os.path.abspath(self.directory / path.lstrip("/")))  # noqa: PTH100
        if full != self.directory and self.directory not in full.parents:
            raise InvalidInputError(f"{path} is outside of the directory that this server serves.")
        return full

    def to_contents(self, path: str | os.PathLike[str]) -> str | None:
        """Return the Contents path of a file on disk, None if the file browser cannot show it."""
        if self.directory is None:
            return None
        for root in (self.directory, self.directory.resolve()):
            if root in Path(path).parents:
                return Path(path).relative_to(root).as_posix()
        return None
