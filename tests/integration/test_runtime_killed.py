"""SIGKILL at random moments: what was written is there, and what is there can be read."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from pathlib import Path

import nbformat
import pytest

from .jobdir import Job
from .test_runtime_signals import wait_for

BUSY = """\
import os, time
from jupyter_unattended import progress, report
from IPython.display import display
for i in range(100000):
    print("line", i)
    if i % 10 == 0:
        os.system(f"echo child {i}")
        progress(i, 100000)
        report(step=i, loss=1 / (i + 1))
    if i % 50 == 0:
        display({"text/plain": f"figure {i}"}, raw=True)
"""


def runtime_pid(job: Job, parent: int) -> int | None:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        if str(job.root / "runtime" / "jupyter_unattended.zip").encode() in command.split(b"\0"):
            return int(child)
    return None


def check(job: Job) -> None:
    """Everything that is there can be read, and the log has what was printed, without a hole."""
    with_output = job.root / "output.ipynb"
    if with_output.exists():
        nbformat.validate(nbformat.from_dict(json.loads(with_output.read_text())))
    # A signal may come between two parts that one print() writes: such a line ends where it was.
    printed = [int(number) for number in re.findall(r"^line (\d+)$", job.log(), re.MULTILINE)]
    assert printed == list(range(len(printed)))
    broken = [
        line
        for line in (job.root / "journal.jsonl").read_text().splitlines()[:-1]
        if not line.endswith("}")
    ]
    assert broken == []


@pytest.mark.parametrize("seed", range(4))
def test_the_runtime_is_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    job = Job(tmp_path, "print('x')", BUSY)
    process = job.start()
    wait_for(lambda: (job.attempt() / "log.txt").exists() and "line 10" in job.log())
    time.sleep(chance.uniform(0, 3))
    pid = runtime_pid(job, process.pid)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert process.wait(10) == 137
    assert job.record()["reason"] == "the process was killed by SIGKILL"
    assert job.exit_file()[0] == "137"
    check(job)
    # The next attempt starts afresh in the same directory.
    again = job.start()
    wait_for(lambda: (job.attempt(2) / "log.txt").exists() and "line 10" in job.log(2))
    again.terminate()
    assert again.wait(20) == 75
    check(job)


@pytest.mark.parametrize("seed", range(3))
def test_start_sh_is_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    job = Job(tmp_path, "print('x')", BUSY)
    process = job.start()
    wait_for(lambda: (job.attempt() / "log.txt").exists() and "line 10" in job.log())
    time.sleep(chance.uniform(0, 2))
    pid = runtime_pid(job, process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    assert job.exit_file()[0] == "75"
    assert job.events("finished")[-1]["outcome"] == "stopped"
    check(job)


@pytest.mark.parametrize("seed", range(3))
def test_both_are_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    job = Job(tmp_path, "print('x')", BUSY)
    process = job.start()
    wait_for(lambda: (job.attempt() / "log.txt").exists() and "line 10" in job.log())
    time.sleep(chance.uniform(0, 3))
    pid = runtime_pid(job, process.pid)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    check(job)


def test_sigterm_at_random_moments(tmp_path: Path) -> None:
    chance = random.Random(1)
    for number in range(12):
        job = Job(
            tmp_path, "x = 1", "print('line 0')", "import time; time.sleep(0.2)", name=f"j{number}"
        )
        process = job.start()
        wait_for(lambda job=job: (job.attempt() / "attempt.json").exists())
        time.sleep(chance.uniform(0, 0.9))
        process.terminate()
        code = process.wait(20)
        finished = job.events("finished")
        if code == 0:
            assert finished[-1]["outcome"] == "done"
        else:
            assert code == 75
            assert not finished or finished[-1]["outcome"] == "stopped"
        assert job.record()["exit_code"] == code


def test_a_crash_in_c_code_says_in_the_log_which_line_it_was(tmp_path: Path) -> None:
    job = Job(tmp_path, "print('before')\nimport ctypes\nctypes.string_at(0)")
    assert job.start().wait(30) == 139
    log = job.log()
    assert log.startswith("before\nFatal Python error: Segmentation fault\n")
    assert re.search(r'File ".*", line 3 in <module>\n', log)
    assert "attempt.sh" not in log
    assert log.endswith("[unattended] the process was killed by SIGSEGV\n")
