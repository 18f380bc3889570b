"""A snapshot of the workspace's own modules, so that later edits do not touch a queued job.

A module that the notebook imports is taken as a file, a package with everything in its directory.
What ``.unattendedignore`` (in gitignore's syntax) names stays out. The job finds the copies before
the originals, because its ``files`` directory comes first on Python's path.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInputError, WorkspaceError
from ..notebook.imports import Imports
from ..notebook.reader import Notebook, shown
from ..paths import UNATTENDED_DIR, JobPaths
from ..spec import parse_memory

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

#: Names what stays out of snapshots, in the notebook's directory or at the top of the workspace.
IGNORE_FILE = ".unattendedignore"
#: Bytes that a snapshot may have, unless UNATTENDED_SNAPSHOT_LIMIT says otherwise.
DEFAULT_LIMIT = 100 * 10**6
_ALWAYS_IGNORED = (
    ".git/",
    "__pycache__/",
    "*.py[co]",
    ".ipynb_checkpoints/",
    ".venv/",
    "node_modules/",
    f"{UNATTENDED_DIR}/",
)
_LARGEST = 5


@dataclass(frozen=True)
class Snapshot:
    """Files to take along, by the path that they get in the job's ``files`` directory."""

    files: Mapping[Path, Path] = field(default_factory=dict)
    size: int = 0

    def install(self, job_directory: Path) -> None:
        """Copy the files into a job directory.

        Raises
        ------
        WorkspaceError
            If one of them cannot be read.
        """
        target = JobPaths(job_directory).files
        for place, source in self.files.items():
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            try:
                content = source.open("rb")
            except OSError as error:
                raise WorkspaceError(
                    f"{shown(source)} cannot be read for the snapshot: {error.strerror}"
                ) from error
            with content, (target / place).open("xb") as copy:
                shutil.copyfileobj(content, copy)
            shutil.copystat(source, target / place)


def take(
    notebook: Notebook, imports: Imports, workspace: Path, limit: int | None = None
) -> Snapshot:
    """Choose the files of the workspace that a notebook needs; nothing is copied yet.

    Parameters
    ----------
    notebook
        The notebook.
    imports
        What it imports, from `requirements.collect`.
    workspace
        The workspace, whose ignore file holds too.
    limit
        Bytes that are allowed, by default $UNATTENDED_SNAPSHOT_LIMIT, else 100 MB.

    Raises
    ------
    InvalidInputError
        If there is more than that (the text names the largest files), or an ignore file has an
        invalid line.
    """
    ignored = _Ignored([workspace, notebook.directory])
    files: dict[Path, Path] = {}
    for file, root in imports.local.items():
        top = root / file.relative_to(root).parts[0]
        for found in [file] if top == file else _tree(top, ignored, set()):
            if found not in ignored:
                files.setdefault(found.relative_to(root), found)
    return _checked(files, limit)


def again(files: Path, limit: int | None = None) -> Snapshot:
    """Return the snapshot of an earlier job, from its ``files`` directory."""
    found = {file.relative_to(files): file for file in _tree(files, _Ignored([]), set())}
    return _checked(found, limit)


def _checked(files: Mapping[Path, Path], limit: int | None) -> Snapshot:
    limit = _default_limit() if limit is None else limit
    sizes = {place: _size(source) for place, source in files.items()}
    total = sum(sizes.values())
    if total > limit:
        largest = sorted(sizes, key=lambda place: sizes[place], reverse=True)[:_LARGEST]
        names = ", ".join(f"{shown(place)} ({_megabytes(sizes[place])})" for place in largest)
        raise InvalidInputError(
            f"The snapshot would have {_megabytes(total)}, and {_megabytes(limit)} are allowed; "
            f"name what the job does not need in {IGNORE_FILE} (largest: {names})"
        )
    return Snapshot(dict(sorted(files.items())), total)


def _default_limit() -> int:
    text = os.environ.get("UNATTENDED_SNAPSHOT_LIMIT", "").strip()
    if not text:
        return DEFAULT_LIMIT
    try:
        value = parse_memory(text)
    except ValueError as error:
        raise InvalidInputError(f"UNATTENDED_SNAPSHOT_LIMIT: {error}") from None
    return int(value) if isinstance(value, int) else DEFAULT_LIMIT


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # gone meanwhile; copying it will say so


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"


def _tree(directory: Path, ignored: _Ignored, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the regular files below a directory; links to directories are followed once."""
    try:
        status = directory.stat()
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir():
            if not ignored.has_directory(path):
                yield from _tree(path, ignored, seen)
        elif _is_file(path) and path not in ignored:
            yield path


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # a link to nowhere


class _Ignored:
    """What the ignore files say; each holds for what is below its own directory."""

    def __init__(self, directories: Iterable[Path]) -> None:
        from pathspec import GitIgnoreSpec

        self._always = GitIgnoreSpec.from_lines(_ALWAYS_IGNORED)
        self._specs: list[tuple[Path, GitIgnoreSpec]] = []
        for directory in dict.fromkeys(directories):
            lines = _lines(directory / IGNORE_FILE)
            try:
                self._specs.append((directory, GitIgnoreSpec.from_lines(lines)))
            except ValueError as error:
                raise InvalidInputError(
                    f"{shown(directory / IGNORE_FILE)} has an invalid line: {error}"
                ) from None

    def __contains__(self, file: Path) -> bool:
        return self._matches(file, "")

    def has_directory(self, directory: Path) -> bool:
        """Whether everything below a directory stays out."""
        return self._matches(directory, "/")

    def _matches(self, path: Path, end: str) -> bool:
        if self._always.match_file(path.name + end):
            return True
        return any(
            spec.match_file(path.relative_to(directory).as_posix() + end)
            for directory, spec in self._specs
            if path.is_relative_to(directory)
        )


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidInputError(f"{shown(file)} cannot be read: {reason}") from None
