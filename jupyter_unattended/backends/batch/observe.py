"""From what a scheduler says and what the job directory shows to one observation."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...jobs import attempts as attempt_records
from ...jobs.aftermath import VANISHED
from ...jobs.states import State
from ..base import JobRef, Observation
from .files import BatchFiles, Ending

Phase = Literal["pending", "held", "running", "suspended", "ended"]
#: How a scheduler says that a job ended. ``unclear`` leaves it to the job directory.
EndedAs = Literal[
    "unclear", "cancelled", "time limit", "memory", "node", "preempted", "refused", "killed"
]

#: start.sh's exit code when the kernel killed the notebook's process.
_KILLED = 137
#: For so many seconds a job that was stopped from outside is shown as that, then as queued.
_JUST_NOW = 30

_STATES = {
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
    "paused": State.PAUSED,
}


@dataclass(frozen=True)
class Seen:
    """One of a job's entries in the scheduler, in words that all schedulers share.

    Parameters
    ----------
    id
        The scheduler's id.
    phase
        Where it is.
    why
        The scheduler's reason in people's words, or an empty text.
    since
        When it ended, where the scheduler tells.
    ended_as
        How it ended.
    starts
        When the scheduler expects it to start.
    delayed
        Whether it waits only because it was just queued again.
    job
        Our id of the job, where the scheduler keeps it: a cluster that was set up anew counts its
        ids from the beginning.
    """

    id: str
    phase: Phase
    why: str = ""
    since: float | None = None
    ended_as: EndedAs = "unclear"
    starts: float | None = None
    delayed: bool = False
    job: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Seen:
        """Read one that was kept as JSON."""
        return cls(**row)


def observe(
    job: JobRef, entries: Sequence[Seen], scheduler: str, links: int, accounted: bool = True
) -> Observation | None:
    """Say how a job stands; None where neither scheduler nor job directory can tell.

    Parameters
    ----------
    job
        The job.
    entries
        What the scheduler has of it, in the order of submission; finished entries may be missing.
    scheduler
        Its name for people.
    links
        How many links the job was planned with.
    accounted
        Whether `entries` has what the accounting knows of jobs that ended. If not, a job that was
        stopped is left open: only there is written whether somebody or a limit stopped it.
    """
    files = BatchFiles.of(job.paths)
    existing = job.paths.existing_attempts()
    number = existing[-1].number if existing else 0
    record = attempt_records.record(existing[-1]) if existing else {}
    ending = files.read_ending()
    if ending is not None and ending.word != "paused":
        return _ended_by_marker(ending, record, number, files)
    for entry in entries:
        if entry.phase == "running":
            return _running(entry, record, number, files)
        if entry.phase == "suspended":
            why = entry.why or f"suspended by {scheduler}"
            return Observation(State.PAUSED, why, attempt=number)
    request = files.read_request()
    waiting = [entry for entry in entries if entry.phase in ("pending", "held")]
    if waiting:
        return _waiting(waiting[0], number, files, request, links)
    if ending is not None:
        return Observation(State.PAUSED, ending.reason, ending.at, attempt=number)
    if request == "cancel":
        return Observation(
            State.CANCELLED, "cancelled", record.get("ended"), record.get("exit_code"), number
        )
    if not entries:
        return _forgotten(record, number, scheduler, accounted)
    return _ended(entries[-1], record, number, files, scheduler)


def _running(entry: Seen, record: dict[str, Any], number: int, files: BatchFiles) -> Observation:
    request = files.read_request()
    # An attempt that has ended may be this link's, whose script is about to end too, or an earlier
    # link's, when start.sh has not begun yet.
    begun = bool(record) and (
        record.get("exit_code") is None
        or (record.get("started") or 0) >= (files.link_started() or float("inf"))
    )
    if request == "pause":
        return Observation(State.PAUSING, "stopping", attempt=number)
    if request == "cancel":
        return Observation(State.RUNNING, "being cancelled", attempt=number)
    if not begun:
        return Observation(State.STARTING, entry.why, attempt=number)
    return Observation(State.RUNNING, entry.why, record.get("started"), attempt=number)


def _waiting(entry: Seen, number: int, files: BatchFiles, request: str, links: int) -> Observation:
    if entry.phase == "held":
        return Observation(
            State.PAUSED, "paused" if request == "pause" else entry.why or "held", attempt=number
        )
    if request == "pause":
        return Observation(State.PAUSING, "stopping", attempt=number)
    parts = []
    state = State.QUEUED
    if number:
        what = interruption(files.last_words())
        if not what and files.cut_off():
            what = "it was cut off, as when its node fails"
        ended = files.stopped_from_outside()
        if what:
            parts.append(what)
        if what or ended is not None:
            if entry.delayed or time.time() - (ended or 0) < _JUST_NOW:
                state = State.PREEMPTED
        elif links > 1:
            parts.append(f"link {_link_number(entry, files)} of {links}")
    elif links > 1:
        parts.append(f"link 1 of {links}")
    if entry.why:
        parts.append(entry.why)
    if entry.starts is not None and entry.starts > time.time() + 5 and not entry.delayed:
        parts.append(f"expected to start {_clock(entry.starts)}")
    return Observation(state, "; ".join(parts), attempt=number)


def _link_number(entry: Seen, files: BatchFiles) -> int:
    ids = files.read_ids()
    if len(ids) > 1 and entry.id in ids:
        return ids.index(entry.id) + 1
    return files.links_ended() + 1


def _ended_by_marker(
    ending: Ending, record: dict[str, Any], number: int, files: BatchFiles
) -> Observation:
    state = _STATES.get(ending.word, State.FAILED)
    code = record.get("exit_code", ending.exit_code)
    reason = "" if state is State.SUCCEEDED else ending.reason
    if code == _KILLED and not reason:
        reason = out_of_memory(files.last_words())
    return Observation(state, reason, record.get("ended") or ending.at, code, number)


def _forgotten(
    record: dict[str, Any], number: int, scheduler: str, accounted: bool
) -> Observation | None:
    """Decide from the directory alone; None where it does not say."""
    code = record.get("exit_code")
    if code is None or (code == 75 and not accounted):
        return None
    if code == 75:
        reason = f"stopped from outside before its end, and {scheduler} does not have it any more"
        return Observation(State.PAUSED, reason, record.get("ended"), code, number)
    state = State.SUCCEEDED if code == 0 else State.FAILED
    return Observation(state, "", record.get("ended"), code, number)


def _ended(
    entry: Seen, record: dict[str, Any], number: int, files: BatchFiles, scheduler: str
) -> Observation:
    code = record.get("exit_code")
    ended = record.get("ended") or entry.since
    if code == 0:
        return Observation(State.SUCCEEDED, "", ended, 0, number)
    if entry.ended_as == "cancelled":
        return Observation(State.CANCELLED, entry.why or "cancelled", ended, code, number)
    if code is not None and code != 75:
        return Observation(State.FAILED, "", ended, code, number)
    if code == 75 and entry.ended_as == "unclear":
        reason = f"stopped from outside before its end, and {scheduler} did not queue it again"
        return Observation(State.PAUSED, reason, ended, 75, number)
    why = out_of_memory(files.last_words()) or entry.why
    if why:
        return Observation(State.FAILED, why, ended, code, number)
    if number:
        return Observation(State.FAILED, VANISHED, ended, code, number)
    said = _last_line(files.last_words())
    reason = f"it ended before start.sh began: {said}" if said else "it ended before it began"
    return Observation(State.FAILED, reason, ended, code, number)


def interruption(words: str) -> str:
    """Return what interrupted the last link, from the words that Slurm puts into a job's output."""
    words = words.rpartition("jupyter-unattended: ")[2]  # what came before was an earlier link's
    found = re.findall(r"\*\*\* JOB \S+ ON \S+ CANCELLED AT \S+ DUE TO ([A-Z ]+)", words)
    if not found:
        return ""
    reason = found[-1].strip()
    if reason.startswith("PREEMPT"):
        return "preempted"
    if reason.startswith("NODE FAIL"):
        return "its node failed"
    return ""


def out_of_memory(words: str) -> str:
    """Return that it was killed for its memory, where Slurm put that into the job's output."""
    found = re.findall(r"exceeded memory limit \(\d+ > (\d+)\)", words)
    if found:
        return f"out of memory with a limit of {round(int(found[-1]) / 2**20)}M"
    return "out of memory" if re.search(r"[Dd]etected \d+ oom.kill event", words) else ""


def _last_line(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _clock(at: float) -> str:
    local = time.localtime(at)
    same_day = local[:3] == time.localtime()[:3]
    return time.strftime("at %H:%M" if same_day else "on %a %d %b at %H:%M", local)
