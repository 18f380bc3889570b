"""What containers add to jobs on this machine: limits, data, signals, and everything that dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_unattended.errors import SpecError
from jupyter_unattended.jobs.states import State
from tests.integration.local_jobs import until

from .engine import BASE, TestEngine
from .jobs import ContainerJobs

GOES_ON = """\
echo begun
while [[ ! -e go ]]; do sleep 0.1; done
echo finished
"""


def test_files_belong_to_the_user_and_the_directory_is_the_notebooks(jobs: ContainerJobs) -> None:
    job = jobs.submit("pwd >made; id -u; test -e /proc/1 && cat /etc/debian_version >&2")
    assert jobs.end(job).state is State.SUCCEEDED
    made = Path(job.notebook).parent / "made"
    assert made.read_text() == f"{made.parent}\n"
    assert made.stat().st_uid == os.getuid()
    assert f"{os.getuid()}\n" in jobs.local.log(job)


def test_nothing_of_this_machine_gets_in_that_was_not_asked_for(
    jobs: ContainerJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_API_TOKEN", "s3cret")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    job = jobs.submit("env; ls /root/.cache 2>&1 | head -1; test ! -e /work", env={"MINE": "1"})
    assert jobs.end(job).state is State.SUCCEEDED
    log = jobs.local.log(job)
    assert "s3cret" not in log
    assert "OMP_NUM_THREADS=3" in log
    assert "MINE=1" in log


def test_data_is_really_read_only(jobs: ContainerJobs, tmp_path: Path) -> None:
    data = tmp_path / "data sets"
    data.mkdir()
    (data / "images").write_text("seven")
    script = "cat /datasets/images; touch /datasets/new || echo refused; ls -d /datasets"
    job = jobs.submit(script, options={"data": [f"{data}:/datasets:ro"]})
    assert jobs.end(job).state is State.SUCCEEDED
    log = jobs.local.log(job)
    assert "seven" in log
    assert "Read-only file system" in log
    assert "refused" in log
    assert list(data.iterdir()) == [data / "images"]


def test_data_that_is_not_there_is_refused_at_once(jobs: ContainerJobs) -> None:
    with pytest.raises(SpecError, match="/no/such cannot be mounted"):
        jobs.submit("true", options={"data": ["/no/such"]})


def test_limits_are_set_and_seen(jobs: ContainerJobs) -> None:
    job = jobs.submit(
        "df -k /dev/shm | tail -1; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max "
        "/sys/fs/cgroup/memory/memory.limit_in_bytes "
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null; true",
        memory=300 << 20,
        cpus=1.5,
        options={"shared_memory": 96 << 20},
    )
    assert jobs.end(job).state is State.SUCCEEDED
    log = jobs.local.log(job)
    assert str(300 << 20) in log
    assert str(96 << 10) in log
    assert "150000" in log  # microseconds of each tenth of a second


def test_the_network_is_the_one_asked_for(jobs: ContainerJobs) -> None:
    own = "readlink /proc/self/ns/net"
    apart, shared = (
        jobs.submit(f"{own}; ls /sys/class/net", options={"network": network})
        for network in ("none", "host")
    )
    here = Path("/proc/self/ns/net").readlink()
    assert jobs.end(apart).state is jobs.end(shared).state is State.SUCCEEDED
    assert jobs.local.log(apart).split()[1:] == ["lo"]
    assert str(here) not in jobs.local.log(apart)
    assert str(here) in jobs.local.log(shared)


def test_out_of_memory_is_named_with_limit_and_use(jobs: ContainerJobs) -> None:
    script = "python3 -c 'x = bytearray(400 << 20); print(len(x))'"
    job = jobs.submit(script, memory=96 << 20)
    end = jobs.end(job)
    assert (end.state, end.attempt) == (State.FAILED, 1)
    assert end.reason.startswith("out of memory (OOM): used 9")
    assert end.reason.endswith("its limit is 96 MiB")


def test_a_notebook_that_ignores_the_signal_is_killed_after_its_grace_period(
    jobs: ContainerJobs,
) -> None:
    job = jobs.submit("trap '' TERM; echo deaf; sleep 600 & wait; sleep 600", grace_period=2)
    jobs.local.says(job, "deaf")
    began = time.monotonic()
    jobs.service.cancel(job.id)
    end = jobs.end(job)
    assert end.state is State.CANCELLED
    assert time.monotonic() - began >= 2
    assert end.reason == "killed: it had not stopped after its grace period of 2 s"


def test_nothing_is_left_behind(jobs: ContainerJobs, engine: TestEngine) -> None:
    spec = jobs.local.spec(
        "sleep 600", backend="container", image=BASE, options={"network": "none"}
    )
    job = jobs.service.submit(spec, secrets={"TOKEN": "s3cret"})
    jobs.local.running(job)
    assert len(engine.secrets()) == 1
    jobs.service.cancel(job.id)
    jobs.end(job)
    until(lambda: not jobs.containers(job), what="the end of the container")
    until(lambda: not engine.secrets(), what="the end of the secret")
    jobs.service.delete(job.id)
    assert not Path(job.directory).exists()


def test_deleting_removes_what_a_dead_agent_left(jobs: ContainerJobs) -> None:
    job = jobs.submit("sleep 600")
    jobs.local.running(job)
    jobs.service.cancel(job.id)
    jobs.end(job)
    until(lambda: not jobs.containers(job), what="the end of the container")
    # As an agent leaves it that is killed between settling a job and tidying up.
    label = f"jupyter-unattended.job={job.id}"
    from jupyter_unattended.backends.container.plan import container_name

    name = container_name(jobs.local.paths(job))
    jobs.engine.command("create", "--name", name, "--label", label, BASE, "true")
    jobs.service.delete(job.id)
    assert not jobs.containers(job)


# -- what is wrong before it starts ----------------------------------------------------------------


def test_an_image_that_is_not_here_is_refused_at_once(jobs: ContainerJobs) -> None:
    with pytest.raises(SpecError, match="there is no image localhost/none:1 here"):
        jobs.submit("true", image="localhost/none:1")
    assert jobs.service.list() == []


def test_an_image_whose_registry_does_not_answer(jobs: ContainerJobs) -> None:
    job = jobs.submit("true", image="registry.invalid/none:1")
    end = jobs.end(job, timeout=100)
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert "registry.invalid/none:1 is not here, and its registry cannot be reached" in end.reason


def test_an_image_without_bash(jobs: ContainerJobs, tmp_path: Path) -> None:
    archive = tmp_path / "empty.tar"
    (tmp_path / "root" / "tmp").mkdir(parents=True)
    subprocess.run(["tar", "-C", tmp_path / "root", "-cf", archive, "."], check=True)
    jobs.engine.command("import", "--quiet", str(archive), "localhost/empty:1")
    try:
        end = jobs.end(jobs.submit("true", image="localhost/empty:1"))
        assert (end.state, end.attempt) == (State.FAILED, 0)
        assert "has no bash, which start.sh needs" in end.reason
    finally:
        jobs.engine.command("image", "rm", "localhost/empty:1")


def test_no_image_named(jobs: ContainerJobs) -> None:
    with pytest.raises(SpecError, match="say which image"):
        jobs.submit("true", image=None)


def test_an_image_is_remembered(jobs: ContainerJobs) -> None:
    jobs.end(jobs.submit("true"))
    assert jobs.end(jobs.submit("true", image=None)).state is State.SUCCEEDED


def test_no_space_for_containers(jobs: ContainerJobs, engine: TestEngine, tmp_path: Path) -> None:
    with full_storage(engine, tmp_path) as environment, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_STORAGE_CONF", environment)
        end = jobs.end(jobs.submit("true"))
    assert end.state is State.FAILED
    assert "there is no space left for images and containers" in end.reason


@contextlib.contextmanager
def full_storage(engine: TestEngine, tmp_path: Path) -> Iterator[str]:
    """Yield a storage.conf whose storage has the tests' images and no room for a container."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    try:
        conf = tmp_path / "storage.conf"
        conf.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{disk}/graph"\nrunroot = "{disk}/run"\n'
            f'[storage.options]\nadditionalimagestores = ["{engine.storage}"]\n'
        )
        env = {**os.environ, "CONTAINERS_STORAGE_CONF": str(conf)}
        subprocess.run(["podman", "image", "ls"], env=env, check=True, stdout=subprocess.DEVNULL)
        with contextlib.suppress(OSError), (disk / "full").open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        yield str(conf)
    finally:
        for place in (disk / "graph/overlay", disk / "graph", disk):
            subprocess.run(["umount", "--lazy", place], check=False, stderr=subprocess.DEVNULL)


