"""``list`` with many ended jobs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from measure import Line, median_of, print_table

from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.store import Row
from jupyter_unattended.paths import JobPaths

_LIST = [sys.executable, "-m", "jupyter_unattended.cli", "list"]


def fill(service: JobService, workspace: Path, count: int) -> None:
    """Put `count` jobs that have ended into the index, with directories in `workspace`."""
    rows = []
    for number in range(count):
        job_id = f"20260101-000000-job-{number:05d}"
        paths = JobPaths.in_workspace(workspace, job_id)
        paths.root.mkdir(parents=True)
        paths.spec.write_text(json.dumps({"schema_version": 1, "id": job_id, "spec": {}}))
        rows.append(
            Row(
                id=job_id,
                name=f"job {number}",
                notebook=str(workspace / "train.ipynb"),
                workspace=str(workspace),
                directory=str(paths.root),
                backend="local",
                state="failed" if number % 7 == 0 else "succeeded",
                reason="ValueError in cell 3: too many values" if number % 7 == 0 else "",
                exit_code=1 if number % 7 == 0 else 0,
                created=1.7e9 + number,
                started=1.7e9 + number + 1,
                ended=1.7e9 + number + 60,
                attempt=1,
                cells_done=10,
                cells_total=10,
            )
        )
    service.store.put(rows)
    service.store.remember_workspace(str(workspace))


def measure(work: Path, rounds: int, count: int = 10_000) -> None:
    """Print how long ``list`` takes, from the shell's view."""
    fill(JobService(work / "listing-state"), work / "listing", count)
    env = {"UNATTENDED_STATE_DIR": str(work / "listing-state")}

    def call(*options: str) -> float:
        import os

        began = time.perf_counter()
        done = subprocess.run(
            [*_LIST, *options], env={**os.environ, **env}, capture_output=True, check=True
        )
        took = time.perf_counter() - began
        if "--all" in options and done.stdout.count(b"\n") < count:
            sys.exit("benchmark: list did not list all jobs")
        return took

    def target(what: str, seconds: float) -> Line:
        return Line(what, f"{seconds:.3f} s", "0.5 s", seconds < 0.5)

    lines = [
        target("list", median_of(rounds, call)),
        target("list --all", median_of(rounds, lambda: call("--all"))),
        Line("list --all --json", f"{median_of(rounds, lambda: call('--all', '--json')):.3f} s"),
    ]
    print_table(f"{count} ended jobs, in a process of its own (medians of {rounds})", lines)


if __name__ == "__main__":  # DIRECTORY COUNT: fill the index of whoever runs it
    fill(JobService(), Path(sys.argv[1]), int(sys.argv[2]))
