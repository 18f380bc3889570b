from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.slurm import SlurmBackend
from jupyter_unattended.errors import BackendError, SpecError
from jupyter_unattended.jobs.states import State

from .. import bundles
from ..bundles import Run
from .cluster import SlurmCluster

Submit = Callable[..., Run]


@pytest.fixture
def submit(slurm: SlurmBackend, workspace: Path) -> Submit:
    def submit(script: str, **fields: Any) -> Run:
        return Run(slurm, bundles.make(workspace, script, backend="slurm", **fields))

    return submit


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
    submit: Submit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MINE", "no")
    monkeypatch.setenv("PROXY", "http://proxy: with spaces")
    (tmp_path / "site.toml").write_text('[slurm]\nexport = ["PROXY"]\n')
    run = submit("env", env={"TOLD": "it's $HOME\nand more"})
    run.wait()
    assert "MINE=" not in run.log()
    assert "PROXY=http://proxy: with spaces\n" in run.log()
    assert "TOLD=it's $HOME\nand more\n" in run.log()


def test_secrets_reach_the_job_and_no_file_of_it(
    slurm: SlurmBackend, workspace: Path, cluster: SlurmCluster
) -> None:
    bundle = bundles.make(workspace, "echo ${#TOKEN}", backend="slurm", secret_env=["TOKEN"])
    bundle = type(bundle)(bundle.spec, bundle.paths, {"TOKEN": "s3cr3t 'quoted'"})
    run = Run(slurm, bundle)
    run.wait()
    assert run.log() == "15\n"
    for path in bundle.paths.root.rglob("*"):
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes()
    assert "s3cr3t" not in cluster.client("scontrol", "show", "job", run.ref.handle).stdout
    slurm.forget(run.ref)
    assert not list(slurm.state_dir.rglob(bundle.job_id))


def test_cancelling_a_running_job_keeps_the_grace_period(
    submit: Submit, cluster: SlurmCluster
) -> None:
    run = submit("trap 'sleep 3; echo saved; exit' TERM; echo up; sleep 60 & wait", grace_period=10)
    run.wait_for_text("up")
    run.backend.cancel(run.ref)
    ended = run.wait()
    assert ended.state is State.CANCELLED
    assert "saved" in run.log()
    shown = cluster.client("squeue", "-h", "-t", "all", "-j", run.ref.handle, "-o", "%T").stdout
    assert shown.strip() in ("CANCELLED", "COMPLETING")


def test_a_cancelled_job_that_ignores_signals_is_killed(submit: Submit) -> None:
    run = submit("trap '' TERM; echo up; while :; do sleep 1; done", grace_period=1)
    run.wait_for_text("up")
    run.backend.cancel(run.ref)
    assert run.wait(timeout=30).state is State.CANCELLED


def test_cancelling_a_queued_job(submit: Submit) -> None:
    run = submit("echo never", options={"hold": True})
    assert run.wait(State.PAUSED).reason == "held"
    run.backend.cancel(run.ref)
    assert run.wait().state is State.CANCELLED
    assert run.attempts == 0


def test_scancel_from_outside_is_a_cancel(submit: Submit, cluster: SlurmCluster) -> None:
    run = submit("echo up; sleep 60")
    run.wait_for_text("up")
    cluster.client("scancel", run.ref.handle)
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


def test_pausing_a_queued_job_holds_it(submit: Submit, cluster: SlurmCluster) -> None:
    busy = submit("sleep 60", cpus=8)
    busy.wait(State.RUNNING)
    run = submit("echo up")
    assert run.wait(State.QUEUED).reason
    run.backend.pause(run.ref)
    assert run.wait(State.PAUSED).reason == "paused"
    run.backend.cancel(busy.ref)
    run.backend.resume(run.ref)
    assert run.wait().state is State.SUCCEEDED


def test_suspended_and_continued(submit: Submit, cluster: SlurmCluster) -> None:
    run = submit("echo up; sleep 6; echo end")
    run.wait_for_text("up")
    cluster.client("scontrol", "suspend", run.ref.handle)
    assert run.wait(State.PAUSED).reason == "suspended by Slurm"
    cluster.client("scontrol", "resume", run.ref.handle)
    assert run.wait().state is State.SUCCEEDED


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
    with pytest.raises(BackendError, match=f"(?i){names}") as caught:
        submit("echo never", **fields)
    assert "\n" not in str(caught.value)
    assert not list(workspace.glob(".unattended/*/batch"))
    assert cluster.client("squeue", "-h").stdout == ""


def test_a_limit_that_the_profile_knows_is_checked_first(submit: Submit, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[slurm.queues.main]\ntime_limit = "12h"\n')
    with pytest.raises(SpecError, match="queue main allows 12 h at once, not 13 h"):
        submit("true", options={"queue": "main", "link_time": "13h"})


@pytest.mark.parametrize("name", ["plain", "with 'quotes\" $x", "100% ü", "back\\slash"])
def test_workspaces_with_any_name(slurm: SlurmBackend, workspace: Path, name: str) -> None:
    place = workspace / name
    place.mkdir()
    run = Run(slurm, bundles.make(place, 'echo "$PWD"', backend="slurm", name=name + "\U0001f600"))
    assert run.wait().state is State.SUCCEEDED
    assert run.log() == f"{place}\n"
    assert (run.paths.root / "scheduler.log").exists()


def test_the_rendered_script_by_hand_does_the_same(
    slurm: SlurmBackend, workspace: Path, cluster: SlurmCluster
) -> None:
    bundle = bundles.make(workspace, "echo by hand", backend="slurm")
    script = workspace / "by-hand.sh"
    script.write_text(slurm.render(bundle).text)
    assert not (bundle.paths.root / "batch").exists()
    done = cluster.client("sbatch", "-W", "--parsable", str(script))
    assert done.returncode == 0, done.stderr
    assert bundle.paths.attempt(1).log.read_text() == "by hand\n"


def test_gpus_are_given(submit: Submit) -> None:
    run = submit("echo gpus $CUDA_VISIBLE_DEVICES", gpus=1, options={"gpu_type": "a100"})
    run.wait()
    assert run.log() == "gpus 0\n"


def test_kill_9_of_the_script_is_a_failure_that_says_so(
    submit: Submit, cluster: SlurmCluster
) -> None:
    run = submit("echo up; sleep 60")
    run.wait_for_text("up")
    pids = cluster.client("scontrol", "listpids", run.ref.handle).stdout.splitlines()[1:]
    first = min(int(line.split()[0]) for line in pids)
    subprocess.run(["kill", "-9", str(first)], check=True)
    ended = run.wait()
    assert ended.state is State.FAILED
    assert "killed by signal 9" in ended.reason
