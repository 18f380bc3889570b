"""What jobs of every batch scheduler do; each scheduler's test_jobs.py runs these tests."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.batch.backend import BatchBackend
from jupyter_unattended.jobs.states import State

from . import bundles
from .bundles import Run
from .daemons import wait_for

Submit = Callable[..., Run]
Cluster = Any

APPTAINER = """\
#!/bin/bash
printf '%s\\n' "$@" >>{words}
while [[ $1 != *.sif ]]; do shift; done
export APPTAINER_CONTAINER=$1
shift
exec "$@"
"""


def test_a_job_runs_and_succeeds(submit: Submit) -> None:
    run = submit('echo "hello $1 $UNATTENDED_ATTEMPT"', arguments=["a b"])
    ended = run.wait()
    assert (ended.state, ended.exit_code, ended.attempt) == (State.SUCCEEDED, 0, 1)
    assert run.log() == "hello a b 1\n"
    assert "hello" not in run.scheduler_log()


def test_a_failure_is_one_with_its_exit_code(submit: Submit) -> None:
    ended = submit("exit 3").wait()
    assert (ended.state, ended.exit_code) == (State.FAILED, 3)


def test_nothing_of_the_environment_goes_along_but_what_was_asked(
    submit: Submit, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MINE", "no")
    monkeypatch.setenv("PROXY", "http://proxy: with spaces")
    (tmp_path / "site.toml").write_text(f'[{cluster.name}]\nexport = ["PROXY"]\n')
    run = submit("env", env={"TOLD": "it's $HOME\nand more"})
    run.wait()
    assert "MINE=" not in run.log()
    assert "PROXY=http://proxy: with spaces\n" in run.log()
    assert "TOLD=it's $HOME\nand more\n" in run.log()


def test_secrets_reach_the_job_and_no_file_of_it(
    backend: BatchBackend, workspace: Path, cluster: Cluster
) -> None:
    bundle = bundles.make(workspace, "echo ${#TOKEN}", backend=backend.name, secret_env=["TOKEN"])
    bundle = type(bundle)(bundle.spec, bundle.paths, {"TOKEN": "s3cr3t 'quoted'"})
    run = Run(backend, bundle)
    run.wait()
    assert run.log() == "15\n"
    for path in bundle.paths.root.rglob("*"):
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes()
    assert "s3cr3t" not in cluster.shown(run.ref.handle)
    backend.forget(run.ref)
    assert not list(backend.state_dir.rglob(bundle.job_id))


def test_cancelling_a_running_job_keeps_the_grace_period(submit: Submit, cluster: Cluster) -> None:
    run = submit("trap 'sleep 3; echo saved; exit' TERM; echo up; sleep 60 & wait", grace_period=10)
    run.wait_for_text("up")
    run.backend.cancel(run.ref)
    ended = run.wait()
    assert ended.state is State.CANCELLED
    assert "saved" in run.log()
    assert run.attempts == 1
    wait_for(lambda: not cluster.queue(), 60, "nothing is left in the queue")


def test_a_cancelled_job_that_ignores_signals_is_killed(submit: Submit) -> None:
    run = submit("trap '' TERM; echo up; while :; do sleep 1; done", grace_period=1)
    run.wait_for_text("up")
    run.backend.cancel(run.ref)
    assert run.wait().state is State.CANCELLED


def test_cancelling_a_queued_job(submit: Submit) -> None:
    run = submit("echo never", options={"hold": True})
    assert run.wait(State.PAUSED).reason == "held"
    run.backend.cancel(run.ref)
    assert run.wait().state is State.CANCELLED
    assert run.attempts == 0


def test_deleting_it_by_hand_is_a_cancel(submit: Submit, cluster: Cluster) -> None:
    run = submit("echo up; sleep 60")
    run.wait_for_text("up")
    cluster.delete_by_hand(run.ref.handle)
    assert run.wait().state is State.CANCELLED
    assert run.attempts == 1


def test_pause_and_resume_make_another_attempt(submit: Submit) -> None:
    run = submit('echo "up $UNATTENDED_ATTEMPT"; [[ $UNATTENDED_ATTEMPT = 2 ]] || sleep 60')
    run.wait_for_text("up 1")
    run.backend.pause(run.ref)
    assert run.wait(State.PAUSED).reason == "paused"
    run.backend.resume(run.ref)
    ended = run.wait()
    assert (ended.state, ended.attempt) == (State.SUCCEEDED, 2)


def test_pausing_a_queued_job_holds_it(submit: Submit, cluster: Cluster) -> None:
    busy = submit("sleep 60", cpus=cluster.slots)
    busy.wait(State.RUNNING)
    run = submit("echo up")
    assert "waiting" in run.wait_for_reason("waiting")
    run.backend.pause(run.ref)
    assert run.wait(State.PAUSED).reason == "paused"
    run.backend.cancel(busy.ref)
    run.backend.resume(run.ref)
    assert run.wait().state is State.SUCCEEDED


def test_held_and_released_by_hand(submit: Submit, cluster: Cluster) -> None:
    busy = submit("sleep 600", cpus=cluster.slots)
    busy.wait(State.RUNNING)
    run = submit("echo up")
    run.wait(State.QUEUED)
    cluster.hold_by_hand(run.ref.handle)
    assert run.wait(State.PAUSED).reason == "held"
    cluster.release_by_hand(run.ref.handle)
    run.wait(State.QUEUED)
    run.backend.cancel(busy.ref)
    assert run.wait().state is State.SUCCEEDED


def test_suspended_and_continued(submit: Submit, cluster: Cluster, workspace: Path) -> None:
    run = submit("echo up; until [[ -e go ]]; do sleep 0.2; done")
    run.wait_for_text("up")
    cluster.suspend(run.ref.handle)
    assert run.wait(State.PAUSED).reason == f"suspended by {run.backend.scheduler}"
    (workspace / "go").touch()
    assert run.now().state is State.PAUSED
    cluster.unsuspend(run.ref.handle)
    assert run.wait().state is State.SUCCEEDED


def test_inside_an_image_every_attempt_runs_in_the_same_one(
    submit: Submit,
    cluster: Cluster,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stand-in for Apptainer enters no image, but says which one it would have entered."""
    program = workspace / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER.format(words=workspace / "words"))
    program.chmod(0o755)
    (tmp_path / "site.toml").write_text(
        f"[{cluster.name}]\nsetup = ['export PATH={program.parent}:$PATH']\n"
    )
    monkeypatch.setenv("APPTAINER_CONTAINER", "/images/my torch.sif")
    monkeypatch.setenv("APPTAINER_BIND", "/data:/mnt")
    run = submit('echo "in $APPTAINER_CONTAINER"; [[ $UNATTENDED_ATTEMPT = 2 ]] || sleep 600')
    run.wait_for_text("in /images/my torch.sif")
    run.backend.pause(run.ref)
    run.wait(State.PAUSED)
    run.backend.resume(run.ref)
    assert run.wait().state is State.SUCCEEDED
    assert run.log() == "in /images/my torch.sif\n" * 2
    image = ["exec", "--bind", "/data:/mnt", "--bind", str(workspace), "/images/my torch.sif"]
    command = ["bash", str(run.paths.start_script)]
    assert (workspace / "words").read_text().splitlines() == [*image, *command] * 2


