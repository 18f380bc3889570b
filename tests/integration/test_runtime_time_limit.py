"""Limits that no scheduler counts: start.sh counts time and restarts, over all attempts."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.integration.jobdir import Job

SLEEP = "import time\ntime.sleep(60)"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP


def test_a_job_over_its_limit_is_stopped_and_fails(tmp_path: Path) -> None:
    job = Job(tmp_path, SLEEP)
    began = time.monotonic()
    assert job.run(env={"UNATTENDED_TIME_LIMIT": "2"}) == 1
    assert 2 <= time.monotonic() - began < 8
    assert job.record()["reason"] == "stopped because it was over its time limit of 2 s"
    assert (job.attempt() / "exit").read_text().split()[0] == "1"


def test_a_job_that_does_not_stop_is_killed_after_its_grace_period(tmp_path: Path) -> None:
    job = Job(tmp_path, STUBBORN, grace_period=1)
    began = time.monotonic()
    assert job.run(env={"UNATTENDED_TIME_LIMIT": "2"}) == 1
    assert 3 <= time.monotonic() - began < 10
    assert "over its time limit" in job.record()["reason"]


def test_all_attempts_count(tmp_path: Path) -> None:
    job = Job(tmp_path, SLEEP)
    for number, lasted in ((1, 3000), (2, 595)):
        job.attempt(number).mkdir(parents=True)
        record = {"attempt": number, "started": 1000.5, "ended": 1000.5 + lasted, "exit_code": 75}
        (job.attempt(number) / "attempt.json").write_text(json.dumps(record))
    began = time.monotonic()
    assert job.run(env={"UNATTENDED_TIME_LIMIT": "3597.0"}) == 1
    assert 1 <= time.monotonic() - began < 8
    assert job.run(env={"UNATTENDED_TIME_LIMIT": "3595.0"}) == 1
    assert "all attempts together" in job.record(4)["reason"]


def test_a_job_within_its_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    job = Job(tmp_path, "print('done')")
    assert job.run(env={"UNATTENDED_TIME_LIMIT": "4242"}) == 0
    time.sleep(0.3)
    left = [
        path
        for path in Path("/proc").glob("[0-9]*/environ")
        if os.fsencode(str(job.root)) in _read(path)
    ]
    assert left == []


def test_being_stopped_before_the_limit_is_no_failure(tmp_path: Path) -> None:
    job = Job(tmp_path, "print('begun', flush=True)\n" + SLEEP)
    process = job.start(env={"UNATTENDED_TIME_LIMIT": "60"})
    try:
        deadline = time.monotonic() + 20
        log = job.attempt() / "log.txt"
        while not (log.exists() and "begun" in log.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75
    finally:
        if process.poll() is None:
            process.kill()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_restarts_are_counted_but_for_those_that_a_person_asked_for(tmp_path: Path) -> None:
    job = Job(tmp_path, "print('done')")
    for number in (1, 2, 3):
        job.attempt(number).mkdir(parents=True)
    assert job.run(env={"UNATTENDED_MAX_RESTARTS": "2"}) == 1
    assert job.record(4)["reason"] == "stopped from outside more often than max-restarts (2) allows"
    for number in (2, 4):
        (job.attempt(number) / "paused").touch()
    assert job.run(env={"UNATTENDED_MAX_RESTARTS": "2"}) == 0


@pytest.mark.parametrize("told", ["UNATTENDED_MAX_RESTARTS", "UNATTENDED_LINK"])
def test_who_was_killed_after_the_end_has_nothing_left_to_do(tmp_path: Path, told: str) -> None:
    job = Job(tmp_path, "print('begun')")
    assert job.run(env={told: "1"}) == 0
    # As if start.sh had been killed before it could tell: the runtime has left its word.
    record = job.attempt(1) / "attempt.json"
    record.write_text(json.dumps({"attempt": 1, "pid": 1}))
    assert job.run(env={told: "1"}) == 0
    assert "attempt 1 reached the end of the notebook" in job.log(2)
    assert [event["attempt"] for event in job.events("cell_started")] == [1]
    assert job.text(0) == "begun\n"
    assert job.run() == 0  # a person has a reason
    assert [event["attempt"] for event in job.events("cell_started")] == [1, 3]


def test_no_progress_over_three_attempts_is_the_end(tmp_path: Path) -> None:
    stop = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM); time.sleep(60)"
    job = Job(tmp_path, "print('begun')", stop)
    counted = {"UNATTENDED_MAX_RESTARTS": "20"}
    for _ in range(3):
        assert job.run(env=counted) == 75
    (job.attempt(2) / "paused").touch()
    assert job.run(env=counted) == 75  # a pause does not count
    assert job.run(env=counted) == 2
    reason = (
        "the last 3 attempts came no further than the beginning of code cell 2; "
        "another one would not either"
    )
    assert job.events("finished")[-1]["reason"] == reason
    assert job.run() == 75  # a person who runs start.sh once more has a reason
