from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.batch import status as status_module
from jupyter_unattended.backends.batch.status import Rows, Status
from jupyter_unattended.errors import BackendError


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now

    monotonic = time

    def strftime(self, form: str, moment: Any) -> str:
        return "12:00:00"

    def localtime(self, moment: float) -> float:
        return moment


class Scheduler:
    """Answers, slowly if told, or not."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls = 0
        self.takes = 0.0
        self.broken = False

    def __call__(self) -> Rows:
        self.calls += 1
        self.clock.now += self.takes
        if self.broken:
            raise BackendError("Unable to contact slurm controller.")
        return [{"id": str(self.calls)}]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(status_module, "time", standing)
    return standing


@pytest.fixture
def scheduler(clock: Clock) -> Scheduler:
    return Scheduler(clock)


def test_many_questions_within_a_moment_are_one_call(
    scheduler: Scheduler, clock: Clock, tmp_path: Path
) -> None:
    status = Status("Slurm", tmp_path / "status.json", scheduler)
    assert [status.rows() for _ in range(5)] == [[{"id": "1"}]] * 5
    assert scheduler.calls == 1
    clock.now += 2
    assert status.rows() == [{"id": "2"}]


def test_what_was_just_done_to_a_job_is_seen_at_once(scheduler: Scheduler, tmp_path: Path) -> None:
    status = Status("Slurm", tmp_path / "status.json", scheduler)
    status.rows()
    status.forget()
    assert status.rows() == [{"id": "2"}]


def test_a_slow_answer_is_kept_for_ten_times_as_long_and_by_all_processes(
    scheduler: Scheduler, clock: Clock, tmp_path: Path
) -> None:
    scheduler.takes = 4
    here = Status("Slurm", tmp_path / "status.json", scheduler)
    there = Status("Slurm", tmp_path / "status.json", scheduler)
    here.rows()
    clock.now += 39
    assert here.rows() == there.rows() == [{"id": "1"}]
    clock.now += 2
    there.rows()
    assert scheduler.calls == 2


def test_silence_is_asked_about_after_5_10_20_seconds_and_at_most_every_5_minutes(
    scheduler: Scheduler, clock: Clock, tmp_path: Path
) -> None:
    scheduler.broken = True
    status = Status("Slurm", tmp_path / "status.json", scheduler)
    waits = []
    for calls in range(1, 9):
        asked = clock.now
        while scheduler.calls < calls:
            with pytest.raises(BackendError) as caught:
                status.rows()
            if scheduler.calls < calls:
                assert "does not answer since 12:00:00 (Unable to contact" in str(caught.value)
                clock.now += 1
        waits.append(round(clock.now - asked))
    assert waits == [0, 5, 10, 20, 40, 80, 160, 300]


def test_an_answer_ends_the_silence(scheduler: Scheduler, clock: Clock, tmp_path: Path) -> None:
    status = Status("Slurm", tmp_path / "status.json", scheduler)
    scheduler.broken = True
    with pytest.raises(BackendError):
        status.rows()
    scheduler.broken = False
    clock.now += 6
    assert status.rows() == [{"id": "2"}]
    scheduler.broken = True
    clock.now += 6
    with pytest.raises(BackendError, match="Unable to contact"):
        status.rows()


def test_a_damaged_file_and_a_directory_that_cannot_be_written_do_no_harm(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    file = tmp_path / "status.json"
    file.write_text('{"rows": [')
    scheduler.takes = 3
    assert Status("Slurm", file, scheduler).rows() == [{"id": "1"}]
    (tmp_path / "plain").touch()
    scheduler.broken = True
    with pytest.raises(BackendError, match="Unable to contact"):
        Status("Slurm", tmp_path / "plain" / "status.json", scheduler).rows()
