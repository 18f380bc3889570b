"""What becomes of a job when an attempt has ended: a decision from evidence, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from ...jobs.aftermath import STOPPED
from ...jobs.states import State
from .queue import Entry

#: 128 + SIGKILL: start.sh saw the notebook's process killed.
_KILLED = 137


@dataclass(frozen=True)
class Outcome:
    """The job's next state. `restarted` tells that it is queued because it was stopped."""

    state: State
    reason: str
    exit_code: int | None
    restarted: bool = False


def decide(entry: Entry, code: int | None, why: str, run_seconds: float) -> Outcome:
    """Decide what becomes of a job.

    What happened goes before what was wanted: a notebook that reached its end has succeeded and one
    that raised has failed, also if somebody was about to pause or cancel it.

    Parameters
    ----------
    entry
        The job, as it was when the attempt ended.
    code
        start.sh's exit code; None if it left none.
    why
        Why the attempt ended, from what it left behind.
    run_seconds
        How long the job has run, over all attempts.
    """
    if code == 0:
        return Outcome(State.SUCCEEDED, "", 0)
    cause = entry.stopping or entry.wanted
    was_stopped = code is None or code == STOPPED or code > 128
    if cause in ("time-limit", "memory", "failure"):
        return Outcome(State.FAILED, entry.stop_reason or why, code)
    if was_stopped and entry.wanted == "cancel":
        return Outcome(State.CANCELLED, entry.stop_reason or "", code)
    if was_stopped and cause == "pause":
        if entry.wanted == "queue":
            return Outcome(State.QUEUED, "resumed", None)
        return Outcome(State.PAUSED, entry.stop_reason or "", code)
    if was_stopped and cause == "cancel":
        return Outcome(State.CANCELLED, entry.stop_reason or "", code)
    if code in (None, STOPPED, _KILLED):
        if entry.time_limit is not None and run_seconds >= entry.time_limit:
            return Outcome(State.FAILED, over_time(entry.time_limit), code)
        if entry.restarts >= entry.max_restarts:
            limit = f"the limit of {entry.max_restarts} restarts is reached"
            return Outcome(State.FAILED, f"{why}; {limit}", code)
        return Outcome(State.QUEUED, why, None, restarted=True)
    return Outcome(State.FAILED, why, code)


def unless_fruitless(end: Outcome, fruitless: str | None, code: int | None) -> Outcome:
    """Fail a job instead of starting it again where that has helped nothing."""
    if fruitless is None:
        return end
    return Outcome(State.FAILED, f"{end.reason}; {fruitless}", code)


def over_time(limit: float) -> str:
    """Say that the time limit is reached."""
    return f"the time limit of {duration(limit)} is reached"


def over_memory(limit: int, used: int) -> str:
    """Say that the memory limit is passed."""
    return f"used {size(used)} of memory; its limit is {size(limit)}"


def duration(seconds: float) -> str:
    """Write a duration as people do: 90 s, 5 min, 1 h 30 min, 2 d."""
    if seconds < 120 or seconds % 60:
        return f"{seconds:g} s"
    minutes = int(seconds // 60)
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def size(count: int) -> str:
    """Write an amount of memory as people do."""
    amount, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        del units[0]
    return f"{amount:.4g} {units[0]}"
