"""What is Slurm's own."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.batch.profile import load
from jupyter_unattended.backends.slurm import SlurmBackend
from jupyter_unattended.errors import BackendError, SpecError
from jupyter_unattended.jobs import aftermath
from jupyter_unattended.jobs.states import State

from .. import bundles
from ..bundles import Run
from ..chains import COUNTING
from ..commands import runs_before, two_that_wait
from ..daemons import wait_for
from ..jobs import Submit
from ..shell import Shell
from .cluster import Keeps, SlurmCluster


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"options": {"queue": "nosuch"}}, "nosuch|partition"),
        ({"options": {"gpu_type": "h9000"}, "gpus": 1}, "gpu"),
        ({"gpus": 5}, "gpu"),
        ({"options": {"constraint": "nosuch"}}, "constraint|feature"),
        ({"options": {"reservation": "nosuch"}}, "reservation"),
        ({"options": {"extra": ["--nonsense"]}}, "nonsense"),
    ],
)
def test_what_does_not_exist_is_refused_with_slurms_words(
    submit: Submit, fields: dict[str, Any], names: str, workspace: Path, cluster: SlurmCluster
) -> None:
    def queued() -> set[str]:
        return set(cluster.client("squeue", "-h", "-o", "%i").stdout.split())

    before = queued()  # what a test before this one has left may be on its way out
    with pytest.raises(BackendError, match=f"(?i){names}") as caught:
        submit("echo never", **fields)
    assert "\n" not in str(caught.value)
    assert not list(workspace.glob(".unattended/*/batch"))
    assert queued() <= before


def test_a_limit_that_the_profile_knows_is_checked_first(submit: Submit, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[slurm.queues.main]\ntime_limit = "12h"\n')
    with pytest.raises(SpecError, match="queue main allows 12 h at once, not 13 h"):
        submit("true", options={"queue": "main", "link_time": "13h"})


def test_gpus_are_given(submit: Submit) -> None:
    run = submit("echo gpus $CUDA_VISIBLE_DEVICES", gpus=1, options={"gpu_type": "a100"})
    run.wait()
    assert run.log() == "gpus 0\n"


def test_preempted_by_a_higher_partition_and_requeued(submit: Submit) -> None:
    low = submit(COUNTING, arguments=["12"], cpus=SlurmCluster.slots, options={"queue": "low"})
    low.wait_for_text("attempt 1")
    high = submit("sleep 3", cpus=SlurmCluster.slots, options={"queue": "high"})
    assert "preempted" in low.wait_for_reason("preempted")
    assert low.wait(State.PREEMPTED).attempt == 1
    assert high.wait().state is State.SUCCEEDED
    assert low.wait().state is State.SUCCEEDED
    assert low.attempts == 2


def test_the_time_limit_of_slurm_itself(submit: Submit, cluster: SlurmCluster) -> None:
    run = submit("trap '' TERM; echo up; while :; do sleep 1; done")
    run.wait_for_text("up")
    cluster.client("scontrol", "update", f"JobId={run.ref.handle}", "TimeLimit=1")
    os.kill(cluster.script_pid(run.ref.handle), signal.SIGSTOP)
    ended = run.wait()
    assert ended.state is State.FAILED
    assert "time limit" in ended.reason


def test_a_node_that_fails_has_its_job_queued_again(submit: Submit, cluster: SlurmCluster) -> None:
    run = submit(COUNTING, arguments=["12"])
    run.wait_for_text("attempt 1")
    cluster.client("scontrol", "update", f"NodeName={cluster.host}", "State=DOWN", "Reason=test")
    try:
        assert run.wait_for_reason("its node failed")
    finally:
        cluster.client("scontrol", "update", f"NodeName={cluster.host}", "State=RESUME")
    assert run.wait().state is State.SUCCEEDED
    assert run.attempts == 2


@pytest.mark.parametrize("keeps", ["database", "file", "nothing"])
def test_what_slurm_has_forgotten_is_decided_from_the_job_directory(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, keeps: Keeps
) -> None:
    """Nobody looks in time; there is a database, a file of completed jobs, or neither."""
    forgetful = SlurmCluster(min_job_age=2, keeps=keeps)
    try:
        for name, value in forgetful.env.items():
            monkeypatch.setenv(name, value)
        backend = SlurmBackend()

        def submit(script: str, **fields: Any) -> Run:
            return Run(backend, bundles.make(workspace, script, backend="slurm", **fields))

        good, bad = submit("true"), submit("exit 3")
        stopped, killed = (submit("echo up; sleep 60") for _ in range(2))
        held = submit("true", options={"hold": True})
        for run in (stopped, killed):
            run.wait_for_text("up")
        forgetful.delete_by_hand(stopped.ref.handle)
        forgetful.delete_by_hand(held.ref.handle)
        os.kill(forgetful.script_pid(killed.ref.handle), signal.SIGKILL)
        wait_for(
            lambda: forgetful.client("squeue", "-h", "-t", "all").stdout == "", 60, "forgotten", 0.5
        )
        assert good.now().state is State.SUCCEEDED
        assert (bad.now().state, bad.now().exit_code) == (State.FAILED, 3)
        assert stopped.now().state is State.CANCELLED
        if keeps != "nothing":
            assert killed.now().state is State.FAILED
            assert held.now().state is State.CANCELLED
        else:  # the service decides
            assert backend.poll([killed.ref, held.ref]) == {}
            assert aftermath.decide(killed.paths)[0] is State.FAILED
    finally:
        forgetful.stop()


def test_the_reasons_why_jobs_wait(submit: Submit) -> None:
    busy = submit("sleep 20", cpus=SlurmCluster.slots)
    busy.wait(State.RUNNING)
    first = submit("true", cpus=SlurmCluster.slots)
    second = submit("true", cpus=SlurmCluster.slots)
    assert "waiting for free resources" in first.wait_for_reason("waiting")
    assert "priority" in second.wait_for_reason("priority")
    busy.backend.cancel(busy.ref)


@pytest.mark.timeout(400)
def test_where_the_site_allows_it_an_ordinary_user_puts_a_job_first(
    shell: Shell, cluster: SlurmCluster, workspace: Path
) -> None:
    busy, first, second = two_that_wait(shell, cluster, workspace)
    done = shell("priority", second, "10")
    assert done.returncode == 0, done.stderr
    assert shell("cancel", busy).returncode == 0
    assert runs_before(shell, second, first)


def test_when_slurm_expects_a_job_to_start_is_shown(submit: Submit) -> None:
    busy = submit("sleep 600", cpus=SlurmCluster.slots, options={"link_time": "20m"})
    busy.wait(State.RUNNING)
    run = submit("true", cpus=SlurmCluster.slots, options={"link_time": "5m"})
    assert re.search(r"expected to start (at|on) ", run.wait_for_reason("expected to start"))
    busy.backend.cancel(busy.ref)
    assert run.wait().state is State.SUCCEEDED


def test_a_user_may_lower_a_priority(submit: Submit, cluster: SlurmCluster) -> None:
    run = submit("true", options={"hold": True})
    run.backend.set_priority(run.ref, -50)
    assert "Nice=50" in cluster.shown(run.ref.handle)


def test_doctor_proposes_a_profile_that_is_one(backend: SlurmBackend, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(backend.propose_profile())
    profile = load("slurm")
    assert profile.queues["main"].time_limit == 12 * 3600
    assert profile.queues["low"].time_limit == 24 * 3600
    assert profile.chain == "requeue"
