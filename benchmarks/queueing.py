"""How soon a job starts, and how many jobs the local backend swallows."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import notebooks
from measure import Line, median_of, print_table

from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.spec import JobSpec

_SUBMIT = [sys.executable, "-m", "jupyter_unattended.cli", "submit"]


def latency(work: Path, rounds: int) -> None:
    """Print the time from a submit to the first line in the log."""
    directory = work / "latency"
    directory.mkdir()
    notebook, _ = notebooks.one_cell(directory)
    service = JobService()
    first = _from_command(service, notebook)
    lines = [
        Line("first submit (starts the agent)", f"{first:.3f} s"),
        Line(
            "command line", f"{median_of(rounds, lambda: _from_command(service, notebook)):.3f} s"
        ),
        Line("Python", f"{median_of(rounds, lambda: _from_python(service, notebook)):.3f} s"),
    ]
    print_table(f"Submit to first line (medians of {rounds})", lines)


def _from_command(service: JobService, notebook: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run([*_SUBMIT, notebook], capture_output=True, text=True, check=True)
    return _first_line(service, done.stdout.strip(), began)


def _from_python(service: JobService, notebook: Path) -> float:
    began = time.perf_counter()
    return _first_line(service, service.submit(JobSpec(notebook=notebook)).id, began)


def _first_line(service: JobService, job_id: str, began: float) -> float:
    log = service.paths(job_id).attempt(1).log
    while not (log.exists() and b"hello" in log.read_bytes()):
        if time.perf_counter() - began > 60:
            sys.exit(f"benchmark: {job_id} wrote nothing in a minute")
        time.sleep(0.002)
    reached = time.perf_counter() - began
    service.wait(job_id)
    return reached


def many(work: Path, count: int) -> None:
    """Print the time to accept and to finish many trivial jobs."""
    directory = work / "many"
    directory.mkdir()
    notebook, _ = notebooks.one_cell(directory)
    service = JobService()
    began = time.perf_counter()
    ids = [view.id for view in service.submit_many([JobSpec(notebook=notebook)] * count)]
    accepted = time.perf_counter() - began
    unfinished = set(ids)
    deadline = time.monotonic() + count * 5
    while unfinished:
        if time.monotonic() > deadline:
            sys.exit(f"benchmark: {len(unfinished)} jobs have not ended")
        time.sleep(1)
        ended = {view.id for view in service.list() if view.state.is_final}
        unfinished -= ended
    finished = time.perf_counter() - began
    failed = [view.id for view in service.list() if view.state.value != "succeeded"]
    failed = [job_id for job_id in failed if job_id in set(ids)]
    lines = [
        Line("accepted", f"{accepted:.2f} s", "10 s", accepted <= 10),
        Line("all finished", f"{finished:.1f} s"),
        Line("per job", f"{finished / count:.3f} s"),
        Line("failed", str(len(failed)), "0", not failed),
    ]
    print_table(f"{count} trivial jobs", lines)