@pytest.mark.parametrize("name", ["plain", "with 'quotes\" $x", "100% ü", "back\\slash"])
def test_workspaces_with_any_name(backend: BatchBackend, workspace: Path, name: str) -> None:
    place = workspace / name
    place.mkdir()
    run = Run(
        backend, bundles.make(place, 'echo "$PWD"', backend=backend.name, name=name + "\U0001f600")
    )
    assert run.wait().state is State.SUCCEEDED
    assert run.log() == f"{place}\n"
    assert (run.paths.root / "scheduler.log").exists()


def test_the_rendered_script_by_hand_does_the_same(
    backend: BatchBackend, workspace: Path, cluster: Cluster
) -> None:
    bundle = bundles.make(workspace, "echo by hand", backend=backend.name)
    script = workspace / "by-hand.sh"
    script.write_text(backend.render(bundle).text)
    assert not (bundle.paths.root / "batch").exists()
    cluster.submit_and_wait(script)
    assert bundle.paths.attempt(1).log.read_text() == "by hand\n"


def test_kill_9_of_the_script_is_a_failure_that_says_so(submit: Submit, cluster: Cluster) -> None:
    run = submit("echo up; sleep 60")
    run.wait_for_text("up")
    os.kill(cluster.script_pid(run.ref.handle), signal.SIGKILL)
    ended = run.wait()
    assert ended.state is State.FAILED
    assert re.search("killed (by signal 9|with SIGKILL)", ended.reason)
