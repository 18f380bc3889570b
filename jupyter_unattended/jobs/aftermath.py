"""Why an attempt ended, in one sentence, from what it left in the job directory."""

from __future__ import annotations

import signal

from ..paths import JobPaths
from . import attempts, journal
from .states import State

#: What is said of an attempt that ended and left no exit code.
VANISHED = "ended without leaving an exit code (killed with SIGKILL, or the machine was restarted)"

#: start.sh's exit code for "stopped from outside before the end".
STOPPED = 75


def explain(paths: JobPaths, attempt: int, exit_code: int | None) -> str:
    """Say why `attempt` ended with `exit_code`; empty for a success."""
    if exit_code == 0:
        return ""
    finished = journal.last_event(paths.journal, "finished", attempt)
    if finished is not None and finished.get("exit_code") == exit_code and finished.get("reason"):
        return str(finished["reason"])
    said = attempts.record(paths.attempt(attempt)).get("reason")
    if said:
        return str(said)
    if exit_code is None:
        return VANISHED
    if exit_code == STOPPED:
        return "stopped from outside before its end (exit code 75)"
    return describe_code(exit_code)


def describe_code(exit_code: int) -> str:
    """Say what an exit code means: shells add 128 to the number of a signal."""
    if exit_code > 128:
        try:
            name = signal.Signals(exit_code - 128).name
        except ValueError:
            pass
        else:
            return f"ended by {name} (exit code {exit_code})"
    return f"exit code {exit_code}"


def decide(paths: JobPaths) -> tuple[State, str, int | None, int]:
    """Say how a job stands of which its scheduler has no memory.

    Returns
    -------
    tuple
        State (always final), reason, exit code, number of the newest attempt.
    """
    existing = paths.existing_attempts()
    if not existing:
        return State.FAILED, "its scheduler has no memory of it, and it never started", None, 0
    number = existing[-1].number
    code = attempts.record(existing[-1]).get("exit_code")
    if code == 0:
        return State.SUCCEEDED, "", 0, number
    reason = explain(paths, number, code)
    if code in (None, STOPPED):
        reason = f"{reason}; its scheduler has no memory of it"
    return State.FAILED, reason, code, number
