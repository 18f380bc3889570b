from __future__ import annotations

import json
import os
from typing import Any

import pytest

from jupyter_unattended.backends.base import JobRef
from jupyter_unattended.backends.batch.backend import entries_of
from jupyter_unattended.backends.batch.files import BatchFiles
from jupyter_unattended.backends.batch.observe import (
    EndedAs,
    Phase,
    Seen,
    interruption,
    observe,
    out_of_memory,
)
from jupyter_unattended.jobs.states import State

from ..conftest import MakeBundle


class Place:
    """A job directory in which things have happened."""

    def __init__(self, ref: JobRef) -> None:
        self.ref = ref
        self.files = BatchFiles.of(ref.paths)
        self.files.root.mkdir(parents=True)

    def attempt(self, number: int, **record: Any) -> None:
        attempt = self.ref.paths.attempt(number)
        attempt.root.mkdir(parents=True)
        attempt.record.write_text(json.dumps({"attempt": number, "started": 100.0, **record}))

    def see(self, *entries: Seen, links: int = 1) -> Any:
        return observe(self.ref, entries, "Slurm", links)


@pytest.fixture
def place(make_bundle: MakeBundle) -> Place:
    bundle = make_bundle("slurm")
    return Place(JobRef(bundle.job_id, "7", bundle.paths))


def seen(phase: Phase, why: str = "", ended_as: EndedAs = "unclear") -> Seen:
    return Seen("7", phase, why, ended_as=ended_as)


@pytest.mark.parametrize(
    ("phase", "state"),
    [
        ("pending", State.QUEUED),
        ("held", State.PAUSED),
        ("running", State.STARTING),
        ("suspended", State.PAUSED),
    ],
)
def test_before_the_first_attempt(place: Place, phase: Phase, state: State) -> None:
    found = place.see(seen(phase, "because"))
    assert (found.state, found.reason, found.attempt) == (state, "because", 0)


def test_it_runs_when_start_sh_has_begun(place: Place) -> None:
    place.attempt(1)
    assert place.see(seen("running")).state is State.RUNNING


def test_the_next_link_is_starting_until_its_own_attempt_begins(place: Place) -> None:
    place.attempt(1, ended=150.0, exit_code=75)
    place.files.links.write_text("start 1 100 7 0\nend 1 150 50 75 moved 1-2\nstart 2 160 7 0\n")
    assert place.see(seen("running"), links=3).state is State.STARTING


def test_between_two_links_it_is_queued_as_the_next(place: Place) -> None:
    place.attempt(1, ended=150.0, exit_code=75)
    place.files.links.write_text("start 1 100 7 0\nend 1 150 50 75 moved 1-2\n")
    found = place.see(seen("pending", "waiting for free resources"), links=3)
    assert found.state is State.QUEUED
    assert found.reason == "link 2 of 3; waiting for free resources"


def test_a_link_that_just_began_is_not_the_one_that_waits(place: Place) -> None:
    """What a scheduler said may be a second old, what is in a file is not."""
    place.attempt(1, ended=150.0, exit_code=75)
    place.attempt(2)
    place.files.links.write_text("start 1 100 7 0\nend 1 150 50 75 moved 1-2\nstart 2 160 7 0\n")
    assert place.see(seen("pending"), links=3).reason == "link 2 of 3"


def test_a_link_that_was_cut_off_is_told_from_one_that_runs(place: Place) -> None:
    place.attempt(1)
    place.files.links.write_text("start 1 100 7 0\n")
    place.files.alive.write_text("1 50\n")
    assert place.see(seen("pending", "waiting")).reason == "waiting"
    os.utime(place.files.alive, (1000, 1000))
    assert place.see(seen("pending", "waiting")).reason == (
        "it was cut off, as when its node fails; waiting"
    )
    place.files.links.write_text("start 1 100 7 0\nend 1 150 50 75 moved 1-2\n")
    assert place.see(seen("pending", "waiting")).reason == "waiting"


def test_a_chain_says_so_before_it_begins(place: Place) -> None:
    assert place.see(seen("pending", "waiting"), links=6).reason == "link 1 of 6; waiting"


def test_links_that_are_queued_ahead_are_numbered_by_their_ids(place: Place) -> None:
    place.attempt(1)  # killed: nobody wrote how it ended
    place.files.links.write_text("start 1 100 6 0\n")
    place.files.add_ids(["6", "7", "8"])
    assert place.see(seen("pending"), links=3).reason == "link 2 of 3"


def test_what_slurm_wrote_into_the_log_tells_why_it_waits_again(place: Place) -> None:
    place.attempt(1, ended=150.0, exit_code=75)
    place.files.scheduler_log.write_text(
        "error: *** JOB 7 ON n1 CANCELLED AT 2026-11-21T12:33:30 DUE TO PREEMPTION ***\n"
    )
    entry = Seen("7", "pending", "a moment", delayed=True)
    found = place.see(entry)
    assert (found.state, found.reason) == (State.PREEMPTED, "preempted; a moment")


