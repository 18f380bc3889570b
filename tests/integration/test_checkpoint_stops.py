"""Being stopped between cells, in a cell, in a loop and while variables are being saved."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.jobs import resume
from jupyter_unattended.paths import JobPaths

from .jobdir import Job
from .kills import ONCE, STOP, attempt, checkpoints, kill_group, spec


def wait_for_file(file: Path, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not file.exists():
        assert time.monotonic() < deadline, f"there is no {file}"
        time.sleep(0.02)


def saved(job: Job) -> list[dict[str, Any]]:
    return [line["saved"] for line in job.events("checkpoint") if "saved" in line]


def resumed_at(job: Job) -> list[int]:
    return [line["first_cell"] for line in job.events("resumed")]


def test_stopped_between_cells_it_saves(tmp_path: Path) -> None:
    # Who asks is not interrupted, and who does not ask again has a cell that ends as ever.
    asks = "import os, signal, time\nfrom jupyter_unattended import stop_requested\nx = 41\n"
    asks += ONCE + "stop_requested(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.5)"
    job = Job(tmp_path, asks, "print(x + 1)")
    assert job.run() == 75
    assert job.events("cell_finished")[0]["status"] == "ok"
    assert [one["covers"] for one in saved(job)] == [0]
    assert job.run() == 0
    assert resumed_at(job) == [1]
    assert job.text(1) == "42\n"


def test_stopped_in_a_cell_it_saves_nothing_half_done(tmp_path: Path) -> None:
    cells = ["import os; x = 1", "x = 2\n" + ONCE + STOP, "print(x)"]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 75
    assert [one["covers"] for one in saved(job)] == [0]
    assert job.run() == 0
    assert resumed_at(job) == [1]
    assert job.text(2) == "2\n"


#: Takes long to be saved, in the first attempt, and says that it has begun.
SLOW = """
import os, pathlib, time, numpy
large = numpy.arange(500_000)
class Slow:
    def __reduce__(self):
        if os.environ["UNATTENDED_ATTEMPT"] == "1":
            pathlib.Path("saving").touch(); time.sleep({seconds})
        return Slow, ()
slow = Slow()
"""
USE = "print(large.sum(), type(slow).__name__)"


def stop_while_saving(job: Job, *signals: int) -> tuple[int, float]:
    """Send signals while the first attempt saves; return its exit code, and how long it took."""
    process = job.start(start_new_session=True)
    try:
        wait_for_file(job.workspace / "saving")
        began = time.monotonic()
        for number in signals:
            process.send_signal(number)
            time.sleep(0.3)
        return process.wait(100), time.monotonic() - began
    finally:
        if process.poll() is None:
            kill_group(process, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_stopped_while_saving_it_saves_to_the_end(tmp_path: Path, times: int) -> None:
    job = spec(Job(tmp_path, SLOW.format(seconds=2), USE), checkpoint_interval=0)
    assert stop_while_saving(job, *[signal.SIGTERM] * times)[0] == 75
    assert [one["covers"] for one in saved(job)] == [0]
    assert job.events("finished")[0]["outcome"] == "stopped"
    assert job.run() == 0, job.log(2)
    assert resumed_at(job) == [1]
    assert job.text(1) == "124999750000 Slow\n"


def test_a_save_that_takes_longer_than_the_grace_period_is_given_up(tmp_path: Path) -> None:
    grace = 6
    job = Job(tmp_path, SLOW.format(seconds=90), USE, grace_period=grace)
    code, seconds = stop_while_saving(spec(job, checkpoint_interval=0), signal.SIGTERM)
    assert code == 75, job.log()
    assert seconds < 60  # the save alone takes longer
    assert saved(job) == []
    assert job.run() == 0, job.log(2)
    assert resumed_at(job) == []
    assert "starts from the top, because nothing was saved" in job.log(2)
    assert job.text(1) == "124999750000 Slow\n"
    # What it had begun to write is gone.
    assert [file for file in checkpoints(job).rglob("*") if file.is_file()] == []


def test_the_step_that_runs_is_finished(tmp_path: Path) -> None:
    cells = [
        "import os, time\nfrom jupyter_unattended import resumable\ndone = []",
        "for n in resumable(range(4), state=done):\n"
        "    open('in-step', 'w').close()\n"
        "    time.sleep(2 if os.environ['UNATTENDED_ATTEMPT'] == '1' else 0)\n"
        "    done.append(n); print('step', n)",
    ]
    job = Job(tmp_path, *cells, grace_period=8)
    process = job.start(start_new_session=True)
    wait_for_file(tmp_path / "in-step")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    assert [one["steps"] for one in saved(job) if "loop" in one] == [1], job.log()
    assert job.run() == 0
    printed = [line for line in (job.log(1) + job.log(2)).splitlines() if line.startswith("step ")]
    assert printed == [f"step {number}" for number in range(4)]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_journal_tells_how_much_work_was_lost(tmp_path: Path, how: signal.Signals) -> None:
    cells = ["import os, time; x = 1", "open('in-cell', 'w').close()\n" + ONCE + "time.sleep(90)"]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    process = job.start(start_new_session=True)
    wait_for_file(tmp_path / "in-cell")
    began = time.time()
    time.sleep(5)
    if how == signal.SIGKILL:
        kill_group(process, how)
    else:
        process.send_signal(how)
    process.wait(60)
    most = time.time() - job.events("checkpoint")[0]["t"]
    assert attempt(job, lambda _process: None)[0] == 0, job.log(2)
    (lost,) = job.events("lost")
    assert lost["of_attempt"] == 1
    # Nobody could tell the end of the killed one, but it gave a sign of life every other second.
    assert 1 <= lost["seconds"] <= most + 0.1, (lost, began)
    said = re.search(r"attempt 1 lost (\d+) s of work", job.log(2))
    assert said is not None
    assert float(said[1]) == pytest.approx(lost["seconds"], abs=0.6)
    told = resume.of_job(JobPaths(job.root), running=False)
    assert told.attempts[0].lost_seconds == pytest.approx(lost["seconds"], abs=0.1)
