"""Arrays and many jobs under every batch scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from integration.backend_contract import Site

from jupyter_unattended.backends.base import JobRef, Observation
from jupyter_unattended.backends.batch.backend import BatchBackend
from jupyter_unattended.jobs.states import State

from . import bundles
from .bundles import Run
from .chains import COUNTING, chain
from .daemons import wait_for

Submit = Callable[..., Run]
Cluster = Any


def wait_for_all(
    backend: BatchBackend, jobs: Sequence[JobRef], timeout: float
) -> dict[str, Observation]:
    """Wait until all jobs have ended."""
    deadline = time.monotonic() + timeout
    while True:
        observed = backend.poll(jobs)
        left = [job for job in jobs if not observed[job.job_id].state.is_final]
        if not left:
            return observed
        assert time.monotonic() < deadline, f"{len(left)} left, {observed[left[0].job_id]}"
        time.sleep(0.5)


@pytest.mark.timeout(420)
def test_an_array_of_two_hundred_with_twelve_at_once(
    backend: BatchBackend, workspace: Path, cluster: Cluster
) -> None:
    script = f"""
        echo "+ $1" >>{workspace}/trace; sleep 0.2; echo "- $1" >>{workspace}/trace
        echo "run $1 $OWN"; [[ $1 != 77 ]] || exit 7
    """
    made = [
        bundles.make(
            workspace,
            script,
            backend=backend.name,
            arguments=[str(number)],
            env={"OWN": f"own {number}"},
            options={**cluster.wide, "at_once": 12},
        )
        for number in range(1, 201)
    ]
    handles = backend.submit_many(made)
    assert len({handle.replace("_", ".").split(".")[0] for handle in handles}) == 1
    jobs = [
        JobRef(bundle.job_id, handle, bundle.paths)
        for bundle, handle in zip(made, handles, strict=True)
    ]
    ended = wait_for_all(backend, jobs, 280)
    for number, job in enumerate(jobs, 1):
        wanted = (State.FAILED, 7) if number == 77 else (State.SUCCEEDED, 0)
        assert (ended[job.job_id].state, ended[job.job_id].exit_code) == wanted
        assert f"run {number} own {number}\n" in job.paths.attempt(1).log.read_text()
    running = most = 0
    for line in (workspace / "trace").read_text().splitlines():
        running += 1 if line.startswith("+") else -1
        most = max(most, running)
    assert 1 < most <= 12


def test_one_task_of_an_array_can_be_paused_and_cancelled(
    backend: BatchBackend, workspace: Path, cluster: Cluster
) -> None:
    made = [
        bundles.make(workspace, "echo up; sleep $1", backend=backend.name, arguments=[seconds])
        for seconds in ("600", "2", "600")
    ]
    handles = backend.submit_many(made)
    jobs = [
        JobRef(bundle.job_id, handle, bundle.paths)
        for bundle, handle in zip(made, handles, strict=True)
    ]

    def states() -> list[State]:
        observed = backend.poll(jobs)
        return [observed[job.job_id].state for job in jobs]

    wait_for(
        lambda: states() == [State.RUNNING, State.SUCCEEDED, State.RUNNING], 90, "two run on", 0.3
    )
    backend.pause(jobs[0])
    backend.cancel(jobs[2])
    wait_for(
        lambda: states() == [State.PAUSED, State.SUCCEEDED, State.CANCELLED], 90, "as asked", 0.3
    )
    backend.resume(jobs[0])
    wait_for(lambda: states()[0] is State.RUNNING, 90, "it runs again", 0.3)
    backend.cancel(jobs[0])
    wait_for(lambda: states()[0] is State.CANCELLED, 90, "it is cancelled", 0.3)
    wait_for(lambda: not cluster.queue(), 60, "the queue is empty")


def test_the_runs_of_an_array_may_be_chains(
    backend: BatchBackend, workspace: Path, cluster: Cluster
) -> None:
    options = chain("requeue", link=8, warning=4)
    made = [
        bundles.make(workspace, COUNTING, backend=backend.name, arguments=[count], options=options)
        for count in ("2", "7")
    ]
    handles = backend.submit_many(made)
    jobs = [
        JobRef(bundle.job_id, handle, bundle.paths)
        for bundle, handle in zip(made, handles, strict=True)
    ]
    ended = wait_for_all(backend, jobs, 120)
    assert {one.state for one in ended.values()} == {State.SUCCEEDED}
    assert len(made[0].paths.existing_attempts()) == 1
    assert len(made[1].paths.existing_attempts()) >= 2
    assert (made[1].paths.checkpoints / "count").read_text() == "7\n"
    wait_for(lambda: not cluster.queue(), 60, "the queue is empty")


@pytest.mark.timeout(420)
def test_five_hundred_jobs_are_asked_about_in_one_call(
    backend: BatchBackend, workspace: Path, cluster: Cluster
) -> None:
    busy = [{"options": {"hold": True}}] * 495 + [{"options": cluster.wide}] * 5
    made = [bundles.make(workspace, "exit 0", backend=backend.name, **one) for one in busy]
    jobs = [JobRef(bundle.job_id, backend.submit(bundle), bundle.paths) for bundle in made]
    calls = 0
    call = backend.ask_status

    def counting() -> list[dict[str, Any]]:
        nonlocal calls
        calls += 1
        return call()

    backend.status._call = counting
    backend.status.forget()
    observed = backend.poll(jobs)
    assert calls == 1
    assert [observed[job.job_id].state for job in jobs[:495]] == [State.PAUSED] * 495
    ended = wait_for_all(backend, jobs[495:], 180)
    assert {one.state for one in ended.values()} == {State.SUCCEEDED}
    for job in jobs[:3]:
        backend.cancel(job)
    assert {backend.poll([job])[job.job_id].state for job in jobs[:3]} == {State.CANCELLED}


def test_the_service_submits_many_runs_as_one_array(site: Site, cluster: Cluster) -> None:
    specs = [
        site.spec("import sys", "print(sys.argv[1])", arguments=[str(number)])
        for number in range(5)
    ]
    views = site.service.submit_many(specs, force=True)
    assert len({row.split("_")[0].split(".")[0] for row in cluster.queue()}) == 1
    for number, view in enumerate(views):
        assert site.end(view).state is State.SUCCEEDED
        assert site.output(view) == f"{number}\n"
