"""Measure the Kubernetes backend: ``python benchmarks/bench_kubernetes.py [--rounds N]``.

On a cluster of its own (see ``python -m tests.cluster build``), or on that of ``KUBECONFIG``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import nbformat

from jupyter_unattended.backends.base import Bundle, JobRef
from jupyter_unattended.backends.kubernetes import KubernetesBackend
from jupyter_unattended.backends.kubernetes.client import Api
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.paths import JobPaths
from tests.cluster import harness
from tests.cluster.harness import wait_until
from tests.on_cluster.jobs import Bench


def main() -> None:
    """Run all measurements and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="submits of each contender")
    parser.add_argument("--jobs", type=int, default=200, help="jobs submitted at once")
    parser.add_argument("--runs", type=int, default=1000, help="runs of a sweep")
    parser.add_argument(
        "--live", type=int, default=500, help="live jobs while requests are counted"
    )
    options = parser.parse_args()
    if problem := harness.why_not():
        sys.exit(f"no cluster: {problem}")
    print(f"load average at the start: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with harness.kubernetes() as cluster, tempfile.TemporaryDirectory() as directory:
        os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
        cluster.kubectl("create", "namespace", "bench")
        workspace = Path(directory) / "workspace"
        workspace.mkdir()
        bench = Bench(cluster, "bench", workspace)
        service = JobService(Path(directory) / "state")
        service._backends["kubernetes"] = bench.backend
        measure_start(bench, service, options.rounds)
        measure_many(bench, service, options.jobs)
        measure_sweep(bench, service, options.runs)
        measure_requests(bench, options.live)
        bench.close()
        cluster.kubectl("delete", "namespace", "bench", "--wait=false")


def measure_start(bench: Bench, service: JobService, rounds: int) -> None:
    """From the call to the first line of start.sh, against kubectl create of the same YAML."""
    ours, theirs = [], []
    for number in range(rounds + 1):  # the first one warms up
        spec = _notebook(bench, "one")
        began = time.time()
        view = service.submit(spec, force=True)
        took = _started(JobPaths(Path(view.directory))) - began
        bundle = bench.bundle("pass", name=f"kubectl-{number}")
        manifest = Path(tempfile.mkdtemp()) / "job.yaml"
        manifest.write_text(bench.backend.render(bundle).text)
        began = time.time()
        bench.cluster.kubectl("create", "-f", str(manifest))
        other = _started(bundle.paths) - began
        if number:
            ours.append(took)
            theirs.append(other)
        _settle(bench)
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(
        f"submit to start.sh: {_spread(ours)}; kubectl create of the same YAML: {_spread(theirs)}; "
        f"ratio of the medians {ratio:.2f}"
    )


def measure_many(bench: Bench, service: JobService, number: int) -> None:
    """Submit many at once through the service; they are suspended, so that nothing else runs."""
    spec = _notebook(bench, "many", suspend=True)
    began = time.perf_counter()
    views = [service.submit(spec, force=True) for _ in range(number)]
    took = time.perf_counter() - began
    print(f"{number} submits: {took:.2f} s, {took / number * 1000:.1f} ms each")
    began = time.perf_counter()
    assert len(service.unfinished()) >= len(views)
    print(f"first look at all of them: {(time.perf_counter() - began) * 1000:.0f} ms")


def measure_sweep(bench: Bench, service: JobService, number: int) -> None:
    """Submit many runs together: one Indexed Job, suspended."""
    spec = _notebook(bench, "sweep", suspend=True)
    names = [spec.model_copy(update={"name": f"run {n}"}) for n in range(number)]
    with _counting() as counted:
        began = time.perf_counter()
        views = service.submit_many(names, force=True)
        took = time.perf_counter() - began
        asked = counted.total()
    print(
        f"a sweep of {number} runs: {took:.2f} s, {took / number * 1000:.1f} ms each, "
        f"{asked} requests"
    )
    began = time.perf_counter()
    assert len(service.unfinished()) >= len(views)
    print(f"a look at all of them: {(time.perf_counter() - began) * 1000:.0f} ms")


@contextlib.contextmanager
def _counting() -> Iterator[Counter[str]]:
    """Count requests to the API server by path."""
    counted: Counter[str] = Counter()
    once = Api._once

    def counting(self: Api, method: str, path: str, *rest: Any) -> Any:
        counted[path] += 1
        return once(self, method, path, *rest)

    Api._once = counting  # type: ignore[method-assign]
    try:
        yield counted
    finally:
        Api._once = once  # type: ignore[method-assign]


def measure_requests(bench: Bench, live: int) -> None:
    """Count requests to the API server in a minute of polling each second."""
    jobs = []
    for _ in range(live):
        spec = _notebook(bench, "live", suspend=True)
        paths = JobPaths(bench.workspace / ".unattended" / f"live-{len(jobs)}")
        paths.root.mkdir(parents=True)
        bundle = Bundle(spec.model_copy(update={"workspace": bench.workspace}), paths)
        jobs.append(JobRef(bundle.job_id, bench.backend.submit(bundle), paths))
    for group in (jobs[:1], jobs):
        backend = KubernetesBackend()
        with _counting() as counted:
            slowest = _poll_for_a_minute(backend, group)
        backend.close()
        print(
            f"{len(group)} live jobs: {counted.total()} requests in a minute of polling each "
            f"second, slowest poll after the first {slowest * 1000:.0f} ms"
        )


def _poll_for_a_minute(backend: KubernetesBackend, jobs: list[JobRef]) -> float:
    slowest = 0.0
    for second in range(60):
        began = time.perf_counter()
        assert len(backend.poll(jobs)) == len(jobs)
        took = time.perf_counter() - began
        slowest = max(slowest, took) if second else 0.0
        time.sleep(max(0.0, 1 - took))
    return slowest


def _notebook(bench: Bench, name: str, *, suspend: bool = False) -> Any:
    spec = bench.spec(name=name)
    if not spec.notebook.exists():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("pass")])
        spec.notebook.write_text(nbformat.writes(notebook))
        (bench.workspace / "requirements.txt").touch()
    if suspend:
        patch = {"spec": {"suspend": True}}
        spec = spec.model_copy(update={"options": {**spec.options, "patch": json.dumps(patch)}})
    return spec


def _started(paths: JobPaths) -> float:
    record = paths.attempt(1).record
    wait_until(record.exists, "the job has started", 60, interval=0.02)
    return float(json.loads(record.read_text())["started"])


def _settle(bench: Bench) -> None:
    """Wait until nothing runs, so that rounds do not disturb each other."""

    def quiet() -> bool:
        pods = bench.cluster.get("pods", "-n", bench.namespace)["items"]
        return all(pod["status"]["phase"] in ("Succeeded", "Failed") for pod in pods)

    wait_until(quiet, "all pods have ended", 60)


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
