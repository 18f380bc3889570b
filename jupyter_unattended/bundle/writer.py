"""Writing a job directory: it is complete or it is not there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import WorkspaceError
from ..paths import UNATTENDED_DIR, JobPaths
from ..spec import JobSpec

#: Unfinished job directories begin so; they are hidden and never taken for a job.
#: Within ``.unattended``: job directories for what somebody applies by hand.
RENDERED = ".rendered"
_NEW = ".new-"
#: After so many seconds an unfinished one is left over from a process that was killed.
_STALE = 3600.0


@dataclass(frozen=True)
class Contents:
    """What goes into a job directory.

    Parameters
    ----------
    notebook
        The notebook, byte for byte.
    requirements
        Text of requirements.txt.
    start_script
        Text of start.sh.
    record
        job.json without ``spec`` and ``id``.
    executables
        More scripts, by their name in the job directory.
    history
        First line of history.jsonl.
    install
        Functions that put more into the directory (the runtime, a snapshot of files).
    """

    notebook: bytes
    requirements: str
    start_script: str
    record: Mapping[str, Any]
    history: str
    executables: Mapping[str, bytes] = field(default_factory=dict)
    install: Iterable[Callable[[Path], object]] = ()


class Draft:
    """A job directory that is written whole, but under a hidden name.

    Parameters
    ----------
    paths
        Where it will be.
    hidden
        Where it is.
    """

    def __init__(self, paths: JobPaths, hidden: Path) -> None:
        self.paths = paths
        self._where = hidden

    def publish(self) -> None:
        """Let it appear; raise `WorkspaceError` if it cannot."""
        try:
            self._where = self._where.rename(self.paths.root)
        except OSError as error:
            raise WorkspaceError(_explain(self._where.parent, error)) from error

    def discard(self) -> None:
        """Remove it, published or not, and ``.unattended`` if nothing else is in it."""
        remove(JobPaths(self._where))


def begin(
    spec: JobSpec, new_id: Callable[[], str], contents: Contents, *, listed: bool = True
) -> Draft:
    """Write a job directory under a hidden name in ``spec.workspace``.

    Parameters
    ----------
    spec
        The job, with its workspace.
    new_id
        Makes an id; called again when the id is taken.
    listed
        Whether it goes where jobs are looked for; else into ``.rendered`` there.

    Raises
    ------
    WorkspaceError
        If the directory cannot be written; nothing is left behind.
    """
    assert spec.workspace is not None
    home = spec.workspace / UNATTENDED_DIR
    try:
        _make_home(home)
        if not listed:
            home = home / RENDERED
            home.mkdir(exist_ok=True)
        while True:
            job_id = new_id()
            unfinished, final = home / f"{_NEW}{job_id}", home / job_id
            try:
                unfinished.mkdir()
            except FileExistsError:
                continue
            if final.exists():
                unfinished.rmdir()
                continue
            try:
                _fill(JobPaths(unfinished), job_id, spec, contents)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            return Draft(JobPaths(final), unfinished)
    except BaseException as error:
        _remove_home(home)
        if isinstance(error, OSError):
            raise WorkspaceError(_explain(home, error)) from error
        raise


def remove(paths: JobPaths) -> None:
    """Remove a job directory that no backend took, and ``.unattended`` if nothing else is in it."""
    shutil.rmtree(paths.root, ignore_errors=True)
    _remove_home(paths.root.parent)


def sweep(workspace: Path) -> None:
    """Remove what writers that were killed left behind."""
    with contextlib.suppress(OSError), os.scandir(workspace / UNATTENDED_DIR) as entries:
        for entry in entries:
            if entry.name.startswith((_NEW, ".deleted-")):
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE:
                        shutil.rmtree(entry.path, ignore_errors=True)


def _make_home(home: Path) -> None:
    """Create ``.unattended``, which ignores itself in git."""
    with contextlib.suppress(FileExistsError):
        home.mkdir()
        (home / ".gitignore").write_text("*\n", encoding="utf-8")


def _remove_home(home: Path) -> None:
    with contextlib.suppress(OSError):
        if [entry.name for entry in os.scandir(home)] == [".gitignore"]:
            (home / ".gitignore").unlink(missing_ok=True)
            home.rmdir()


def _fill(paths: JobPaths, job_id: str, spec: JobSpec, contents: Contents) -> None:
    paths.attempts.mkdir()
    paths.checkpoints.mkdir()
    _put(paths.notebook, contents.notebook, sync=True)
    _put(paths.requirements, contents.requirements.encode())
    _put(paths.start_script, contents.start_script.encode(), mode=0o777)
    for name, script in contents.executables.items():
        _put(paths.root / name, script, mode=0o777)
    for install in contents.install:
        install(paths.root)
    _put(paths.history, contents.history.encode())
    record = {
        "schema_version": spec.schema_version,
        "id": job_id,
        "spec": spec.model_dump(mode="json"),
        **contents.record,
    }
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    _put(paths.spec, text.encode(), sync=True)


def _put(file: Path, content: bytes, *, mode: int = 0o666, sync: bool = False) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb", closefd=True) as stream:  # noqa: PTH123 - a descriptor
        stream.write(content)
        if sync:
            stream.flush()
            os.fsync(descriptor)


def _explain(home: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The job directory cannot be written to {home}: the disk is full."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f"The job directory cannot be written to {home} ({os.strerror(error.errno)}); make the "
            "workspace writable or choose another one."
        )
    return f"The job directory cannot be written to {home} ({error.strerror or error})."
