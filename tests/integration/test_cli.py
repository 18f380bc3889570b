"""The command line as a person uses it: a process of its own, real jobs."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .command_line import CommandLine, write_notebook


def test_submit_prints_the_id_alone_and_wait_exits_with_the_jobs_code(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "good.ipynb", "print('hello')")
    write_notebook(cli.cwd / "bad.ipynb", "import sys\nsys.exit(7)")
    submitted = cli("submit", "good.ipynb", "--name", "a b")
    assert submitted.returncode == 0
    job = submitted.stdout.strip()
    assert submitted.stdout == f"{job}\n"
    assert "Submitted a b" in submitted.stderr
    assert cli("wait", job).returncode == 0
    assert cli.printed(job) == "hello\n"
    failed = cli("submit", "bad.ipynb", "--wait")
    assert failed.returncode == 7
    assert "failed" in failed.stderr
    assert f"jupyter unattended logs {failed.stdout.strip()}" in failed.stderr
    assert cli("wait", job, failed.stdout.strip()).returncode == 7


def test_parameters_options_and_environment_reach_the_job(cli: CommandLine) -> None:
    write_notebook(
        cli.cwd / "n.ipynb",
        "import os\nprint(epochs, rate, os.environ['LEVEL'], os.environ['A_TOKEN'])",
        parameters="epochs: int = 3\nrate = 0.5",
    )
    done = cli("submit", "n.ipynb", "--epochs", "5", "-e", "LEVEL=high", "-e", "A_TOKEN", "--wait",
               "rate=0.25", env={"A_TOKEN": "hush-hush"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    log = cli.printed(done.stdout.strip())
    assert log == "5 0.25 high hush-hush\n"
    shown = cli("show", "n")
    assert "epochs=5, rate=0.25" in shown.stdout
    assert "A_TOKEN=(secret)" in shown.stdout
    directory = Path(json.loads(cli("show", "n", "--json").stdout)["directory"])
    for path in directory.rglob("*"):
        if path.is_file() and path.name not in ("log.txt", "output.ipynb"):
            assert b"hush-hush" not in path.read_bytes(), path


def test_logs_follow_ends_with_the_job(cli: CommandLine) -> None:
    write_notebook(
        cli.cwd / "n.ipynb",
        "import time\nfor i in range(5):\n    print('line', i)\n    time.sleep(0.2)",
    )
    job = cli("submit", "n.ipynb").stdout.strip()
    followed = cli("logs", "-f", job)
    assert followed.returncode == 0
    assert followed.stdout.startswith("".join(f"line {i}\n" for i in range(5)))
    assert followed.stdout == cli("logs", job).stdout
    last = followed.stdout.splitlines(keepends=True)[-2:]
    assert cli("logs", "--tail", "2", job).stdout == "".join(last)
    assert cli("logs", "-f", "--tail", "1", job).stdout == last[-1]


def test_interrupting_wait_leaves_the_job_alone(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "import time\ntime.sleep(6)\nprint('end')")
    job = cli("submit", "n.ipynb").stdout.strip()
    waiting = cli.start("wait", job)
    assert waiting.stderr is not None
    assert job in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert "The job goes on" in said
    assert "Traceback" not in said
    assert cli("wait", job).returncode == 0
    assert cli.printed(job) == "end\n"


def test_wait_gives_up_after_its_time(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "import time\ntime.sleep(60)")
    job = cli("submit", "n.ipynb").stdout.strip()
    gave_up = cli("wait", "--timeout", "1s", job)
    assert gave_up.returncode == 124
    assert cli("cancel", job).returncode == 0
    assert cli("wait", job).returncode != 0
    assert json.loads(cli("show", "--json", job).stdout)["state"] == "cancelled"


def test_pause_and_resume_make_a_second_attempt(cli: CommandLine) -> None:
    write_notebook(
        cli.cwd / "n.ipynb",
        "import os, time\nprint('attempt', os.environ['UNATTENDED_ATTEMPT'], flush=True)\n"
        "if os.environ['UNATTENDED_ATTEMPT'] == '1':\n    time.sleep(60)",
    )
    job = cli("submit", "n.ipynb").stdout.strip()
    cli.until(lambda: cli.printed(job) == "attempt 1\n")
    assert cli("pause", job).returncode == 0
    cli.until(lambda: json.loads(cli("show", "--json", job).stdout)["state"] == "paused")
    assert cli("resume", job).returncode == 0
    assert cli("wait", job).returncode == 0
    assert cli.printed(job, "--attempt", "2") == "attempt 2\n"
    attempts = json.loads(cli("show", "--json", job).stdout)["attempts"]
    assert [attempt["exit_code"] for attempt in attempts] == [75, 0]


def test_rerun_clone_and_delete(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "print(x, y)", parameters="x = 1\ny = 1")
    first = cli("submit", "n.ipynb", "--x", "2", "--wait").stdout.strip()
    again = cli("rerun", first).stdout.strip()
    assert cli("wait", again).returncode == 0
    assert cli.printed(again) == "2 1\n"
    clone = cli("clone", first, "--y", "3", "--wait")
    assert clone.returncode == 0, clone.stderr
    assert cli.printed(clone.stdout.strip()) == "2 3\n"
    assert cli("delete", "--yes", first, again).returncode == 0
    listed = json.loads(cli("list", "--json").stdout)
    assert [job["id"] for job in listed] == [clone.stdout.strip()]
    assert not (cli.cwd / ".unattended" / first).exists()


def test_check_tells_cell_and_remedy(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "print(undefined_name)")
    checked = cli("check", "n.ipynb")
    assert checked.returncode == 2
    assert re.match(r"error: cell 1, line 1: .*undefined_name", checked.stdout)
    findings = json.loads(cli("check", "--json", "n.ipynb").stdout)["findings"]
    assert [finding["severity"] for finding in findings] == ["error"]
    refused = cli("submit", "n.ipynb")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "undefined_name" in refused.stderr
    assert not (cli.cwd / ".unattended").exists()
    forced = cli("submit", "n.ipynb", "--force", "--wait")
    assert forced.returncode == 1
    assert "NameError" in forced.stderr


def test_convert_writes_files_that_run_and_keeps_ones_own(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "my notebook.ipynb", "print('x is', x)", parameters="x = 1")
    done = cli("convert", "my notebook.ipynb")
    assert done.returncode == 0, done.stderr
    assert f"{cli.cwd}/start.sh" in done.stdout.splitlines()
    ran = subprocess.run(
        ["./start.sh", "--x", "5"], cwd=cli.cwd, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "x is 5" in ran.stdout
    (cli.cwd / "start.sh").write_text("#!/bin/sh\necho mine\n")
    kept = cli("convert", "my notebook.ipynb")
    assert "start.sh was there and is kept" in kept.stderr
    assert (cli.cwd / "start.sh").read_text() == "#!/bin/sh\necho mine\n"


def test_convert_to_a_script_that_needs_nothing_of_ours(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "print('x is', x)", parameters="x: int = 1")
    done = cli("convert", "n.ipynb", "--to", "script", "--x", "2")
    assert done.returncode == 0, done.stderr
    names = [Path(line).name for line in done.stdout.splitlines()]
    assert names == ["n.py", "requirements.txt", "start.sh"]
    script = subprocess.run(
        [sys.executable, "-I", "n.py", "--x", "7"],
        cwd=cli.cwd, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert script.stdout == "x is 7\n", script.stderr
    ran = subprocess.run(["./start.sh"], cwd=cli.cwd, capture_output=True, text=True, timeout=60)
    assert ran.stdout == "x is 2\n", ran.stderr


def test_render_and_dry_run_leave_nothing_behind(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "print(1)")
    rendered = cli("render", "n.ipynb")
    assert rendered.returncode == 0, rendered.stderr
    assert "start.sh" in rendered.stdout or rendered.stdout.startswith("#!")
    assert cli("submit", "--dry-run", "n.ipynb").returncode == 0
    assert json.loads(cli("list", "--json").stdout) == []
    assert [path.name for path in cli.cwd.iterdir()] == ["n.ipynb"]


def test_doctor_and_backends(cli: CommandLine) -> None:
    checks = json.loads(cli("doctor", "--json").stdout)
    titles = {check["title"] for check in checks}
    assert {"Python", "Workspace", "State directory", "Backend local"} <= titles
    assert not [check for check in checks if check["status"] == "error"]
    backends = json.loads(cli("backends", "--json").stdout)
    assert "local" in [backend["name"] for backend in backends if backend["usable"]]


def test_a_closed_pipe_is_no_error(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "for i in range(20000):\n    print('line', i)")
    job = cli("submit", "n.ipynb", "--wait").stdout.strip()
    process = cli.start("logs", job)
    assert process.stdout is not None
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=20), said) == (141, "")


@pytest.mark.parametrize("no_color", [False, True])
def test_on_a_terminal_there_is_a_progress_line(cli: CommandLine, no_color: bool) -> None:
    cells = ["import time\ntime.sleep(0.4)\nprint('step')"] * 4
    write_notebook(cli.cwd / "n.ipynb", *cells)
    env = {"TERM": "xterm-256color", "COLUMNS": "120", **({"NO_COLOR": "1"} if no_color else {})}
    shown = _on_terminal(cli, env, "submit", "n.ipynb", "--wait")
    plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", shown)
    assert re.search(r"running +━+", plain)
    assert re.search(r"[1-4]/4 cells", plain)
    assert "succeeded" in plain
    assert ("\x1b[32m" in shown) is not no_color
    followed = _on_terminal(cli, env, "logs", "-f", "n")
    assert followed.count("step") == 4


def _on_terminal(cli: CommandLine, env: dict[str, str], *words: str) -> str:
    """Run the command line with a terminal of its own and return all it wrote there."""
    controller, terminal = pty.openpty()
    process = cli.start(*words, env=env, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    written = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([controller], [], [], 0.5)
        try:
            piece = os.read(controller, 65536) if ready else b""
        except OSError:  # the other end is closed
            break
        written += piece
        if not ready and process.poll() is not None:
            break
    os.close(controller)
    assert process.wait(timeout=10) == 0
    return written.decode(errors="replace")


def test_a_sweep_is_submitted_whole_or_not_at_all(cli: CommandLine) -> None:
    write_notebook(
        cli.cwd / "train.ipynb",
        "import os\nprint(rate, os.environ['MODE'])",
        parameters="rate = 0.1",
    )
    words = ("submit", "train.ipynb", "--sweep-env", "MODE=a,b")
    refused = cli(*words, "--sweep", "rate=0.5,much")
    assert refused.returncode == 2
    assert "rate: 'much' is not a number" in refused.stderr
    assert json.loads(cli("list", "--json").stdout) == []
    done = cli(*words, "--sweep", "rate=0.5,2", "--wait")
    assert done.returncode == 0, done.stderr
    printed = [cli.printed(job) for job in done.stdout.split()]
    assert printed == ["0.5 a\n", "0.5 b\n", "2.0 a\n", "2.0 b\n"]


def test_a_sweep_over_what_argparse_reads(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "plain.ipynb", "import sys\nprint(sys.argv[1:])")
    done = cli("submit", "plain.ipynb", "--sweep", "lr=1,2", "--wait", "--", "data.csv")
    printed = [cli.printed(job) for job in done.stdout.split()]
    assert printed == ["['--lr=1', 'data.csv']\n", "['--lr=2', 'data.csv']\n"]


def test_more_arguments_than_parameters(cli: CommandLine) -> None:
    write_notebook(
        cli.cwd / "n.ipynb", "import sys\nprint(epochs, sys.argv[-2:])", parameters="epochs = 3"
    )
    done = cli("submit", "n.ipynb", "--epochs", "5", "--wait", "--", "--fast", "data.csv")
    assert cli.printed(done.stdout.strip()) == "5 ['--fast', 'data.csv']\n"
    again = cli("clone", done.stdout.strip(), "--epochs", "7", "--wait")
    assert cli.printed(again.stdout.strip()) == "7 ['--fast', 'data.csv']\n"
    assert cli("submit", "n.ipynb", "--epoch", "5").returncode == 2
