from __future__ import annotations

from typing import Any

import pytest

from jupyter_unattended.backends.local.outcome import decide, duration, over_memory, size
from jupyter_unattended.backends.local.recovery import new_entry
from jupyter_unattended.jobs.states import State


def outcome(code: int | None, why: str = "why", run_seconds: float = 1.0, **fields: Any) -> Any:
    entry = new_entry("id", "/d", {"max_restarts": 2, "time_limit": fields.pop("time_limit", None)})
    for name, value in fields.items():
        setattr(entry, name, value)
    return decide(entry, code, why, run_seconds)


@pytest.mark.parametrize("cause", [None, "pause", "cancel", "time-limit", "memory"])
def test_a_notebook_that_reached_its_end_has_succeeded(cause: str | None) -> None:
    end = outcome(0, stopping=cause, wanted=cause)
    assert (end.state, end.exit_code, end.reason) == (State.SUCCEEDED, 0, "")


@pytest.mark.parametrize("cause", [None, "pause", "cancel"])
def test_a_notebook_that_raised_has_failed(cause: str | None) -> None:
    end = outcome(1, "cell 3 raised ValueError: x", stopping=cause)
    assert (end.state, end.reason) == (State.FAILED, "cell 3 raised ValueError: x")


@pytest.mark.parametrize("code", [75, 143, 137, None])
@pytest.mark.parametrize(("cause", "state"), [("pause", State.PAUSED), ("cancel", State.CANCELLED)])
def test_what_was_stopped_as_asked(code: int | None, cause: str, state: State) -> None:
    assert outcome(code, stopping=cause).state is state
    assert outcome(code, wanted=cause).state is state


def test_cancelled_while_pausing_is_cancelled() -> None:
    assert outcome(75, stopping="pause", wanted="cancel").state is State.CANCELLED


def test_resumed_while_pausing_is_queued() -> None:
    end = outcome(75, stopping="pause", wanted="queue")
    assert (end.state, end.restarted) == (State.QUEUED, False)


@pytest.mark.parametrize("code", [75, 137, None])
def test_what_was_stopped_by_others_is_queued_again(code: int | None) -> None:
    end = outcome(code, "killed", restarts=1)
    assert (end.state, end.restarted, end.reason) == (State.QUEUED, True, "killed")


def test_restarts_are_bounded() -> None:
    end = outcome(75, "stopped", restarts=2)
    assert end.state is State.FAILED
    assert end.reason == "stopped; the limit of 2 restarts is reached"


@pytest.mark.parametrize("code", [139, 134, 2, 127])
def test_crashes_fail(code: int) -> None:
    assert outcome(code).state is State.FAILED


def test_limits_fail_with_their_figures() -> None:
    end = outcome(75, stopping="time-limit", stop_reason="the time limit of 1 h is reached")
    assert (end.state, end.reason) == (State.FAILED, "the time limit of 1 h is reached")
    end = outcome(137, stopping="memory", stop_reason=over_memory(2**30, 3 * 2**29))
    assert end.reason == "used 1.5 GiB of memory; its limit is 1 GiB"


def test_no_attempt_is_started_after_the_time_is_used_up() -> None:
    end = outcome(75, time_limit=60.0, run_seconds=61.0)
    assert (end.state, end.reason) == (State.FAILED, "the time limit of 60 s is reached")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5 s"), (90, "90 s"), (300, "5 min"), (5400, "1 h 30 min"), (172800, "2 d")],
)
def test_durations_are_written_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(512, "512 B"), (2**20, "1 MiB"), (5 * 2**40, "5 TiB")]
)
def test_sizes_are_written_as_people_do(count: int, text: str) -> None:
    assert size(count) == text
