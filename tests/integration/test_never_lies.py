"""It never lies: whatever is killed, filled up or torn, what is shown is what happened.

After each disaster: the state shown is what happened, output up to that point is there, nothing
waits for ever, no process is left behind, and a list works.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from jupyter_unattended.backends.local import processes
from jupyter_unattended.backends.local.queue import queue_file
from jupyter_unattended.errors import StoreError, WorkspaceError
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import FINAL, State
from jupyter_unattended.jobs.view import JobView
from jupyter_unattended.spec import JobSpec

from .local_jobs import LocalJobs, until

#: How many random moments are tried for each thing that is killed.
ROUNDS = int(os.environ.get("UNATTENDED_TEST_ROUNDS", "3"))
CELLS = 8

#: Notices a second attempt that runs at the same time; says which cell it is at.
FIRST = """\
import fcntl, os, time
lock = open(os.path.join(os.environ["UNATTENDED_JOB_DIR"], "only-one"), "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    print("TWO AT ONCE")
"""
STEP = "print('cell', {}, flush=True); time.sleep(0.1)"


def kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def notebook(local: LocalJobs) -> JobSpec:
    """Return the spec of a real notebook of some cells."""
    sources = [FIRST, *(STEP.format(number) for number in range(CELLS))]
    node = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell(source) for source in sources]  # type: ignore[no-untyped-call]
    )
    spec = local.spec("")
    (spec.notebook.parent / "start.sh").unlink()
    spec.notebook.write_text(nbformat.writes(node))  # type: ignore[no-untyped-call]
    return spec


def check_whole(local: LocalJobs, job: JobView) -> None:
    """Check a notebook that was interrupted any number of times and reached its end."""
    end = local.end(job, timeout=60)
    assert (end.state, end.exit_code) == (State.SUCCEEDED, 0), end
    expected = [f"cell {number}" for number in range(CELLS)]
    attempts = local.service.attempts(job.id)
    assert [attempt.number for attempt in attempts] == list(range(1, end.attempt + 1))
    for attempt in attempts:
        text = "".join(local.service.logs(job.id, attempt.number))
        assert "TWO AT ONCE" not in text
        said = [line for line in text.splitlines() if line.startswith("cell ")]
        # Each attempt wrote the cells in order; the last one came to the last of them.
        assert said == expected[len(expected) - len(said) :] or said == expected[: len(said)], text
    assert said[-1] == expected[-1]
    assert [attempt.exit_code for attempt in attempts][-1] == 0
    assert all(attempt.ended is not None for attempt in attempts)
    node = nbformat.read(local.paths(job).output, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(node)
    history = local.history(job)
    assert history[0] == "queued"
    assert history[-1] == "succeeded"
    # One end for each beginning; how far an attempt was seen depends on when it was killed.
    assert history.count("starting") >= end.attempt
    check_tidy(local, job)


def check_tidy(local: LocalJobs, *jobs: JobView) -> None:
    """Check that nothing is left behind and that lists work."""
    for job in jobs:
        assert local.processes(job) == []
    listed = {view.id: view for view in local.service.list()}
    for job in jobs:
        assert listed[job.id].state in FINAL
        assert listed[job.id].state == JobService(local.service.state_dir).get(job.id).state


def moments(what: str) -> list[float]:
    """Return random moments of a job's life, the same ones every time."""
    chance = random.Random(what)
    return [round(chance.uniform(0.0, 1.6), 3) for _ in range(ROUNDS)]


def runtime_of(local: LocalJobs, job: JobView) -> list[int]:
    """Return the processes of the notebook: all but start.sh."""
    start_script = local.entry(job).pid
    return [pid for pid in local.processes(job) if pid != start_script]


# -- killing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", moments("runtime"))
def test_the_notebooks_process_is_killed(local: LocalJobs, moment: float) -> None:
    job = local.service.submit(notebook(local))
    time.sleep(moment)
    kill(*runtime_of(local, job))
    check_whole(local, job)


@pytest.mark.parametrize("moment", moments("start.sh"))
def test_start_sh_is_killed(local: LocalJobs, moment: float) -> None:
    job = local.service.submit(notebook(local))
    time.sleep(moment)
    kill(*filter(None, [local.entry(job).pid]))
    check_whole(local, job)


@pytest.mark.parametrize("moment", moments("agent"))
def test_the_agent_is_killed(local: LocalJobs, moment: float) -> None:
    job = local.service.submit(notebook(local))
    time.sleep(moment)
    local.kill_agent()
    check_whole(local, job)
    # The job was not disturbed.
    assert local.service.get(job.id).attempt == 1


@pytest.mark.parametrize("moment", moments("everything"))
def test_everything_is_killed_at_once(local: LocalJobs, moment: float) -> None:
    job = local.service.submit(notebook(local))
    time.sleep(moment)
    kill(*local.agents(), *local.processes(job))
    check_whole(local, job)


def test_the_agent_is_killed_again_and_again(local: LocalJobs) -> None:
    jobs = [local.service.submit(notebook(local)) for _ in range(4)]
    chance = random.Random("again")
    for _ in range(8):
        time.sleep(chance.uniform(0.05, 0.5))
        local.kill_agent()
        local.service.list()
    for job in jobs:
        check_whole(local, job)
        assert local.service.get(job.id).attempt == 1


@pytest.mark.parametrize("code", [0, 3])
def test_a_job_ends_while_no_agent_lives(local: LocalJobs, code: int) -> None:
    job = local.running(local.submit(f"echo before; sleep 0.7; echo after; exit {code}"))
    local.kill_agent()
    until(lambda: not local.processes(job), what="the end of the job")
    end = local.end(job)
    assert (end.state, end.exit_code, end.attempt) == (
        State.FAILED if code else State.SUCCEEDED,
        code,
        1,
    )
    assert local.log(job).startswith("before\nafter\n")
    check_tidy(local, job)


def test_the_agent_is_killed_while_it_stops_a_job(local: LocalJobs) -> None:
    job = local.running(local.submit("trap '' TERM; while :; do sleep 0.1; done", grace_period=3))
    local.service.cancel(job.id)
    until(lambda: local.entry(job).stopping, what="the stop")
    local.kill_agent()
    end = local.end(job)
    assert end.state is State.CANCELLED
    assert end.ended is not None
    check_tidy(local, job)


def test_orphans_do_not_meet_the_next_attempt(local: LocalJobs) -> None:
    script = (
        'echo "attempt $UNATTENDED_ATTEMPT"\n'
        "((UNATTENDED_ATTEMPT == 2)) && exit 0\n"
        "(trap '' TERM; setsid bash -c 'for ((i = 0; i < 600; i++)); do sleep 0.1; done') &\n"
        "wait"
    )
    job = local.running(local.submit(script, grace_period=1))
    local.says(job, "attempt 1")
    launch = local.entry(job).launch or ""
    until(lambda: len(processes.of_launch(launch)) >= 3, what="the orphans to be")
    kill(local.start_script(job))
    until(lambda: local.log(job).count("attempt") == 2, what="the second attempt")
    assert processes.of_launch(launch) == []
    assert local.end(job).state is State.SUCCEEDED
    check_tidy(local, job)


def test_a_killed_job_that_may_not_restart_has_failed_with_the_reason(local: LocalJobs) -> None:
    job = local.running(local.submit("echo here; sleep 60", max_restarts=0))
    local.says(job, "here")
    kill(*local.processes(job))
    end = local.end(job)
    assert end.state is State.FAILED
    assert end.reason.startswith("ended without leaving an exit code (killed with SIGKILL, or ")
    assert local.log(job) == "here\n"
    check_tidy(local, job)


def submitter(local: LocalJobs, count: int) -> subprocess.Popen[str]:
    """Start a process that submits `count` jobs, says each id, and waits for the last one."""
    notebooks = [str(local.spec("echo ran").notebook) for _ in range(count)]
    code = (
        "import sys, pathlib\n"
        "from jupyter_unattended.jobs.service import JobService\n"
        "from jupyter_unattended.spec import JobSpec\n"
        "for path in sys.argv[1:]:\n"
        "    job = JobService().submit(JobSpec(notebook=pathlib.Path(path)))\n"
        "    print(job.id, flush=True)\n"
        "JobService().wait(job.id)\n"
    )
    command = [sys.executable, "-c", code, *notebooks]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_submitter_is_killed(local: LocalJobs, number: int) -> None:
    chance = random.Random(f"submitter {number}")
    process = submitter(local, 40)
    assert process.stdout is not None
    first = process.stdout.readline().strip()
    time.sleep(chance.uniform(0.0, 0.3))
    os.killpg(process.pid, signal.SIGKILL)
    told = [first, *process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    # What it was told is a job, and runs.
    for job_id in told:
        assert local.service.wait(job_id, timeout=60).state is State.SUCCEEDED
    views = until(
        lambda: (found := local.service.list()) and all(v.state in FINAL for v in found) and found
    )
    assert views
    for view in views:
        if view.state is not State.SUCCEEDED:
            assert view.id not in told
            assert "the process that submitted it ended before local had it" in view.reason
    # Each directory is a whole job.
    for directory in (local.workspace / ".unattended").glob("[!.]*"):
        assert directory.name in {view.id for view in views}
        json.loads((directory / "job.json").read_text())
        assert (directory / "start.sh").exists()
    check_tidy(local, *views)


def test_twenty_submitters_of_which_half_are_killed(local: LocalJobs) -> None:
    submitters = [submitter(local, 2) for _ in range(20)]
    chance = random.Random("twenty")
    time.sleep(3)
    for process in submitters[::2]:
        time.sleep(chance.uniform(0.0, 0.2))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    told = [job_id for process in submitters for job_id in process.communicate()[0].split()]
    assert len(told) >= 20
    for job_id in told:
        assert local.service.wait(job_id, timeout=90).state is State.SUCCEEDED
    assert len(local.agents()) == 1
    check_tidy(local, *(local.service.get(job_id) for job_id in told))


# -- losing the memory ---------------------------------------------------------------------------


def lose_index(local: LocalJobs) -> None:
    local.service.store.file.unlink()


def lose_queue(local: LocalJobs) -> None:
    queue_file(local.service.state_dir).unlink()


def damage_index(local: LocalJobs) -> None:
    local.service.store.file.write_bytes(b"\x00garbage" * 1000)


def damage_queue(local: LocalJobs) -> None:
    queue_file(local.service.state_dir).write_bytes(b"\x00garbage" * 1000)


def lose_both(local: LocalJobs) -> None:
    lose_index(local)
    lose_queue(local)


DISASTERS = [lose_index, lose_queue, damage_index, damage_queue, lose_both]


@pytest.mark.parametrize("agent_dies", [False, True], ids=["agent lives", "agent dies"])
@pytest.mark.parametrize("disaster", DISASTERS)
def test_memory_is_lost(
    local: LocalJobs, disaster: Callable[[LocalJobs], None], agent_dies: bool
) -> None:
    done = local.end(local.submit("echo done"))
    failed = local.end(local.submit("exit 3"))
    running = local.running(local.submit("echo on; sleep 4; echo end", cpus=2))
    paused = local.submit("echo never")
    local.service.pause(paused.id)
    queued = local.submit("echo later", priority=7)
    before = local.service.get(running.id)
    if agent_dies:
        local.kill_agent()
    disaster(local)
    views = {view.id: view for view in local.service.list()}
    assert {view.state for view in views.values()} <= set(State) - {State.UNKNOWN}
    assert views[done.id].state is State.SUCCEEDED
    assert (views[failed.id].state, views[failed.id].exit_code) == (State.FAILED, 3)
    assert views[failed.id].reason == failed.reason
    assert (views[running.id].state, views[running.id].attempt) == (State.RUNNING, 1)
    assert views[running.id].started == before.started
    assert views[paused.id].state is State.PAUSED
    assert (views[queued.id].state, views[queued.id].priority) == (State.QUEUED, 7)
    # And life goes on: the running one was not disturbed, the others can be steered.
    end = local.end(running)
    assert (end.state, end.attempt) == (State.SUCCEEDED, 1)
    assert local.log(running) == "on\nend\n"
    assert local.end(queued).state is State.SUCCEEDED
    local.service.resume(paused.id)
    assert local.end(paused).state is State.SUCCEEDED
    check_tidy(local, done, failed, running, queued, paused)


def test_a_torn_journal_and_a_torn_history(local: LocalJobs) -> None:
    job = local.service.submit(notebook(local))
    local.says(job, "cell 2")
    paths = local.paths(job)
    for file in (paths.journal, paths.history, paths.metrics):
        with file.open("a") as stream:
            stream.write('{"t": 1, "attempt": 1, "event": "cell_fin')
    view = local.service.list()[0]
    assert view.state is State.RUNNING
    assert view.progress.cells_total == CELLS + 1
    assert local.end(job).state is State.SUCCEEDED
    assert local.history(job)[-1] == "succeeded"
    local.service.store.file.unlink()
    assert local.service.list()[0].state is State.SUCCEEDED


# -- disks ---------------------------------------------------------------------------------------


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not possible here: {done.stderr.strip()}")


def unmount(directory: Path) -> None:
    subprocess.run(["umount", "-l", str(directory)], check=False)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a file system of 6 MB."""
    directory = tmp_path / "small"
    directory.mkdir()
    mount("-t", "tmpfs", "-o", "size=6m", "tmpfs", str(directory))
    yield directory
    unmount(directory)


def fill(directory: Path) -> Path:
    """Fill a file system to the last byte."""
    filler = directory / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as stream:
        for size in (1 << 16, 1 << 10, 1):
            with contextlib.suppress(OSError):
                while stream.write(b"x" * size):
                    pass
    return filler


def test_a_submit_to_a_full_disk_leaves_nothing(service: JobService, small: Path) -> None:
    local = LocalJobs(service, small)
    spec = local.spec("true")
    fill(small)
    with pytest.raises(WorkspaceError, match="disk is full"):
        service.submit(spec)
    assert list(small.rglob("job.json")) == []
    assert list(small.glob(".unattended/*")) == []
    assert service.list() == []


@pytest.mark.parametrize("code", [0, 4])
def test_a_job_fills_its_disk(service: JobService, small: Path, code: int) -> None:
    local = LocalJobs(service, small)
    job = local.submit(f"echo before; cat /dev/zero > filler 2>/dev/null; sleep 0.3; exit {code}")
    end = local.end(job)
    assert (end.state, end.exit_code) == (State.FAILED if code else State.SUCCEEDED, code)
    assert local.log(job).startswith("before\n")
    assert service.attempts(job.id)[0].exit_code == code
    check_tidy(local, job)
    # With everything else forgotten and the disk still full, the job directory is enough.
    (small / "notebook 1" / "filler").exists()
    lose_both(local)
    local.kill_agent()
    assert service.get(job.id).state is end.state


def test_a_notebook_fills_its_disk(service: JobService, small: Path) -> None:
    local = LocalJobs(service, small)
    spec = notebook(local)
    node = json.loads(spec.notebook.read_text())
    node["cells"][3]["source"] = "open('filler', 'wb').write(bytes(20_000_000))"
    spec.notebook.write_text(json.dumps(node))
    job = service.submit(spec)
    end = local.end(job)
    assert (end.state, end.attempt) == (State.FAILED, 1)
    assert "No space left on device" in end.reason
    assert "cell 1\n" in local.log(job)
    check_tidy(local, job)


def test_the_state_directorys_disk_is_full(
    small: Path, workspace: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = small / "state"
    monkeypatch.setenv("UNATTENDED_STATE_DIR", str(state))
    monkeypatch.chdir(workspace)
    local = LocalJobs(JobService(state), workspace)
    try:
        job = local.running(local.submit("echo before; sleep 1; echo after; exit 3"))
        filler = fill(small)
        assert local.service.list()[0].state is State.RUNNING
        with pytest.raises((StoreError, WorkspaceError)):
            local.submit("true")
        assert len(list((workspace / ".unattended").glob("[!.]*"))) == 1
        until(lambda: not local.processes(job), what="the end of the job")
        time.sleep(0.5)
        assert [view.id for view in local.service.list()] == [job.id]
        assert "after\n" in local.log(job)
        filler.unlink()
        end = local.end(job)
        assert (end.state, end.exit_code, end.attempt) == (State.FAILED, 3, 1)
        check_tidy(local, job)
    finally:
        kill(*local.agents())


def test_the_job_directory_becomes_read_only_before_the_start(local: LocalJobs) -> None:
    blocker = local.running(local.submit("sleep 60", cpus=2))
    job = local.submit("echo ran")
    directory = job.directory
    mount("--bind", directory, directory)
    try:
        mount("-o", "remount,ro,bind", directory)
        local.service.cancel(blocker.id)
        end = local.end(job)
        assert (end.state, end.attempt) == (State.FAILED, 0)
        assert "cannot write in" in end.reason
        assert "read-only" in end.reason
        check_tidy(local, job)
    finally:
        unmount(Path(directory))


def test_the_job_directory_becomes_read_only_during_the_run(local: LocalJobs) -> None:
    job = local.running(local.submit("echo before; sleep 1.5; echo after; exit 3"))
    local.says(job, "before")
    directory = job.directory
    mount("--bind", directory, directory)
    try:
        mount("-o", "remount,ro,bind", directory)
        end = local.end(job)
        assert (end.state, end.exit_code, end.attempt) == (State.FAILED, 3, 1)
        assert local.log(job).startswith("before\nafter\n")
        check_tidy(local, job)
    finally:
        unmount(Path(directory))


def test_the_job_directory_is_deleted_under_a_running_job(local: LocalJobs) -> None:
    import shutil

    job = local.running(local.submit("sleep 1; exit 0"))
    queued = local.submit("true", cpus=2)
    shutil.rmtree(job.directory)
    shutil.rmtree(queued.directory)
    assert {view.id for view in local.service.list()} == {job.id, queued.id}
    # A script cannot note its end any more; its parent has seen it.
    until(lambda: not local.service.unfinished(), what="the end of both")
    assert local.service.list() == []
    check_tidy(local)
