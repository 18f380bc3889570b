"""What a face is told about a job: plain data, ready to be shown or written as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .states import State


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    cells_done, cells_total
        Code cells that finished, and how many there are to run; None before the run has begun.
    done, total
        What the notebook said through ``progress(done, total)``; None if it did not.
    eta
        Seconds left, from the rate of what the notebook said; None where that is unknown.
    """

    cells_done: int | None = None
    cells_total: int | None = None
    done: float | None = None
    total: float | None = None
    eta: float | None = None

    @property
    def fraction(self) -> float | None:
        """Share that is done, 0 to 1: the notebook's own word if it gives one, else cells."""
        if self.done is not None and self.total:
            return max(0.0, min(1.0, self.done / self.total))
        if self.cells_done is not None and self.cells_total:
            return max(0.0, min(1.0, self.cells_done / self.cells_total))
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; the key ``fraction`` is included."""
        return {
            "cells_done": self.cells_done,
            "cells_total": self.cells_total,
            "done": self.done,
            "total": self.total,
            "eta": self.eta,
            "fraction": self.fraction,
        }


@dataclass(frozen=True)
class JobView:
    """A job as it was last observed. Times are seconds since the epoch.

    Parameters
    ----------
    id, name
        The id is unique; the name is for people and need not be.
    notebook, workspace, directory
        Absolute paths: the notebook it was made from, the workspace, the job directory.
    backend
        Where it runs.
    state, reason, since
        The state, why (one sentence, may be empty), and since when.
    exit_code
        start.sh's exit code, once the job has ended with one.
    created, started, ended
        Submit; start of the first attempt; end of the last one. None where it has not happened.
    attempt
        Number of the newest attempt, 0 before the first.
    priority, position
        Priority; 0-based place in the queue while the job is queued and the backend tells.
    progress
        How far the run is.
    restarted_from
        The id of the job that this one re-runs or was cloned from.
    """

    id: str
    name: str
    notebook: str
    workspace: str
    directory: str
    backend: str
    state: State
    reason: str = ""
    since: float | None = None
    exit_code: int | None = None
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    attempt: int = 0
    priority: int = 0
    position: int | None = None
    progress: Progress = field(default_factory=Progress)
    restarted_from: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "notebook": self.notebook,
            "workspace": self.workspace,
            "directory": self.directory,
            "backend": self.backend,
            "state": self.state.value,
            "reason": self.reason,
            "since": self.since,
            "exit_code": self.exit_code,
            "created": self.created,
            "started": self.started,
            "ended": self.ended,
            "attempt": self.attempt,
            "priority": self.priority,
            "position": self.position,
            "progress": self.progress.to_dict(),
            "restarted_from": self.restarted_from,
        }


@dataclass(frozen=True)
class AttemptView:
    """One attempt, from its attempt.json. Times are seconds since the epoch.

    `ended` and `exit_code` are None while it runs, and for ever if it left none (killed with
    SIGKILL, or the machine went away).
    """

    number: int
    host: str | None
    started: float | None
    ended: float | None
    exit_code: int | None
    signal: str | None
    reason: str | None
    log: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "number": self.number,
            "host": self.host,
            "started": self.started,
            "ended": self.ended,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "reason": self.reason,
            "log": self.log,
        }


@dataclass(frozen=True)
class HistoryEntry:
    """One change of state that was observed."""

    time: float
    state: State
    reason: str
    by: str
    attempt: int | None = None
    exit_code: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, with the keys of history.jsonl."""
        return {
            "t": self.time,
            "state": self.state.value,
            "reason": self.reason,
            "by": self.by,
            "attempt": self.attempt,
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True)
class LogChunk:
    """A piece of one attempt's log.

    Parameters
    ----------
    attempt
        The attempt it is from; 0 if there is none yet.
    text
        The piece, whole characters only; bytes that are not UTF-8 are shown as U+FFFD.
    offset
        Byte offset to ask for next.
    size
        The log's size in bytes when it was read.
    last
        Whether the attempt has ended and this piece reaches the end of its log.
    """

    attempt: int
    text: str
    offset: int
    size: int
    last: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "attempt": self.attempt,
            "text": self.text,
            "offset": self.offset,
            "size": self.size,
            "last": self.last,
        }