@pytest.mark.parametrize(
    ("word", "code", "state"),
    [
        ("succeeded", 0, State.SUCCEEDED),
        ("failed", 75, State.FAILED),
        ("cancelled", 75, State.CANCELLED),
    ],
)
def test_what_the_script_wrote_last_is_true_whatever_the_scheduler_still_shows(
    place: Place, word: str, code: int, state: State
) -> None:
    place.attempt(1, ended=150.0, exit_code=code)
    place.files.done.write_text(f"{word} {code} 151 not finished in its 2 links\n")
    found = place.see(seen("running"))
    assert (found.state, found.exit_code, found.since) == (state, code, 150.0)
    assert found.reason == ("" if code == 0 else "not finished in its 2 links")


def test_requests_show_until_they_are_obeyed(place: Place) -> None:
    place.attempt(1)
    place.files.write_request("pause")
    assert place.see(seen("running")).state is State.PAUSING
    assert place.see(seen("held", "held")).reason == "paused"
    place.files.write_request("cancel")
    assert place.see(seen("running")).reason == "being cancelled"
    assert place.see().state is State.CANCELLED


@pytest.mark.parametrize(
    ("ended_as", "why", "code", "state", "reason"),
    [
        ("cancelled", "cancelled with scancel", None, State.CANCELLED, "cancelled with scancel"),
        ("time limit", "killed at its time limit", None, State.FAILED, "killed at its time limit"),
        ("unclear", "", 3, State.FAILED, ""),
        ("node", "its node failed", 0, State.SUCCEEDED, ""),
        ("unclear", "", 75, State.PAUSED, "did not queue it again"),
        ("unclear", "", None, State.FAILED, "without leaving an exit code"),
    ],
)
def test_how_it_ended_without_a_word_of_the_script(
    place: Place, ended_as: EndedAs, why: str, code: int | None, state: State, reason: str
) -> None:
    place.attempt(1, **({} if code is None else {"exit_code": code, "ended": 150.0}))
    found = place.see(seen("ended", why, ended_as))
    assert found.state is state
    assert reason in found.reason
    assert bool(reason) == bool(found.reason)


def test_a_script_that_never_reached_start_sh_says_why_in_its_log(place: Place) -> None:
    place.files.scheduler_log.write_text("bash: module: command not found\n\n")
    found = place.see(seen("ended"))
    assert found.state is State.FAILED
    assert found.reason == "it ended before start.sh began: bash: module: command not found"


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ({}, None),
        ({"exit_code": 0}, State.SUCCEEDED),
        ({"exit_code": 2}, State.FAILED),
        ({"exit_code": 75}, State.PAUSED),
    ],
)
def test_what_the_scheduler_has_forgotten(
    place: Place, record: dict[str, Any], state: State | None
) -> None:
    place.attempt(1, **record)
    found = place.see()
    assert (found and found.state) == state


def test_a_job_that_was_stopped_is_left_open_until_the_accounting_was_asked(place: Place) -> None:
    place.attempt(1, exit_code=75)
    assert observe(place.ref, [], "Grid Engine", 1, accounted=False) is None
    killed = Seen("7", "ended", "out of memory with a limit of 600M", ended_as="memory")
    found = place.see(killed)
    assert (found.state, found.reason) == (State.FAILED, "out of memory with a limit of 600M")


def test_an_id_that_was_given_out_again_is_another_job(place: Place) -> None:
    known = {
        "7": Seen("7", "running", job="somebody-elses"),
        "8": Seen("8", "pending", job=place.ref.job_id),
        "9": Seen("9", "pending"),
    }
    assert [one.id for one in entries_of(place.ref, known, ["7", "8", "9", "10"])] == ["8", "9"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", ""),
        ("*** JOB 1 ON n CANCELLED AT T DUE TO TIME LIMIT ***", ""),
        ("*** JOB 1 ON n CANCELLED AT T DUE TO NODE FAILURE, SEE LOG ***", "its node failed"),
        ("*** JOB 1 ON n CANCELLED AT T DUE TO PREEMPTION ***\n"
         "*** JOB 1 ON n CANCELLED AT T DUE TO JOB REQUEUE ***", ""),
        ("*** JOB 1 ON n CANCELLED AT T DUE TO PREEMPTION ***\n"
         "2026-11-21 12:00:00 jupyter-unattended: link 2 stopped before the end", ""),
    ],
)  # fmt: skip
def test_what_interrupted_the_last_link(words: str, reason: str) -> None:
    assert interruption(words) == reason


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", ""),
        ("error: StepId=4.batch exceeded memory limit (326135808 > 104857600), being killed",
         "out of memory with a limit of 100M"),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=5.batch cgroup.",
         "out of memory"),
        ("slurmstepd: error: Detected 2 oom_kill events in StepId=5.batch.", "out of memory"),
    ],
)  # fmt: skip
def test_what_slurm_says_of_memory(words: str, reason: str) -> None:
    assert out_of_memory(words) == reason


def test_a_notebook_that_the_kernel_killed_for_its_memory_says_so(place: Place) -> None:
    place.attempt(1, ended=150.0, exit_code=137)
    place.files.done.write_text("failed 137 151 \n")
    place.files.scheduler_log.write_text("Detected 1 oom-kill event(s) in StepId=7.batch\n")
    assert place.see().reason == "out of memory"