# -- everything dies -------------------------------------------------------------------------------


def test_the_agent_dies_and_the_job_goes_on(jobs: ContainerJobs) -> None:
    job = jobs.submit(GOES_ON)
    jobs.local.running(job)
    container = jobs.container(job)
    jobs.local.kill_agent()
    assert jobs.container(job) == container
    (Path(job.notebook).parent / "go").touch()
    end = jobs.end(job)
    assert (end.state, end.attempt) == (State.SUCCEEDED, 1)
    assert jobs.local.log(job) == "begun\nfinished\n"
    until(lambda: not jobs.containers(job), what="the end of the container")


def test_the_agent_dies_while_it_starts_a_container(jobs: ContainerJobs) -> None:
    job = jobs.submit(GOES_ON)
    jobs.local.until(job, State.STARTING, State.RUNNING)
    jobs.local.kill_agent()
    (Path(job.notebook).parent / "go").touch()
    end = jobs.end(job)
    assert end.state is State.SUCCEEDED
    assert jobs.local.log(job).count("finished") == 1
    assert len(jobs.containers(job)) <= 1


def test_the_agent_and_the_queue_are_lost(jobs: ContainerJobs) -> None:
    job = jobs.submit(GOES_ON)
    jobs.local.running(job)
    container = jobs.container(job)
    jobs.local.kill_agent()
    for file in jobs.service.state_dir.glob("local-*.sqlite*"):
        file.unlink()
    jobs.service.get(job.id)
    time.sleep(2)
    assert jobs.container(job) == container
    (Path(job.notebook).parent / "go").touch()
    end = jobs.end(job)
    assert (end.state, end.attempt) == (State.SUCCEEDED, 1)


