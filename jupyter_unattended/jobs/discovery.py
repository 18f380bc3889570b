"""Keeping the index true to the job directories: rebuild it, find jobs, drop lost ones."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from ..errors import JobNotFoundError
from ..paths import UNATTENDED_DIR, JobPaths
from ..statedir import DamagedError
from . import attempts, history, journal
from .states import FINAL, State
from .store import Row, Store

#: File of a job directory with the backend's handle, written once the backend has the job.
HANDLE = "handle.json"
#: How long a job may be on its way from the service to its backend, in seconds, where the process
#: that submits it cannot be asked.
HANDOVER = 300.0


def read_record(paths: JobPaths) -> dict[str, Any] | None:
    """Return job.json, or None if there is none that can be read."""
    try:
        record = json.loads(paths.spec.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("spec"), dict) else None


def write_handle(paths: JobPaths, handle: str) -> None:
    """Keep the backend's handle in the job directory, so that it outlives the index."""
    temporary = paths.root / f".{HANDLE}.{os.getpid()}"
    temporary.write_text(json.dumps({"handle": handle}) + "\n", encoding="utf-8")
    temporary.replace(paths.root / HANDLE)


def handed_over(paths: JobPaths) -> bool:
    """Whether the job's backend has had it."""
    return (paths.root / HANDLE).exists() or bool(paths.existing_attempts())


def read_row(paths: JobPaths) -> Row | None:
    """Return what a job directory tells of its job, or None if it is not one we can read."""
    record = read_record(paths)
    if record is None:
        return None
    spec, submitted = record["spec"], record.get("submitted") or {}
    entries = history.read(paths.history)
    handle = ""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        handle = str(json.loads((paths.root / HANDLE).read_bytes()).get("handle") or "")
    try:
        row = Row(
            id=paths.job_id,
            name=str(spec.get("name") or paths.job_id),
            notebook=str(spec["notebook"]),
            workspace=str(paths.root.parent.parent),
            directory=str(paths.root),
            backend=str(spec["backend"]),
            state=State.QUEUED.value,
            created=float(submitted.get("at") or paths.spec.stat().st_mtime),
            handle=handle,
            priority=int(spec.get("priority") or 0),
            restarted_from=record.get("restarted_from"),
        )
    except (KeyError, TypeError, ValueError, OSError):
        return None
    if entries:
        last = entries[-1]
        row.state, row.reason, row.since = last.state.value, last.reason, last.time
        row.exit_code = last.exit_code
    finish(row)
    return row


def finish(row: Row) -> None:
    """Fill in what is read from the job directory once and then kept: times, progress, attempt."""
    paths = JobPaths(Path(row.directory))
    existing = paths.existing_attempts()
    if not existing:
        return
    row.attempt = max(row.attempt, existing[-1].number)
    if row.started is None:
        row.started = attempts.record(existing[0]).get("started")
    if row.state in FINAL:
        row.ended = attempts.record(existing[-1]).get("ended") or row.since
        progress = journal.progress(paths.journal)
        row.cells_done, row.cells_total = progress.cells_done, progress.cells_total
        row.done, row.total = progress.done, progress.total


class Discovery:
    """Compares the index with the job directories of all known workspaces."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def ensure_index(self) -> None:
        """Rebuild the index if it is missing or damaged."""
        try:
            if self.store.exists():
                self.store.check()
                return
        except DamagedError:
            self.store.set_aside()
        self.store.put([])
        self.run()

    def run(self) -> None:
        """Add jobs the index does not have; drop ended ones whose directory is gone."""
        try:
            known = self.store.directories()
        except DamagedError:
            self.store.set_aside()
            known = {}
        here = _workspace_above(Path.cwd())
        workspaces = dict.fromkeys(self.store.workspaces())
        if here is not None:
            workspaces.setdefault(str(here))
        found: list[Row] = []
        gone: list[str] = []
        for workspace in workspaces:
            names = _job_names(workspace)
            if names is None:
                continue
            indexed = known.get(workspace, {})
            gone += [
                job_id
                for job_id, (state, submitter, created) in indexed.items()
                if job_id not in names
                # Whoever submitted it may have been killed before there was a directory.
                and (state in FINAL or (submitter and not may_be_alive(submitter, created)))
            ]
            for name in names - indexed.keys():
                row = self._read_own(JobPaths.in_workspace(workspace, name))
                if row is not None:
                    found.append(row)
        if found:
            self.store.put(found)
            for workspace in {row.workspace for row in found}:
                self.store.remember_workspace(workspace)
        self.store.remove(gone)

    def find(self, ref: str) -> Row:
        """Return the job with this id; else the newest so named; else by unique beginning of an id.

        Raises
        ------
        JobNotFoundError
            If there is none, or several ids begin so.
        """
        self.ensure_index()
        found = self.store.find(ref)
        if not found:
            self.run()
            found = self.store.find(ref)
        if not found:
            raise JobNotFoundError(f"There is no job {ref!r}{self._nearest(ref)}")
        if len(found) > 1:
            some = ", ".join(row.id for row in found[:5]) + (" …" if len(found) > 5 else "")
            raise JobNotFoundError(f"{len(found)} jobs begin with {ref!r}: {some}")
        return found[0]

    def _nearest(self, ref: str) -> str:
        """Return a hint at the name that was probably meant, among the newest ones."""
        import difflib

        names = dict.fromkeys(row.name for row in self.store.search(limit=200))
        near = difflib.get_close_matches(ref, names, 1)
        return f"; did you mean {near[0]!r}?" if near else ""

    @staticmethod
    def _read_own(paths: JobPaths) -> Row | None:
        """Read a job directory if it is this user's: others may share the workspace."""
        try:
            found = paths.root.stat()
        except OSError:
            return None
        if found.st_uid != os.getuid():
            return None
        if not handed_over(paths) and time.time() - found.st_mtime < HANDOVER:
            return None  # Somebody is just submitting it, with another index.
        return read_row(paths)


def may_be_alive(submitter: str, created: float) -> bool:
    """Whether the process "host:pid" may still be about to hand over the job."""
    host, _, pid = submitter.rpartition(":")
    if host != socket.gethostname():
        return time.time() - created < HANDOVER
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _job_names(workspace: str) -> set[str] | None:
    """Names of the job directories in a workspace; None if it is not there (not mounted)."""
    try:
        with os.scandir(Path(workspace) / UNATTENDED_DIR) as entries:
            return {entry.name for entry in entries if not entry.name.startswith(".")}
    except FileNotFoundError:
        return set() if Path(workspace).is_dir() else None
    except OSError:
        return None


def _workspace_above(directory: Path) -> Path | None:
    for candidate in (directory, *directory.parents):
        if (candidate / UNATTENDED_DIR).is_dir():
            return candidate
    return None
