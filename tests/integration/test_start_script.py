"""start.sh run as a user, a scheduler and a container run it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from jupyter_unattended.bundle import startscript

from .jobdir import Job, clean_environment, notebook
from .test_runtime_signals import wait_for

WEIRD = 'it\'s a "dir"\nwith $HOME `x` ünïcödé'
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_a_run_from_start_to_end(tmp_path: Path) -> None:
    job = Job(tmp_path, "import sys, os; print(sys.argv[1:], os.getcwd())", arguments=["a", "b c"])
    assert job.run() == 0
    assert job.text(0) == f"['a', 'b c'] {tmp_path}\n"
    record = job.record()
    assert record["attempt"] == 1
    assert record["exit_code"] == 0
    assert record["ended"] >= record["started"]
    assert all(record[name] for name in ("boot_id", "pid", "pid_start", "host"))
    assert (job.attempt() / "exit").stat().st_size == 64
    assert job.run() == 0
    assert job.record(2)["attempt"] == 2


def test_paths_and_arguments_of_any_kind(tmp_path: Path) -> None:
    workspace = tmp_path / "-dash" / WEIRD
    workspace.mkdir(parents=True)
    arguments = ["-x", "--", "a\nb", "'", '"', "$HOME", "*", "é", ""]
    job = Job(workspace, "import sys; sys.argv[1:]", arguments=arguments)
    assert job.run() == 0
    assert "".join(job.outputs(0)[0]["data"]["text/plain"]) == repr(arguments)
    assert job.record()["exit_code"] == 0
    # From elsewhere, by a relative path, through bash.
    name = os.path.relpath(job.root / "start.sh", workspace)
    done = subprocess.run(["bash", name], cwd=workspace, env=clean_environment(), timeout=60)
    assert done.returncode == 0


def test_two_starts_at_once_take_different_attempts(tmp_path: Path) -> None:
    job = Job(tmp_path, "1")
    processes = [job.start() for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert sorted(path.name for path in (job.root / "attempts").iterdir()) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("code", "expected"), [("import sys; sys.exit(3)", 3), ("1/0", 1)])
def test_failures(tmp_path: Path, code: str, expected: int) -> None:
    job = Job(tmp_path, code)
    assert job.run() == expected
    assert job.record()["exit_code"] == expected
    assert job.exit_file()[0] == str(expected)


@pytest.mark.parametrize("code", ["os._exit(0)", "os._exit(5)", "os.kill(os.getpid(), 9)"])
def test_a_sudden_end_is_a_failure_that_is_told(tmp_path: Path, code: str) -> None:
    published = f"open({str(tmp_path / '.unattended/job-1/output.ipynb')!r}).read()"
    wait = f"while 'before\\\\n' not in {published}: time.sleep(0.1)"
    job = Job(tmp_path, "print('before')", f"import os, time\n{wait}\n{code}")
    expected = {"os._exit(0)": 1, "os._exit(5)": 5}.get(code, 137)
    assert job.run() == expected
    assert "the process" in job.record()["reason"]
    assert "before" in job.log()
    assert job.text(0) == "before\n"


def test_a_notebook_that_ends_itself_is_done(tmp_path: Path) -> None:
    for number, code in enumerate(["import sys; sys.exit()", "exit()", "quit(0)", "exit"]):
        job = Job(tmp_path, code, "1/0", name=f"job-{number}")
        assert job.run() == 0
        assert job.events("finished")[-1]["outcome"] == "done"
        assert job.outputs(0) == []


def test_the_log_is_copied_to_standard_output_to_its_end(tmp_path: Path) -> None:
    job = Job(tmp_path, "for i in range(20000): print('line', i)", "1/0")
    process = job.start(stdout=subprocess.PIPE)
    copied, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert copied.decode() == job.log()
    assert "ZeroDivisionError" in job.log()


def test_a_reader_that_goes_away_or_never_reads_stops_nothing(tmp_path: Path) -> None:
    job = Job(tmp_path, "for i in range(20000): print('line', i)")
    process = job.start(stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(30) == 0
    job = Job(tmp_path, "for i in range(20000): print('line', i)", name="job-2", grace_period=2)
    process = job.start(stdout=subprocess.PIPE)
    assert process.wait(30) == 0
    assert process.stdout is not None
    process.stdout.close()


def test_startup_hook_and_environment(tmp_path: Path) -> None:
    (tmp_path / "startup-hook.sh").write_text("export FROM_HOOK=yes\n")
    job = Job(tmp_path, "import os; os.environ['FROM_HOOK'], os.environ['UNATTENDED_ATTEMPT']")
    assert job.run() == 0
    assert "".join(job.outputs(0)[0]["data"]["text/plain"]) == "('yes', '1')"
    (tmp_path / "startup-hook.sh").write_text("false\n")
    assert job.run() == 1
    assert job.record(2)["reason"] == "startup-hook.sh failed"


def test_the_users_own_script_runs_in_the_notebooks_place(tmp_path: Path) -> None:
    job = Job(tmp_path, user_script='echo "own $1 in $PWD"; exit 7', arguments=["arg"])
    assert job.run() == 7
    assert f"own arg in {tmp_path}" in job.log()
    own = "trap 'echo trapped; exit 0' TERM\necho ready\nwhile :; do sleep 0.1; done"
    job = Job(tmp_path, user_script=own, name="job-2")
    process = job.start()
    wait_for(lambda: (job.attempt() / "log.txt").exists() and "ready" in job.log())
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    assert "trapped" in job.log()


def test_the_users_own_script_may_run_the_runtime(tmp_path: Path) -> None:
    (tmp_path / "work.ipynb").write_text(json.dumps(notebook("import sys; print(sys.argv[1:])")))
    own = f'exec "{sys.executable}" -m jupyter_unattended.runtime work.ipynb "$@"'
    job = Job(tmp_path, "0", user_script=own, arguments=["x"])
    assert job.run() == 0
    assert job.text(0) == "['x']\n"
    assert job.events("finished")[-1]["outcome"] == "done"
    (tmp_path / "work.ipynb").write_text(json.dumps(notebook("1/0")))
    assert job.run() == 1


def test_satisfied_requirements_are_skipped(tmp_path: Path) -> None:
    from importlib.metadata import version

    job = Job(tmp_path, "1", requirements=f"ipython=={version('ipython')}\n# comment\n")
    assert job.run() == 0
    [event] = job.events("requirements")
    assert event["installed"] is False
    assert event["seconds"] < 5


def test_sigterm_during_pip_is_forwarded_and_waited_for(tmp_path: Path) -> None:
    # A package whose build takes long stands for a slow download.
    package = tmp_path / "slow"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n'
    )
    (package / "slow.py").write_text(
        f"open({str(tmp_path / 'building')!r}, 'w').close()\nimport time; time.sleep(8)\n"
    )
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    job = Job(tmp_path, "1", requirements=f"{package}\n", python=python)
    process = job.start()
    wait_for((tmp_path / "building").exists, 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    assert job.record()["signal"] == "SIGTERM"
    assert not job.events("started")


@needs_root
@pytest.mark.parametrize("exits_with", ["signal", "own code"])
def test_as_process_one_of_a_container(tmp_path: Path, exits_with: str) -> None:
    code = "print('ready')\nimport time; time.sleep(60)" if exits_with == "signal" else "1/0"
    job = Job(tmp_path, code)
    process = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", str(job.root / "start.sh")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=clean_environment(),
    )
    if exits_with == "signal":
        wait_for(lambda: (job.attempt() / "log.txt").exists() and "ready" in job.log())
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
    copied, _ = process.communicate(timeout=30)
    assert process.returncode == (75 if exits_with == "signal" else 1)
    assert copied.decode() == job.log()
    assert job.record()["pid"] == 1


@needs_root
def test_a_read_only_job_directory_is_a_clear_error(tmp_path: Path) -> None:
    job = Job(tmp_path, "1")
    subprocess.run(["mount", "--bind", str(tmp_path), str(tmp_path)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(tmp_path)], check=True)
        process = job.start(stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=20)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert process.returncode == 73
    assert b"read-only" in errors


@needs_root
def test_a_disk_that_fills_up_ends_nothing_and_is_told(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)], check=True)
    try:
        job = Job(
            disk,
            "print('first')",
            "with open('ballast', 'wb', buffering=0) as f:\n"
            "    try:\n        while True: f.write(b'x' * 4096)\n    except OSError: pass",
            "for i in range(1000): print('x' * 1000)",
            f"open({str(tmp_path / 'reached')!r}, 'w').close(); print('last')",
        )
        code = job.run()
        assert (tmp_path / "reached").exists()
        assert code == 74
        assert job.exit_file()[0] == "74"
        json.loads((job.root / "output.ipynb").read_text())

        job = Job(disk, "1", name="never") if shutil.disk_usage(disk).free > 500_000 else job
        (disk / "ballast").unlink()
        again = job.run()
        assert again == 74 or job.text(3) == "last\n"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_space_that_comes_back_brings_everything_back_but_what_the_log_missed(
    tmp_path: Path,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)], check=True)
    try:
        job = Job(
            disk,
            "with open('ballast', 'wb', buffering=0) as f:\n"
            "    try:\n        while True: f.write(b'x' * 4096)\n    except OSError: pass",
            "for i in range(100): print('y' * 1000)",
            "import os; os.unlink('ballast'); print('room again')",
        )
        assert job.run() == 0
        assert job.text(1) == ("y" * 1000 + "\n") * 100
        assert "bytes of output are missing here" in job.log()
        assert job.log().rstrip().endswith("done: every cell ran")
        statuses = [event["cell"] for event in job.events("cell_finished")]
        assert statuses == [0, 1, 2]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("half", ["print('half', end='')", "import os; os.system('printf half')"])
def test_what_we_say_begins_a_line(tmp_path: Path, half: str) -> None:
    job = Job(tmp_path, half + ";")
    assert job.run() == 0
    assert job.log() == "half\n[unattended] done: every cell ran\n"
    assert job.text(0) == "half"


def test_a_torn_journal_line_is_ended(tmp_path: Path) -> None:
    job = Job(tmp_path, "1", requirements="ipython\n")
    (job.root / "attempts" / "1").mkdir(parents=True)
    (job.root / "journal.jsonl").write_text('{"t": 1, "event": "cell_sta')
    assert job.run() == 0
    events = [event["event"] for event in job.events()]
    assert events[0] == "requirements"
    assert events[-1] == "finished"


@pytest.mark.parametrize("kind", ["notebook", "script"])
def test_the_script_beside_the_notebook(tmp_path: Path, kind: str) -> None:
    workspace = tmp_path / "a 'dir'"
    workspace.mkdir()
    code = "import sys, os; print('ran', sys.argv[1:], os.getcwd())"
    name = "-my file.ipynb" if kind == "notebook" else "-my file.py"
    content = json.dumps(notebook(code)) if kind == "notebook" else code
    (workspace / name).write_text(content)
    (workspace / "requirements.txt").write_text("ipython\n")
    script = workspace / "start.sh"
    script.write_text(startscript.render_beside(target=name, kind=kind, python=sys.executable))
    done = subprocess.run(
        ["bash", str(script), "--x=1 2"],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done
    assert f"ran ['--x=1 2'] {workspace}" in done.stdout
    if kind == "notebook":
        assert (workspace / "-my file.output.ipynb").exists()


@pytest.mark.parametrize("has_uv", [True, False])
@pytest.mark.parametrize("in_job", [True, False])
def test_an_environment_without_pip_is_left_to_uv(
    tmp_path: Path, in_job: bool, has_uv: bool
) -> None:
    bare, tools = tmp_path / "bare", tmp_path / "tools"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    tools.mkdir()
    for name in ("bash", "cat", "env", "mkdir", "mv", "rm", "sleep", "stat", "tail", "uname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    if has_uv:  # what it would install is of no interest here, but that it is asked, and for whom
        (tools / "uv").write_text('#!/usr/bin/env bash\necho "uv was asked: $*"\nexit 9\n')
        (tools / "uv").chmod(0o755)
    python, environment = bare / "bin" / "python", {"PATH": str(tools)}
    if in_job:
        job = Job(tmp_path, "1", requirements="no-such-package==1\n", python=str(python))
        code, said = job.run(env=environment), job.log()
        requirements = str(job.root / "requirements.txt")
    else:
        requirements = "./requirements.txt"
        (tmp_path / "requirements.txt").write_text("no-such-package==1\n")
        (tmp_path / "start.sh").write_text(
            startscript.render_beside(target="t.py", kind="script", python=str(python))
        )
        done = subprocess.run(
            ["bash", tmp_path / "start.sh"],
            capture_output=True,
            text=True,
            timeout=60,
            env=clean_environment(environment),
        )
        code, said = done.returncode, done.stdout + done.stderr
    if has_uv:
        assert f"uv was asked: pip install --python {python} -r {requirements}\n" in said
        assert code == (1 if in_job else 9)
    else:
        assert f"requirements.txt is not satisfied and {python} has no pip" in said
        assert code == 1


@pytest.mark.parametrize("handler", ["", "signal.signal(15, lambda *_: sys.exit(0))\n"])
def test_the_script_beside_the_notebook_is_stopped_with_75(tmp_path: Path, handler: str) -> None:
    code = f"import sys, signal, time\n{handler}print('ready', flush=True)\ntime.sleep(60)"
    (tmp_path / "t.py").write_text(code)
    script = tmp_path / "start.sh"
    script.write_text(
        startscript.render_beside(
            target="t.py", kind="script", python=sys.executable, requirements=None
        )
    )
    process = subprocess.Popen(
        ["bash", str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    process.stdout.close()


def test_what_a_backend_calls_hopeless_is_not_tried_again(tmp_path: Path) -> None:
    """Killed whole for its memory, say: the scheduler starts it again, and start.sh refuses."""
    job = Job(tmp_path, "print('ran')")
    assert job.run() == 0
    (job.attempt() / "hopeless").write_text("out of memory: its limit is 1Gi\n")
    assert job.run() == 1
    assert job.record(2)["reason"] == "out of memory: its limit is 1Gi"
    assert "ran" not in (job.attempt(2) / "log.txt").read_text()
