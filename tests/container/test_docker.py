"""A real Docker, through its command and through its socket."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.view import JobView
from tests.integration.backend_contract import BackendContract, Site
from tests.integration.local_jobs import LocalJobs, until

from .docker import TestDocker
from .jobs import ContainerJobs, site_of


@pytest.fixture(params=["docker", "socket"])
def jobs(
    docker: TestDocker,
    local: LocalJobs,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[ContainerJobs]:
    """Return a way to submit jobs to Docker."""
    monkeypatch.setenv("DOCKER_HOST", docker.address)
    yield ContainerJobs(docker, local, request.param)
    local.kill_agent()
    docker.clear()


class TestContract(BackendContract):
    """The contract, unchanged."""

    @pytest.fixture
    def site(
        self, docker: TestDocker, local: LocalJobs, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Site]:
        monkeypatch.setenv("DOCKER_HOST", docker.address)
        yield site_of(ContainerJobs(docker, local, "docker"))
        local.kill_agent()
        docker.clear()


def test_limits_and_mounts_are_docker_s(jobs: ContainerJobs, tmp_path: Path) -> None:
    data = tmp_path / "data sets"
    data.mkdir()
    script = (
        "touch made; touch /datasets/new || echo refused; df -k /dev/shm | tail -1; "
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"
    )
    options = {"data": [f"{data}:/datasets:ro"], "shared_memory": 96 << 20}
    job = jobs.submit(f"{script}; true", memory=300 << 20, cpus=1.5, options=options)
    end = jobs.end(job)
    assert end.state is State.SUCCEEDED, end.reason
    log = jobs.local.log(job)
    for part in ("refused", str(300 << 20), str(96 << 10)):
        assert part in log
    assert (Path(job.notebook).parent / "made").stat().st_uid == os.getuid()
    until(lambda: not jobs.containers(job), what="the end of the container")


def test_out_of_memory_is_named_with_limit_and_use(jobs: ContainerJobs) -> None:
    end = jobs.end(jobs.submit("python3 -c 'print(len(bytearray(400 << 20)))'", memory=96 << 20))
    assert (end.state, end.attempt) == (State.FAILED, 1)
    assert end.reason.startswith("out of memory (OOM): used 9")
    assert end.reason.endswith("its limit is 96 MiB")


def test_a_docker_that_cannot_hand_out_gpus(
    jobs: ContainerJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNATTENDED_GPUS", "0")
    end = jobs.end(jobs.submit("echo ran", gpus=1))
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert "install the NVIDIA Container Toolkit" in end.reason


def waits(jobs: ContainerJobs, job: JobView) -> None:
    """Wait until a job says that it waits for the engine."""
    deadline = time.monotonic() + 60
    while not jobs.service.get(job.id).reason.startswith("waiting for the engine"):
        assert time.monotonic() < deadline, jobs.service.history(job.id)
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("jobs", "number"), [("docker", signal.SIGTERM), ("socket", signal.SIGKILL)], indirect=["jobs"]
)
def test_docker_itself_is_started_again(
    number: int, jobs: ContainerJobs, docker: TestDocker
) -> None:
    job = jobs.submit("echo begun; while [[ ! -e go ]]; do sleep 0.1; done; echo finished")
    jobs.local.says(job, "begun")
    docker.end(number)
    try:
        (Path(job.notebook).parent / "go").touch()
        if number == signal.SIGTERM:  # which ends its containers, too
            reason = "waiting for the engine"
            until(lambda: jobs.service.get(job.id).reason.startswith(reason), 60, "the job to wait")
    finally:
        docker.start()
    end = jobs.end(job, timeout=100)
    assert end.state is State.SUCCEEDED, end.reason
    assert jobs.local.log(job).endswith("finished\n")
    until(lambda: not jobs.containers(job), what="the end of the container")


@pytest.mark.parametrize("jobs", ["socket"], indirect=True)
def test_a_job_that_waits_for_docker_can_be_cancelled(
    jobs: ContainerJobs, docker: TestDocker
) -> None:
    job = jobs.submit("echo begun; sleep 600")
    jobs.local.says(job, "begun")
    jobs.local.running(job)
    docker.end()  # which ends its containers, too
    try:
        waits(jobs, job)
        jobs.service.cancel(job.id)
        assert jobs.end(job).state is State.CANCELLED
    finally:
        docker.start()
    assert jobs.local.log(job) == "begun\n"
