"""Being asked to stop: SIGTERM and SIGINT at every moment, and what notebooks make of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.jobdir import Job

HANDLER = "import signal, sys, os, time\n"


def wait_for(condition: Callable[[], Any], timeout: float = 20) -> Any:
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return found


def stop_when_logged(job: Job, text: str, *signals: int, pause: float = 0.2, **options: Any) -> int:
    """Start the job, send it signals when its log has `text`, and return its exit code."""
    process = job.start(**options)
    try:
        log = job.attempt() / "log.txt"
        wait_for(lambda: log.exists() and text in log.read_text("utf-8", "replace"))
        for number in signals or (signal.SIGTERM,):
            process.send_signal(number)
            time.sleep(pause)
        return process.wait(40)
    finally:
        if process.poll() is None:
            process.kill()


def finished(job: Job) -> dict[str, Any]:
    return job.events("finished")[-1]


@pytest.mark.parametrize(
    "waiting",
    [
        pytest.param("time.sleep(1000)", id="sleep"),
        pytest.param("while True: pass", id="busy loop"),
        pytest.param("import subprocess; subprocess.run(['sleep', '1000'])", id="subprocess"),
        pytest.param("!sleep 1000", id="shell command"),
        pytest.param("!sleep 1000\nprint('never')\ntime.sleep(1000)", id="after a shell command"),
        pytest.param("get_ipython().run_cell_magic('bash', '', 'sleep 1000')", id="bash magic"),
        pytest.param("import asyncio; await asyncio.sleep(1000)", id="await"),
        pytest.param(
            "import asyncio\nasync def busy():\n  while True: await asyncio.sleep(0)\nawait busy()",
            id="busy await",
        ),
        pytest.param("import threading; threading.Event().wait()", id="lock"),
        pytest.param(
            "class Slow:\n  def __del__(self): time.sleep(3)\nSlow()\ntime.sleep(1000)",
            id="where exceptions are ignored",
        ),
    ],
)
def test_a_running_cell_is_interrupted_and_saved(tmp_path: Path, waiting: str) -> None:
    job = Job(tmp_path, "import time; x = 1", f"print('ready', flush=True)\n{waiting}", "print(2)")
    assert stop_when_logged(job, "ready") == 75
    assert job.text(1).startswith("ready\n")
    assert "never" not in job.text(1)
    assert job.outputs(2) == []
    assert job.exit_file()[0] == "75"
    assert job.record()["exit_code"] == 75
    assert job.record()["signal"] == "SIGTERM"
    assert finished(job)["outcome"] == "stopped"
    assert finished(job)["reason"] == "stopped by SIGTERM during cell 2"
    statuses = [event["status"] for event in job.events("cell_finished")]
    assert statuses == ["ok", "stopped"]
    assert [event["name"] for event in job.events("signal")] == ["SIGTERM"]


def test_a_signal_in_the_event_loops_own_code_does_not_lose_the_cells_next_step(
    tmp_path: Path,
) -> None:
    job = Job(
        tmp_path,
        """
        import asyncio, os, signal
        loop = asyncio.get_running_loop()
        def call_soon(*arguments, **options):
            del loop.call_soon
            os.kill(os.getpid(), signal.SIGTERM)
            return loop.call_soon(*arguments, **options)
        loop.call_soon = call_soon
        while True:
            await asyncio.sleep(0)
        """,
    )
    assert job.run() == 75
    assert finished(job)["reason"] == "stopped by SIGTERM during cell 1"


@pytest.mark.parametrize("code", ["sys.exit(0)", "sys.exit(1)", "sys.exit(3)", "os._exit(0)"])
def test_a_handler_of_the_notebook_runs_and_the_exit_code_is_75(tmp_path: Path, code: str) -> None:
    job = Job(
        tmp_path,
        HANDLER + "def save(number, frame):\n"
        f"    print('saving', number, flush=True)\n    {code}\n"
        "signal.signal(signal.SIGTERM, save)",
        "print('ready', flush=True)\nwhile True: time.sleep(0.01)",
    )
    assert stop_when_logged(job, "ready") == 75
    assert "saving 15" in job.log()
    assert job.record()["exit_code"] == 75


def test_the_sample_of_the_run_ai_documentation(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        "import signal, sys, time\n"
        "def graceful_shutdown(signum, frame):\n"
        "    with open('checkpoint.txt', 'w') as f: f.write(str(step))\n"
        "    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, graceful_shutdown)",
        "for step in range(10**9):\n    time.sleep(0.01)\n    if step == 20: print('ready')",
    )
    assert stop_when_logged(job, "ready") == 75
    assert int((tmp_path / "checkpoint.txt").read_text()) >= 20


def test_a_handler_that_sets_a_flag_lets_the_cell_end(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        HANDLER + "stop = False\n"
        "def ask(*_):\n    global stop\n    stop = True\n"
        "signal.signal(signal.SIGTERM, ask)\nassert signal.getsignal(signal.SIGTERM) is ask",
        "print('ready')\nwhile not stop: time.sleep(0.01)\nprint('saved')",
        "print('next')",
    )
    assert stop_when_logged(job, "ready") == 75
    assert job.text(1) == "ready\nsaved\n"
    assert job.outputs(2) == []
    assert job.events("cell_finished")[-1]["status"] == "stopped"


def test_a_handler_of_sigint_is_called_once_and_sigterm_is_left_alone(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        HANDLER + "def save(*_):\n    print('interrupted by hand')\n    raise SystemExit(0)\n"
        "signal.signal(signal.SIGINT, save)",
        "print('ready')\ntime.sleep(1000)",
    )
    assert stop_when_logged(job, "ready", signal.SIGINT) == 75
    assert job.log().count("interrupted by hand") == 1
    assert job.record()["signal"] == "SIGINT"


def test_ctrl_c_without_a_handler(tmp_path: Path) -> None:
    job = Job(tmp_path, "print('ready')\nimport time; time.sleep(1000)")
    assert stop_when_logged(job, "ready", signal.SIGINT) == 75
    assert job.outputs(0)[-1]["ename"] == "KeyboardInterrupt"
    assert "stopping.py" not in job.log()


def test_a_notebook_that_ignores_sigterm_reaches_its_end(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        HANDLER + "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "print('ready')\ntime.sleep(1.5)",
        "print('end')",
    )
    assert stop_when_logged(job, "ready") == 0
    assert job.text(2) == "end\n"
    assert finished(job)["outcome"] == "done"


def test_a_second_sigterm_does_no_harm(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        HANDLER + "print('ready')\n"
        "try:\n    time.sleep(1000)\n"
        "finally:\n    time.sleep(1)\n    print('saved')",
    )
    assert stop_when_logged(job, "ready", *[signal.SIGTERM] * 4) == 75
    assert "saved" in job.text(0)


def test_a_second_sigterm_does_not_disturb_the_notebook_s_handler(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        HANDLER + "def save(*_):\n    time.sleep(1)\n    print('saved')\n    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, save)",
        "print('ready')\nwhile True: pass",
    )
    assert stop_when_logged(job, "ready", *[signal.SIGTERM] * 3) == 75
    assert job.log().count("saved") == 1


def test_on_stop_is_called_and_then_the_cell_is_interrupted(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        "import time\nfrom jupyter_unattended import on_stop\n"
        "@on_stop\ndef save(): print('callback')",
        "print('ready')\ntry:\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    print('after')",
    )
    assert stop_when_logged(job, "ready") == 75
    assert job.text(1) == "ready\ncallback\nafter\n"


def test_who_asks_stop_requested_is_not_interrupted(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        "import time\nfrom jupyter_unattended import stop_requested",
        "print('ready')\nwhile not stop_requested(): time.sleep(0.01)\nprint('saved')",
        "print('next')",
    )
    assert stop_when_logged(job, "ready") == 75
    assert job.text(1) == "ready\nsaved\n"
    assert job.outputs(2) == []


def test_who_asked_but_does_not_end_is_interrupted_in_time(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        "import time\nfrom jupyter_unattended import stop_requested\nstop_requested()",
        "print('ready')\ntry:\n    time.sleep(1000)\nfinally: print('interrupted')",
        grace_period=8,
    )
    began = time.monotonic()
    assert stop_when_logged(job, "ready") == 75
    assert time.monotonic() - began < 8
    assert "interrupted" in job.text(1)


@pytest.mark.parametrize(
    "deaf",
    [
        # A call into C that comes back to Python for no signal.
        "hashlib.pbkdf2_hmac('sha256', b'', b'', 2 * 10**9)",
        "import time\nwhile True:\n    try: time.sleep(1000)\n    except KeyboardInterrupt: pass",
    ],
)
def test_what_lets_no_signal_through_is_saved_and_ended_in_the_grace_period(
    tmp_path: Path, deaf: str
) -> None:
    job = Job(tmp_path, "import hashlib", f"print('ready')\n{deaf}", grace_period=4)
    process = job.start()
    wait_for(lambda: (job.attempt() / "log.txt").exists() and "ready" in job.log())
    time.sleep(0.5)  # now it is in the call
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    assert time.monotonic() - began < 5
    assert job.text(1).startswith("ready\n")
    assert "within the grace period" in finished(job)["reason"]


def test_a_signal_between_start_and_first_cell(tmp_path: Path) -> None:
    for delay in (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25):
        job = Job(tmp_path, "import time; time.sleep(1000)", name=f"job-{delay}")
        process = job.start()
        # From the moment on when bash has its traps, nothing is lost.
        wait_for(lambda job=job: (job.attempt() / "attempt.json").exists())
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75
        assert job.exit_file()[0] == "75"


def test_forked_children_have_ordinary_handlers(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        HANDLER + "child = os.fork()\nif child == 0:\n    time.sleep(1000)\n"
        "time.sleep(0.2)\nos.kill(child, signal.SIGTERM)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
        "import multiprocessing as mp\n"
        "with mp.get_context('fork').Pool(2) as pool: print(sorted(pool.map(abs, [-1, -2])))",
    )
    assert job.run() == 0
    # Newer Pythons warn on stderr: whether run as a job or in a kernel, a notebook has threads.
    assert job.text(0, "stdout") == "-15\n"
    assert job.text(1, "stdout") == "[1, 2]\n"


def test_the_runtime_stops_and_saves_when_start_sh_is_killed(tmp_path: Path) -> None:
    job = Job(tmp_path, "print('ready')\nimport time; time.sleep(1000)")
    process = job.start()
    wait_for(lambda: (job.attempt() / "log.txt").exists() and "ready" in job.log())
    process.kill()
    process.wait()
    wait_for(lambda: job.exit_file())
    assert job.exit_file()[0] == "75"
    assert job.text(0) == "ready\n"
    assert finished(job)["outcome"] == "stopped"
    assert (job.root / "output.ipynb").exists()
