from __future__ import annotations

import time
from typing import Any

import pytest

from jupyter_unattended.backends.batch.observe import Seen
from jupyter_unattended.backends.slurm import listing


def row(id_: str = "12", **fields: str) -> Seen:
    """Read one line as squeue writes it: fields filled up with blanks."""
    values = {
        "JobArrayID": id_, "State": "RUNNING", "Reason": "None", "exit_code": "0",
        "StartTime": "1795264384", "EndTime": "0", "SubmitTime": "1795264380",
        "TimeLimit": "1:00:00", "MinMemory": "0", "Comment": "(null)",
    } | fields  # fmt: skip
    line = "".join(f"{values[name]:{width}}|" for name, width in listing._FIELDS)
    (one,) = listing.parse_jobs(f"{line}\n")
    return Seen.of(one)


@pytest.mark.parametrize(
    ("fields", "phase", "why"),
    [
        ({"State": "PENDING", "Reason": "Priority"}, "pending", "waiting for its priority"),
        ({"State": "PENDING", "Reason": "JobHeldUser"}, "held", "held"),
        ({"State": "PENDING", "Reason": "JobHeldAdmin"}, "held", "held by an administrator"),
        ({"State": "REQUEUE_HOLD", "Reason": "x"}, "held", "x"),
        ({"State": "CONFIGURING"}, "running", "its node is being prepared"),
        ({"State": "COMPLETING"}, "running", ""),
        ({"State": "SUSPENDED"}, "suspended", "suspended by Slurm"),
        ({"State": "TIMEOUT"}, "ended", "killed at its time limit of 1 h"),
        ({"State": "OUT_OF_MEMORY", "MinMemory": "2G"}, "ended", "memory with a limit of 2G"),
        ({"State": "FAILED", "exit_code": "9"}, "ended", "its script was killed by signal 9"),
        ({"State": "FAILED", "exit_code": "53"}, "ended", "could not open scheduler.log"),
        ({"State": "FAILED", "exit_code": "256"}, "ended", ""),
        ({"State": "COMPLETED"}, "ended", ""),
        ({"State": "SOMETHING_NEW"}, "ended", ""),
    ],
)  # fmt: skip
def test_states(fields: dict[str, str], phase: str, why: str) -> None:
    seen = row(**fields)
    assert seen.phase == phase
    assert why in seen.why
    assert bool(why) == bool(seen.why)


@pytest.mark.parametrize(
    ("state", "ended_as"),
    [
        ("CANCELLED", "cancelled"), ("TIMEOUT", "time limit"), ("NODE_FAIL", "node"),
        ("PREEMPTED", "preempted"), ("OUT_OF_MEMORY", "memory"), ("FAILED", "unclear"),
    ],
)  # fmt: skip
def test_how_it_ended(state: str, ended_as: str) -> None:
    assert row(State=state).ended_as == ended_as


def test_the_expected_start_is_read() -> None:
    waiting: dict[str, Any] = {"State": "PENDING", "Reason": "Resources"}
    assert row(**waiting, StartTime="1795269999").starts == 1795269999
    assert row(**waiting, StartTime="N/A").starts is None


@pytest.mark.parametrize(
    ("id_", "comment", "job"),
    [
        ("12", "unattended:train-1", "train-1"),
        ("12", "(null)", ""),
        ("12", "mine | with a bar", ""),
        ("12_3", "unattended:train-1", ""),  # of the array's first task
    ],
)
def test_whose_job_it_is(id_: str, comment: str, job: str) -> None:
    assert row(id_, Comment=comment).job == job


def test_lines_that_are_none_are_passed_over() -> None:
    assert listing.parse_jobs("slurm_load_jobs: a warning\n\n") == []


def test_accounting() -> None:
    found = listing.parse_accounting(
        "12|COMPLETED|1795264384|01:00:00|2G\n"
        "13_4|CANCELLED by 1000|1795264384|01:00:00|2G\n"
        "14|TIMEOUT|Unknown|01:00:00|2G\n"
        "torn\n"
    )
    assert list(found) == ["12", "13_4", "14"]
    assert (found["12"].ended_as, found["12"].since) == ("unclear", 1795264384)
    assert (found["13_4"].ended_as, found["13_4"].why) == ("cancelled", "cancelled with scancel")
    assert found["14"].since is None
    assert found["14"].why == "killed at its time limit of 1 h"


def test_the_file_of_completed_jobs() -> None:
    found = listing.parse_accounting("12|TIMEOUT|2026-11-21T16:05:13|90|\n")
    assert found["12"].why == "killed at its time limit of 1 h 30 min"
    assert found["12"].since == time.mktime((2026, 11, 21, 16, 5, 13, 0, 0, -1))
