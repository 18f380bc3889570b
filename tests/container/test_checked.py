"""What was asked for is there once the container runs, or the notebook does not start."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.jobs.states import State

from .engine import TestEngine
from .jobs import ContainerJobs

#: A description of GPU 0 without a device, and one of two whose devices are there (/dev/null).
NO_DEVICE = ["env: ['NVIDIA_VISIBLE_DEVICES=0']"]
DEVICES = [
    f"deviceNodes: [{{path: /dev/nvidia{number}, type: c, major: 1, minor: 3}}]"
    for number in (0, 1)
]


@contextlib.contextmanager
def described_gpus(edits: list[str]) -> Iterator[None]:
    """Describe GPUs to the engine, as the NVIDIA Container Toolkit does in such a file."""
    file = Path("/var/run/cdi/unattended-test.yaml")
    file.parent.mkdir(exist_ok=True)
    devices = "".join(
        f"- name: '{number}'\n  containerEdits:\n    {edit}\n" for number, edit in enumerate(edits)
    )
    file.write_text(f"cdiVersion: 0.3.0\nkind: nvidia.com/gpu\ndevices:\n{devices}")
    try:
        yield
    finally:
        file.unlink()


def test_a_gpu_that_the_engine_does_not_know(
    jobs: ContainerJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNATTENDED_GPUS", "0")
    end = jobs.end(jobs.submit("true", gpus=1))
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert "nvidia-ctk cdi generate" in end.reason


def test_an_engine_that_hands_out_no_gpu_is_caught(
    jobs: ContainerJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNATTENDED_GPUS", "0")
    with described_gpus(NO_DEVICE):
        end = jobs.end(jobs.submit("echo ran", gpus=1))
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert end.reason.startswith("asked for 1 GPU; the container has 0")
    assert jobs.local.log(jobs.service.get(end.id)) == ""


def test_each_job_gets_a_gpu_of_its_own(
    jobs: ContainerJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNATTENDED_GPUS", "0,1")
    script = "ls /dev/nvidia*; while [[ ! -e go ]]; do sleep 0.1; done"
    with described_gpus(DEVICES):
        both = [jobs.submit(script, gpus=1) for _ in range(2)]
        for job in both:
            jobs.local.says(job, "/dev/nvidia", timeout=60)
        for job in both:
            (Path(job.notebook).parent / "go").touch()
        ends = [jobs.end(job) for job in both]
    assert [end.state for end in ends] == [State.SUCCEEDED] * 2, [end.reason for end in ends]
    seen = sorted(jobs.local.log(job).split() for job in both)
    assert seen == [["/dev/nvidia0"], ["/dev/nvidia1"]]


def test_podman_s_socket_hands_out_no_gpus(
    jobs: ContainerJobs, engine: TestEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNATTENDED_GPUS", "0")
    with described_gpus(DEVICES), engine.service() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        end = jobs.end(jobs.submit("echo ran", gpus=1, options={"engine": "socket"}))
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert "Podman hands out no GPUs through its socket; use its command" in end.reason


@pytest.mark.parametrize(
    ("option", "fields", "reason"),
    [
        ("--memory", {"memory": 100 << 20}, "asked for a memory limit of 100 MiB"),
        ("--cpus", {"cpus": 1.5}, "asked for 1.5 CPU cores"),
        (
            "--shm-size",
            {"options": {"shared_memory": 1 << 30}},
            "asked for 1024 MiB of shared memory; there are",
        ),
    ],
)
def test_an_engine_that_sets_no_limit_is_caught(
    option: str,
    fields: dict[str, Any],
    reason: str,
    jobs: ContainerJobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Says yes to everything, and leaves this one out, as engines without the right to set it do.
    engine = tmp_path / "podman"
    engine.write_text(f"""#!/bin/bash
words=()
while (($#)); do
  case $1 in
    {option} | {option}-swap) shift 2 ;;
    *) words+=("$1") && shift ;;
  esac
done
exec {shutil.which("podman")} "${{words[@]}}"
""")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    job = jobs.submit("echo ran", **fields)
    end = jobs.end(job)
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert end.reason.startswith(reason)
    assert jobs.local.log(job) == ""
