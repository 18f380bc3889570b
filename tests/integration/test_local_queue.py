"""The local backend: queue, limits, environment, one agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_unattended.backends.local.queue import queue_file, secrets_file
from jupyter_unattended.errors import ConflictError, SpecError, StoreError, UnsupportedError
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import FINAL, State

from .local_jobs import LocalJobs, until


def test_from_submit_to_success(local: LocalJobs) -> None:
    job = local.submit(
        "echo out; echo err >&2; pwd; printf '%s|' \"$@\"", arguments=["a b", "c\nd"]
    )
    assert job.state is State.QUEUED
    end = local.end(job)
    assert (end.state, end.exit_code, end.attempt, end.reason) == (State.SUCCEEDED, 0, 1, "")
    working_directory = Path(end.notebook).parent
    assert local.log(job) == f"out\nerr\n{working_directory}\na b|c\nd|"
    assert local.history(job) == ["queued", "starting", "running", "succeeded"]
    assert end.started is not None
    assert end.ended is not None
    assert job.created <= end.started <= end.ended


def test_a_failing_script_says_its_code(local: LocalJobs) -> None:
    end = local.end(local.submit("exit 3"))
    assert (end.state, end.exit_code, end.attempt) == (State.FAILED, 3, 1)
    assert "exit code 3" in end.reason


def test_jobs_run_as_cores_allow_and_in_order(local: LocalJobs) -> None:
    script = "date +%s.%N; sleep 0.3; date +%s.%N"
    jobs = [local.submit(script) for _ in range(3)]
    big = local.submit(script, cpus=2)
    spans = []
    for job in [*jobs, big]:
        assert local.end(job).state is State.SUCCEEDED
        begin, end = map(float, local.log(job).split())
        spans.append((begin, end))
    for moment in sorted(begin for begin, _ in spans):
        used = sum(
            (2 if number == 3 else 1)
            for number, (begin, end) in enumerate(spans)
            if begin <= moment < end
        )
        assert used <= 2
    assert spans[3][0] == max(begin for begin, _ in spans)


def test_priority_position_and_moving(local: LocalJobs) -> None:
    blocker = local.running(local.submit("sleep 60", cpus=2))
    a, b, c = (local.submit("echo ok") for _ in range(3))
    urgent = local.submit("echo ok", priority=10)
    views = {view.id: view.position for view in local.service.list()}
    assert [views[job.id] for job in (urgent, a, b, c)] == [0, 1, 2, 3]
    assert views[blocker.id] is None
    assert local.service.move(c.id, 1).position == 1
    assert local.service.set_priority(b.id, 20).position == 0
    assert local.service.get(b.id).priority == 20
    with pytest.raises(ConflictError, match="not queued, it is running"):
        local.service.move(blocker.id, 0)
    local.service.cancel(blocker.id)
    ends = [local.end(job) for job in (b, urgent, c, a)]
    starts = [local.service.attempts(view.id)[0].started or 0 for view in ends]
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cpus": 3}, "asks for 3 CPU cores; this machine has 2"),
        ({"gpus": 1}, "asks for 1 GPU; this machine has 0"),
        ({"memory": "900T"}, "asks for 818.5 TiB of memory; this machine has"),
    ],
)
def test_what_the_machine_does_not_have_is_refused(
    local: LocalJobs, asked: dict[str, object], message: str
) -> None:
    spec = local.spec("true", **asked)
    with pytest.raises(SpecError, match=message):
        local.service.submit(spec)
    assert local.service.list() == []
    assert list((local.workspace / ".unattended").glob("[!.]*")) == []


def test_gpus_are_given_out_one_by_one(local: LocalJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNATTENDED_GPUS", "0,GPU-b,2")
    monkeypatch.setenv("UNATTENDED_CPUS", "8")
    script = "echo [$CUDA_VISIBLE_DEVICES]; sleep 60"
    jobs = [local.submit(script, gpus=count) for count in (2, 1)]
    third = local.submit("echo [$CUDA_VISIBLE_DEVICES]", gpus=3)
    for job in jobs:
        local.running(job)
        local.says(job, "]")
    assert [local.log(job) for job in jobs] == ["[0,GPU-b]\n", "[2]\n"]
    assert local.service.get(third.id).state is State.QUEUED
    for job in jobs:
        local.service.cancel(job.id)
    assert local.end(third).state is State.SUCCEEDED
    assert local.log(third) == "[0,GPU-b,2]\n"


def test_environment_and_secrets(local: LocalJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "from the shell")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub")
    monkeypatch.setenv("TOKEN", "s3cret-value")
    job = local.service.submit(
        local.spec(
            'echo "$MINE|$ASKED|${JUPYTERHUB_API_TOKEN-unset}|${#TOKEN}|${#OTHER}"',
            env={"ASKED": 'it\'s "this" $HOME'},
            secret_env=["TOKEN"],
        ),
        secrets={"OTHER": "s3cret-too"},
    )
    hidden = secrets_file(local.service.state_dir, job.id)
    assert hidden.stat().st_mode & 0o777 == 0o600
    assert json.loads(hidden.read_text()) == {"TOKEN": "s3cret-value", "OTHER": "s3cret-too"}
    local.end(job)
    assert local.log(job) == 'from the shell|it\'s "this" $HOME|unset|12|10\n'
    until(lambda: not hidden.exists(), what="the end of the secrets")
    for file in Path(job.directory).rglob("*"):
        assert not file.is_file() or b"s3cret" not in file.read_bytes()


def test_a_secret_without_a_value_is_refused(local: LocalJobs) -> None:
    with pytest.raises(SpecError, match="NOT_THERE has no value"):
        local.submit("true", secret_env=["NOT_THERE"])


def test_secrets_that_are_gone_are_named(local: LocalJobs) -> None:
    blocker = local.running(local.submit("sleep 60", cpus=2))
    job = local.service.submit(local.spec("true"), secrets={"TOKEN": "x"})
    secrets_file(local.service.state_dir, job.id).unlink()
    local.service.cancel(blocker.id)
    end = local.end(job)
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert "secret environment variables are gone" in end.reason


def test_pause_and_resume(local: LocalJobs) -> None:
    script = 'echo attempt $UNATTENDED_ATTEMPT; trap "echo saved; exit 1" TERM; sleep 60 & wait'
    job = local.running(local.submit(script, grace_period=20))
    local.says(job, "attempt 1")
    assert local.service.pause(job.id).state in (State.PAUSING, State.PAUSED)
    paused = local.until(job, State.PAUSED)
    assert (paused.exit_code, paused.reason) == (None, "")  # it has not ended
    assert local.processes(job) == []
    with pytest.raises(ConflictError, match="paused already"):
        local.service.pause(job.id)
    local.service.resume(job.id)
    local.running(job)
    local.says(job, "attempt 2")
    local.service.cancel(job.id)
    end = local.end(job)
    assert (end.state, end.attempt) == (State.CANCELLED, 2)
    with pytest.raises(ConflictError, match="it has ended"):
        local.service.resume(job.id)
    assert local.log(job) == "attempt 1\nsaved\nattempt 2\nsaved\n"
    assert local.history(job) == [
        "queued", "starting", "running", "pausing", "paused",
        "queued", "starting", "running", "cancelled",
    ]  # fmt: skip


def test_queued_jobs_are_paused_and_cancelled_at_once(local: LocalJobs) -> None:
    local.running(local.submit("sleep 60", cpus=2))
    first, second = local.submit("echo ran"), local.submit("echo ran")
    assert local.service.pause(first.id).state is State.PAUSED
    assert local.service.cancel(second.id).state is State.CANCELLED
    assert local.service.cancel(first.id).state is State.CANCELLED
    assert local.service.list([State.QUEUED]) == []


def test_who_ignores_sigterm_is_killed_after_the_grace_period(local: LocalJobs) -> None:
    script = "trap '' TERM; (trap '' TERM; setsid sleep 300) & while :; do sleep 1; done"
    job = local.running(local.submit(script, grace_period=1))
    until(lambda: len(local.processes(job)) >= 4, what="all of it")
    asked = time.monotonic()
    local.service.cancel(job.id)
    assert local.service.get(job.id).reason == "being cancelled"
    end = local.end(job)
    assert 0.9 < time.monotonic() - asked < 8
    assert end.state is State.CANCELLED
    assert end.reason == "killed: it had not stopped after its grace period of 1 s"
    assert local.processes(job) == []


def test_a_notebook_that_reaches_its_end_while_being_paused_has_succeeded(
    local: LocalJobs,
) -> None:
    spec = local.spec("")
    (spec.notebook.parent / "start.sh").unlink()
    node = json.loads(spec.notebook.read_text())
    node["cells"][0]["source"] = (
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.02)"
    )
    spec.notebook.write_text(json.dumps(node))
    job = local.service.submit(spec.model_copy(update={"grace_period": 60}))
    local.says(job, "ready")
    assert local.service.pause(job.id).state is State.PAUSING
    (spec.notebook.parent / "go").touch()
    end = local.until(job, *FINAL, State.PAUSED)
    assert (end.state, end.exit_code, end.attempt) == (State.SUCCEEDED, 0, 1)


def test_a_script_that_goes_on_while_being_paused_is_run_again(local: LocalJobs) -> None:
    # Whether it reached its end, only a notebook's runtime can tell.
    script = "trap '' TERM; echo ready; until [[ -e go ]]; do sleep 0.05; done; exit 4"
    spec = local.spec(script, grace_period=60)
    job = local.service.submit(spec)
    local.says(job, "ready")
    assert local.service.pause(job.id).state is State.PAUSING
    (spec.notebook.parent / "go").touch()
    assert local.until(job, *FINAL, State.PAUSED).state is State.PAUSED
    assert [attempt.exit_code for attempt in local.service.attempts(job.id)] == [75]


def test_time_limit(local: LocalJobs) -> None:
    end = local.end(local.submit("sleep 60", time_limit=1))
    assert (end.state, end.reason) == (State.FAILED, "the time limit of 1 s is reached")


def test_the_time_limit_counts_over_all_attempts(local: LocalJobs) -> None:
    job = local.submit("echo $UNATTENDED_ATTEMPT; sleep 0.7; exit 75", time_limit=2)
    end = local.end(job)
    assert end.reason == "the time limit of 2 s is reached"
    assert 2 <= end.attempt <= 3


def test_memory_limit(local: LocalJobs) -> None:
    grow = f'exec {sys.executable} -c "x = bytearray(300_000_000); import time; time.sleep(60)"'
    end = local.end(local.submit(grow, memory="100M"))
    assert end.state is State.FAILED
    assert end.reason.startswith("used ")
    assert end.reason.endswith("its limit is 95.37 MiB")


def test_exit_75_starts_the_next_attempt(local: LocalJobs) -> None:
    job = local.submit("echo $UNATTENDED_ATTEMPT; ((UNATTENDED_ATTEMPT == 3)) || exit 75")
    end = local.end(job)
    assert (end.state, end.attempt) == (State.SUCCEEDED, 3)
    lines = local.log(job).splitlines()
    assert [line for line in lines if line.isdecimal()] == ["1", "2", "3"]
    assert local.history(job).count("preempted") == 2


def test_restarts_are_bounded(local: LocalJobs) -> None:
    end = local.end(local.submit("exit 75", max_restarts=2))
    assert (end.state, end.attempt) == (State.FAILED, 3)
    assert "the limit of 2 restarts is reached" in end.reason


def test_stragglers_do_not_outlive_a_job(local: LocalJobs) -> None:
    job = local.submit("setsid sleep 300 & (env -i sleep 301 &) ; sleep 0.2; echo done")
    assert local.end(job).state is State.SUCCEEDED
    assert local.processes(job) == []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                words = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            assert not words.startswith(b"sleep\x00301"), "it left a process behind"


def test_rerun_and_clone(local: LocalJobs) -> None:
    first = local.submit('echo $UNATTENDED_JOB_ID "$@"', arguments=["x"], name="The first")
    local.end(first)
    (Path(first.notebook).parent / "start.sh").write_text("echo changed")
    again = local.end(local.service.rerun(first.id))
    assert (again.restarted_from, again.name) == (first.id, "The first")
    assert local.log(again) == f"{again.id} x\n"
    clone = local.end(local.service.clone(first.id, arguments=["y"], name="Other"))
    assert local.log(clone) == f"{clone.id} y\n"
    assert clone.name == "Other"
    record = local.service.spec(clone.id)
    assert record["restarted_from"] == first.id
    with pytest.raises(SpecError, match="colour: there is no such option"):
        local.service.clone(first.id, colour="red")


def test_delete(local: LocalJobs) -> None:
    job = local.running(local.submit("sleep 60"))
    with pytest.raises(ConflictError, match="is running; cancel it before deleting it"):
        local.service.delete(job.id)
    local.service.cancel(job.id)
    local.end(job)
    local.service.delete(job.id)
    assert local.service.list() == []
    assert list((local.workspace / ".unattended").glob("[!.]*")) == []


def test_twenty_submitters_start_one_agent(local: LocalJobs) -> None:
    code = (
        "import sys, pathlib; from jupyter_unattended.jobs.service import JobService;"
        "from jupyter_unattended.spec import JobSpec;"
        "print(JobService().submit(JobSpec(notebook=pathlib.Path(sys.argv[1]))).id)"
    )
    notebooks = [local.spec("echo ran").notebook for _ in range(20)]
    submitters = [
        subprocess.Popen([sys.executable, "-c", code, notebook], stdout=subprocess.PIPE, text=True)
        for notebook in notebooks
    ]
    ids = [submitter.communicate()[0].strip() for submitter in submitters]
    assert len(set(ids)) == 20
    for job_id in ids:
        assert local.service.wait(job_id, timeout=60).state is State.SUCCEEDED
        assert "".join(local.service.logs(job_id)) == "ran\n"
    assert len(local.agents()) == 1
    assert local.agent_log().count("started") == 1


def test_the_agent_ends_when_there_is_nothing_left(
    local: LocalJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNATTENDED_AGENT_IDLE", "0.5")
    local.end(local.submit("true"))
    assert local.agents() != []
    until(lambda: not local.agents(), 15, "the end of the agent")
    # And it comes back for the next one.
    assert local.end(local.submit("true")).state is State.SUCCEEDED


def test_the_agent_is_nobodys_child_and_in_a_session_of_its_own(local: LocalJobs) -> None:
    local.end(local.submit("true"))
    (agent,) = local.agents()
    stat = Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()
    assert int(stat[1]) != os.getpid()
    assert int(stat[3]) != os.getsid(0)


def test_jobs_of_another_host_are_left_alone(local: LocalJobs) -> None:
    job = local.running(local.submit("sleep 60"))
    local.kill_agent()
    own = queue_file(local.service.state_dir)
    other = queue_file(local.service.state_dir, "node7")
    own.rename(other)
    local.service.store.update({job.id: {"handle": str(other)}})
    seen = local.service.get(job.id)
    assert seen.state is State.RUNNING
    assert seen.reason == "on node7"
    with LocalQueueAged(other):
        seen = local.service.get(job.id)
        assert seen.state is State.RUNNING
        assert "on node7, as it was last observed at " in seen.reason
        with pytest.raises(ConflictError, match="is a job of node7"):
            local.service.cancel(job.id)
    other.unlink()
    assert local.service.get(job.id).state is State.UNKNOWN


class LocalQueueAged:
    """Make the other host's agent one that has not been heard of for long."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        import sqlite3

        connection = sqlite3.connect(self._file)
        connection.execute("UPDATE agent SET seen = seen - 1000")
        connection.commit()
        connection.close()

    def __exit__(self, *_: object) -> None:
        pass


def test_a_queue_of_a_newer_version_is_refused_clearly(
    service: JobService, local: LocalJobs
) -> None:
    import sqlite3

    local.end(local.submit("true"))
    connection = sqlite3.connect(queue_file(service.state_dir))
    connection.execute("PRAGMA user_version=7")
    connection.close()
    with pytest.raises(
        StoreError, match=r"newer jupyter-unattended \(schema 7, this one reads 2\)"
    ):
        local.submit("true")
    assert len(service.list()) == 1


def test_images_are_declared_impossible(local: LocalJobs) -> None:
    assert local.service.backend("local").capabilities().image is not None
    assert UnsupportedError.exit_code == 3
