"""Measure a batch backend: ``python benchmarks/bench_schedulers.py slurm|gridengine [--rounds N]``.

On daemons of its own on the loopback interface, as the tests start them (as root). Their schedulers
look at the queue every second, which is a part of every figure, ours and theirs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import nbformat
from hpc.daemons import scratch, wait_for

from jupyter_unattended.backends.batch.backend import BatchBackend
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec

SAY_WHEN = "import time; print(time.time(), flush=True)"


def main() -> None:
    """Run all measurements and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scheduler", choices=("slurm", "gridengine"))
    parser.add_argument("--rounds", type=int, default=9, help="submits of each contender")
    parser.add_argument("--jobs", type=int, default=500, help="live jobs while calls are counted")
    parser.add_argument("--array", type=int, default=200, help="runs submitted as one array")
    parser.add_argument("--seconds", type=int, default=30, help="how long calls are counted")
    options = parser.parse_args()
    print(f"load average at the start: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    cluster = _cluster(options.scheduler)
    workspace = scratch("unattended-benchmark-")
    try:
        os.environ.update(cluster.env)
        with tempfile.TemporaryDirectory() as state:
            os.environ["UNATTENDED_SITE_PROFILE"] = f"{state}/site.toml"
            bench = Bench(cluster, workspace, JobService(Path(state)), options.scheduler)
            bench.start(options.rounds)
            bench.calls(1, options.seconds)
            bench.calls(options.jobs, options.seconds)
            bench.array(options.array)
    finally:
        cluster.stop()


def _cluster(name: str) -> Any:
    if name == "slurm":
        from hpc.slurm.cluster import SlurmCluster

        return SlurmCluster()
    from hpc.gridengine.cluster import GridEngineCluster

    return GridEngineCluster()


class Bench:
    """One scheduler and a workspace."""

    def __init__(self, cluster: Any, workspace: Path, service: JobService, name: str) -> None:
        self.cluster = cluster
        self.workspace = workspace
        self.service = service
        self.name = name
        backend = service.backend(name)
        assert isinstance(backend, BatchBackend)
        self.backend = backend

    def start(self, rounds: int) -> None:
        """From the submit to the first line that the notebook prints, three ways in turn."""
        contenders: dict[str, Callable[[int], float]] = {
            "submit": self._ours,
            "the scheduler's own submit of start.sh": self._start_script,
            "the scheduler's own submit of a Python script": self._bare,
        }
        took: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(rounds + 1):  # the first one warms up
            for name, contender in contenders.items():
                seconds = contender(number)
                if number:
                    took[name].append(seconds)
                wait_for(lambda: not self.cluster.queue(), 60, "the queue is empty", 0.2)
        for name, seconds in took.items():
            print(f"{name} to its first line: {_spread(seconds)}")
        ours, same, bare = (statistics.median(seconds) for seconds in took.values())
        print(f"more than the same start.sh: {ours - same:+.2f} s (target: 0.5 s at most)")
        print(f"more than a Python script: {ours - bare:+.2f} s")

    def _ours(self, number: int) -> float:
        began = time.time()
        view = self.service.submit(self._spec(f"ours-{number}"), force=True)
        return _line(JobPaths(Path(view.directory)).attempt(1).log) - began

    def _start_script(self, number: int) -> float:
        spec = self._spec(f"same-{number}", options={"hold": True})
        view = self.service.submit(spec, force=True)
        self.service.cancel(view.id)
        paths = JobPaths(Path(view.directory))
        return self._submit_bare(f"bash {paths.start_script}", paths.attempt(1).log)

    def _bare(self, number: int) -> float:
        log = self.workspace / f"bare-{number}.txt"
        return self._submit_bare(f"{sys.executable} -c '{SAY_WHEN}' >{log}", log)

    def _submit_bare(self, command: str, log: Path) -> float:
        script = self.workspace / f"{log.stem}.sh"
        script.write_text(f"#!/bin/bash -l\n{command}\n")
        out = self.workspace / "out.txt"
        words = (
            ["sbatch", "--export=NONE", f"--output={out}"]
            if self.name == "slurm"
            else ["qsub", "-S", "/bin/bash", "-j", "y", "-o", str(out)]
        )
        began = time.time()
        done = self.cluster.client(*words, str(script))
        if done.returncode:
            raise RuntimeError(done.stderr)
        return _line(log) - began

    def calls(self, jobs: int, seconds: int) -> None:
        """How often the scheduler is asked while a front end asks us once a second."""
        began = time.perf_counter()
        views = [
            self.service.submit(self._spec(f"live-{number}", options={"hold": True}), force=True)
            for number in range(jobs)
        ]
        submitted = time.perf_counter() - began
        run = self.backend.commands.run
        calls = 0

        def counting(*words: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            return run(*words, **more)

        asked = []
        self.backend.commands.run = counting  # type: ignore[method-assign]
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                began = time.perf_counter()
                listed = self.service.list()
                asked.append(time.perf_counter() - began)
                time.sleep(max(0.0, 1 - asked[-1]))
        finally:
            self.backend.commands.run = run  # type: ignore[method-assign]
        live = sum(not view.state.is_final for view in listed)
        print(
            f"{live} live jobs: {calls * 60 / seconds:.0f} calls a minute of the scheduler's "
            f"programs, a list of all in {statistics.median(asked):.2f} s; submitting them took "
            f"{submitted:.1f} s"
        )
        for view in views:
            self.service.store.update({view.id: {"state": "cancelled"}})
        self.cluster.clear()

    def array(self, runs: int) -> None:
        """Many runs of one notebook as one array."""
        specs = [self._spec("sweep", arguments=[str(number)]) for number in range(runs)]
        began = time.perf_counter()
        self.service.submit_many(specs, force=True)
        print(f"{runs} runs submitted as an array in {time.perf_counter() - began:.1f} s")
        self.cluster.clear()

    def _spec(self, name: str, **fields: Any) -> JobSpec:
        notebook = self.workspace / f"{name}.ipynb"
        if not notebook.exists():
            node = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
                cells=[nbformat.v4.new_code_cell(SAY_WHEN)]  # type: ignore[no-untyped-call]
            )
            nbformat.write(node, notebook)  # type: ignore[no-untyped-call]
        return JobSpec(notebook=notebook, workspace=self.workspace, backend=self.name, **fields)


def _line(log: Path) -> float:
    """Return the moment that is the first line of a log."""
    wait_for(lambda: log.exists() and "\n" in log.read_text(), 60, f"a line in {log}", 0.01)
    return float(log.read_text().split()[0])


def _spread(seconds: list[float]) -> str:
    middle, low, high = statistics.median(seconds), min(seconds), max(seconds)
    return f"{middle:.2f} s ({low:.2f} to {high:.2f}, {len(seconds)} runs)"


if __name__ == "__main__":
    main()
