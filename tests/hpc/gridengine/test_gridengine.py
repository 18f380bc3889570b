"""What is Grid Engine's own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.batch.profile import load
from jupyter_unattended.backends.gridengine import GridEngineBackend
from jupyter_unattended.errors import BackendError, SpecError
from jupyter_unattended.jobs import aftermath
from jupyter_unattended.jobs.states import State

from ..chains import COUNTING
from ..daemons import wait_for
from ..jobs import Submit
from ..pages import write_notebook
from ..shell import Shell
from .cluster import GridEngineCluster

#: As in the Shared Computing Cluster's own tutorial.
JOB_QSUB = """\
#!/bin/bash -l

# Set SCC project
#$ -P research
# Request 4 CPUs
#$ -pe omp 4
# Request 1 GPU with a compute capability and memory
#$ -l gpus=1
#$ -l gpu_c=3.5
#$ -l gpu_memory=48G
# Specify hard time limit for the job.
#$ -l h_rt=11:30:00
# Send an email when the job finishes or if it is aborted
#$ -m ea
# Give job a name
#$ -N train
# Combine output and error files into a single file
#$ -j y

module load miniconda
python train.py
"""


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"options": {"project": "nosuch"}}, "nosuch"),
        ({"options": {"queue": "nosuch"}}, "nosuch"),
        ({"options": {"gpu_type": "V200"}, "gpus": 1}, "V200"),
        ({"gpus": 5}, "gpus"),
        ({"cpus": 2, "options": {"parallel_environment": "nosuch"}}, "nosuch"),
        ({"options": {"extra": ["-l nonsense=1"]}}, "nonsense"),
    ],
)
def test_what_does_not_exist_is_refused_with_its_words(
    submit: Submit, fields: dict[str, Any], names: str, workspace: Path, cluster: GridEngineCluster
) -> None:
    before = cluster.queue()  # what a test before this one has left may be on its way out
    with pytest.raises(BackendError, match=names) as caught:
        submit("echo never", **fields)
    assert "\n" not in str(caught.value)
    assert not list(workspace.glob(".unattended/*/batch"))
    assert set(cluster.queue()) <= set(before)


def test_the_tutorials_own_directives_are_accepted_as_they_are(
    submit: Submit, cluster: GridEngineCluster, workspace: Path
) -> None:
    script = workspace / "job.qsub"
    script.write_text(JOB_QSUB)
    run = submit('echo "$NSLOTS $JOB_NAME"; sleep 3', options={"directives": str(script)})
    run.wait_for_text("4 train")
    shown = cluster.shown(run.ref.handle)
    assert "research" in shown
    assert "h_rt=41400" in shown
    assert run.wait().state is State.SUCCEEDED


def test_options_become_the_sites_resources(submit: Submit, cluster: GridEngineCluster) -> None:
    run = submit(
        'echo "$NSLOTS"; sleep 3',
        cpus=4,
        gpus=1,
        options={
            "project": "research", "gpu_capability": 3.5, "gpu_memory": "48Gi",
            "link_time": "1h", "gpu_type": "A100",
        },
    )  # fmt: skip
    run.wait_for_text("4")
    shown = cluster.shown(run.ref.handle)
    for words in ("gpus=1", "gpu_c=3.5", "gpu_memory=48G", "h_rt=3600", "gpu_type=A100"):
        assert words in shown
    assert run.wait().state is State.SUCCEEDED


def test_memory_needs_the_profiles_word_for_it(submit: Submit) -> None:
    with pytest.raises(SpecError, match="memory_option"):
        submit("true", memory="2G")


def test_a_job_that_cannot_be_started_shows_grid_engines_own_words(submit: Submit) -> None:
    run = submit("echo up", options={"extra": ["-o /nonexistent/file"]})
    assert "can't open output file" in run.wait_for_reason("Grid Engine could not start it")
    assert run.wait(State.PAUSED).state is State.PAUSED
    run.backend.cancel(run.ref)
    assert run.wait().state is State.CANCELLED


@pytest.mark.parametrize("code", [99, 100])
def test_exit_codes_that_mean_something_to_grid_engine_are_failures(
    submit: Submit, cluster: GridEngineCluster, code: int
) -> None:
    run = submit(f"exit {code}")
    ended = run.wait()
    assert (ended.state, ended.exit_code, ended.attempt) == (State.FAILED, code, 1)
    wait_for(lambda: not cluster.queue(), 60, "it is neither queued again nor in error")


def test_grid_engine_does_not_answer_and_its_jobs_go_on(
    submit: Submit, cluster: GridEngineCluster
) -> None:
    run = submit(COUNTING, arguments=["6"])
    run.wait_for_text("attempt 1")
    cluster.kill_qmaster()
    try:
        run.backend.status.forget()
        with pytest.raises(BackendError):
            run.now()
        wait_for(lambda: (run.paths.checkpoints / "count").read_text() == "6\n", 30, "counted")
    finally:
        cluster.start_qmaster()
    run.backend.status.forget()
    assert run.wait().state is State.SUCCEEDED
    assert run.attempts == 1


def test_the_reasons_why_jobs_wait(submit: Submit, cluster: GridEngineCluster) -> None:
    busy = submit("sleep 600", gpus=2)
    busy.wait(State.RUNNING)
    gpus = submit("true", gpus=1)
    asked = "waiting for gpus: it asks for 1, and no host has so much of it free"
    assert asked in gpus.wait_for_reason("gpus")
    large = submit("true", cpus=cluster.slots)
    assert "parallel environment omp" in large.wait_for_reason("waiting for free slots")
    rest = [submit("sleep 600") for _ in range(cluster.slots - 1)]
    for one in rest:
        one.wait(State.RUNNING)
    small = submit("true")
    assert "its queues are full" in small.wait_for_reason("waiting for a free slot")
    ahead = submit("true", options={"chain": "links", "link_time": 60, "total_time": 120})
    wait_for(
        lambda: ahead.backend._entries(ahead.ref)[1].why == "waiting for the link before it",
        30,
        "its second link waits for the first",
        1,
    )


def test_an_ordinary_user_cannot_raise_a_priority(
    shell: Shell, cluster: GridEngineCluster, workspace: Path
) -> None:
    write_notebook(workspace)
    held = shell.submit("train.ipynb", "--backend", "gridengine", "--hold")
    done = shell("priority", held, "10")
    assert done.returncode != 0
    assert "Ordinary users can only lower it (a negative priority)" in done.stderr
    assert shell("priority", held, "-10").returncode == 0
    assert "-10" in cluster.shown(cluster.queue()[0])


def test_out_of_memory_is_said_with_the_limit(submit: Submit, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[gridengine]\nmemory_option = "h_vmem"\n')
    one = f'{sys.executable} -c "import time; kept = bytearray(200 * 2**20); time.sleep(60)"'
    ended = submit(f"{one} & {one} & {one} & wait", memory="500Mi").wait()
    assert ended.state is State.FAILED
    assert "out of memory with a limit of 500M" in ended.reason


def test_what_grid_engine_has_forgotten_is_decided_from_the_job_directory(
    submit: Submit, cluster: GridEngineCluster
) -> None:
    """Nobody looks in time, and there is no accounting file."""
    accounting = cluster.sge_root / "default" / "common" / "accounting"
    good, bad = submit("true"), submit("exit 3")
    stopped, killed = (submit("echo up; sleep 600") for _ in range(2))
    for run in (stopped, killed):
        run.wait_for_text("up")
    cluster.delete_by_hand(stopped.ref.handle)
    os.kill(cluster.script_pid(killed.ref.handle), signal.SIGKILL)
    wait_for(lambda: not cluster.queue(), 60, "all have ended")
    hidden = accounting.rename(accounting.with_suffix(".hidden"))
    try:
        assert good.now().state is State.SUCCEEDED
        assert (bad.now().state, bad.now().exit_code) == (State.FAILED, 3)
        assert stopped.now().state is State.CANCELLED
        assert killed.backend.poll([killed.ref]) == {}  # the service decides
        assert aftermath.decide(killed.paths)[0] is State.FAILED
    finally:
        hidden.rename(accounting)


def test_rescheduled_by_an_administrator_it_goes_on(
    submit: Submit, cluster: GridEngineCluster
) -> None:
    run = submit(COUNTING, arguments=["12"])
    run.wait_for_text("attempt 1")
    time.sleep(2)
    cluster.client("qmod", "-rj", run.ref.handle)
    assert run.wait().state is State.SUCCEEDED
    assert run.attempts == 2
    assert "attempt 2 from 0" not in run.log()


def test_a_limit_in_ones_own_directives_times_the_links(submit: Submit) -> None:
    run = submit(
        COUNTING,
        arguments=["9"],
        options={"extra": ["-l h_rt=0:0:10"], "warning_time": 4, "total_time": 100},
    )
    assert run.wait().state is State.SUCCEEDED
    assert run.attempts >= 2


def test_the_queues_own_limit_is_known_on_the_node(
    submit: Submit, cluster: GridEngineCluster
) -> None:
    run = submit(COUNTING, arguments=["60"], options={**cluster.wide, "queue": "short.q"})
    ended = run.wait()
    assert (ended.state, ended.exit_code) == (State.FAILED, 75)
    assert "stopped at the time limit" in ended.reason
    assert run.attempts == 1


def test_killed_at_its_limit_when_the_script_is_stopped(
    submit: Submit, cluster: GridEngineCluster
) -> None:
    run = submit("echo up; sleep 60", options={"link_time": 12, "warning_time": 2})
    run.wait_for_text("up")
    os.kill(cluster.script_pid(run.ref.handle), signal.SIGSTOP)
    time.sleep(1)
    ended = run.wait()
    assert ended.state is State.FAILED
    assert "limit" in ended.reason or "SIGKILL" in ended.reason


def test_doctor_proposes_a_profile_that_is_one(backend: GridEngineBackend, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(backend.propose_profile())
    profile = load("gridengine")
    assert profile.queues["all.q"].time_limit == 12 * 3600
    assert (profile.gpu_option, profile.gpus_per_slot) == ("gpus", False)
    assert profile.parallel_environment == "omp"
    assert profile.memory_option
