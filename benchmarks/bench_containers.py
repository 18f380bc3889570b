"""How soon a job in a container starts, against a bare ``podman run`` of the same command.

Makes a Podman and an image of its own, like the tests (as root; two minutes the first time)::

    python benchmarks/bench_containers.py [--rounds N]

Both contenders run in turn, with the same image, mounts and start.sh; what is measured is the time
from the call to the notebook's first line in the log.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from jupyter_unattended.backends.base import Bundle
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec
from tests.container.engine import IMAGE, TestEngine, started

#: Seconds by which a job may be slower than the bare command.
TARGET = 0.3
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        {
            "id": "a",
            "cell_type": "code",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": "print('hello', flush=True)",
        }
    ],
}


def first_line(paths: JobPaths, attempt: int, began: float) -> float:
    """Return the seconds until an attempt's log has the notebook's first line."""
    log = paths.attempt(attempt).log
    while not (log.exists() and b"hello" in log.read_bytes()):
        if time.perf_counter() - began > 60:
            sys.exit(f"benchmark: nothing in {log} after a minute")
        time.sleep(0.002)
    return time.perf_counter() - began


def submitted(service: JobService, spec: JobSpec) -> tuple[float, JobPaths]:
    """Submit a job; return the seconds to its first line, and its directory."""
    began = time.perf_counter()
    job = service.submit(spec, force=True)
    paths = JobPaths(Path(job.directory))
    took = first_line(paths, 1, began)
    service.wait(job.id)
    return took, paths


def bare(engine: TestEngine, command: str, paths: JobPaths) -> float:
    """Run the same container by hand; return the seconds to its first line."""
    attempt = len(paths.existing_attempts()) + 1
    began = time.perf_counter()
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    took = first_line(paths, attempt, began)
    container = done.stdout.strip()
    engine.podman("wait", container)
    engine.podman("rm", container)
    return took


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with started() as engine, tempfile.TemporaryDirectory(prefix="unattended-bench-") as scratch:
        os.environ.update(engine.env, UNATTENDED_STATE_DIR=f"{scratch}/state")
        notebook = Path(scratch) / "work" / "hello.ipynb"
        notebook.parent.mkdir()
        notebook.write_text(json.dumps(NOTEBOOK))
        (notebook.parent / "requirements.txt").touch()
        spec = JobSpec(
            notebook=notebook, backend="container", image=IMAGE, options={"network": "none"}
        )
        service = JobService()
        _, paths = submitted(service, spec)  # starts the agent, warms caches
        known = JobSpec.model_validate(json.loads(paths.spec.read_bytes())["spec"])
        command = service.backend("container").render(Bundle(known, paths)).text
        print(f"load average at the start {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        times: dict[str, list[float]] = {"podman run": [], "submit": []}
        bare(engine, command, paths)
        for number in range(rounds):
            for name in sorted(times, reverse=bool(number % 2)):
                if name == "submit":
                    times[name].append(submitted(service, spec)[0])
                else:
                    times[name].append(bare(engine, command, paths))
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name, values in times.items():
            shown = ", ".join(f"{value:.2f}" for value in values)
            print(f"{name:12} {medians[name]:.3f} s  ({shown})")
        more = medians["submit"] - medians["podman run"]
        print(f"more: {more:.3f} s; target {TARGET} s: {'met' if more <= TARGET else 'MISSED'}")


if __name__ == "__main__":
    main()