def test_what_watches_the_container_for_the_engine_dies(jobs: ContainerJobs) -> None:
    job = jobs.submit(GOES_ON)
    jobs.local.running(job)
    monitor = jobs.engine.command(
        "inspect", "--format", "{{.State.ConmonPid}}", jobs.container(job)
    )
    os.kill(int(monitor), signal.SIGKILL)
    (Path(job.notebook).parent / "go").touch()
    end = jobs.end(job)
    assert (end.state, end.attempt) == (State.SUCCEEDED, 1)


def test_the_engines_service_is_killed_and_comes_back(
    jobs: ContainerJobs, engine: TestEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.service() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        job = jobs.submit(GOES_ON, options={"engine": "socket"})
        jobs.local.running(job)
    assert jobs.service.get(job.id).state is State.RUNNING
    with engine.service():
        (Path(job.notebook).parent / "go").touch()
        end = jobs.end(job)
        assert (end.state, end.attempt) == (State.SUCCEEDED, 1)
        until(lambda: not jobs.containers(job), what="the end of the container")


@pytest.mark.timeout(300)
def test_fifty_jobs_on_two_slots(jobs: ContainerJobs) -> None:
    script = "echo $UNATTENDED_JOB_ID; sleep 0.1"
    submitted = [jobs.submit(script) for _ in range(50)]
    most = 0
    deadline = time.monotonic() + 240
    while True:
        views = jobs.service.list()
        most = max(most, sum(view.state.is_active for view in views))
        if all(view.state.is_final for view in views):
            break
        assert time.monotonic() < deadline, [view.state for view in views]
        time.sleep(0.2)
    assert [view.state for view in views] == [State.SUCCEEDED] * 50
    assert most == 2
    for job in submitted:
        assert jobs.local.log(job) == f"{job.id}\n"
    until(lambda: not jobs.engine.containers(), what="the end of the containers")
