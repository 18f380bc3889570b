"""The runtime without a job directory, and with another language's kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .jobdir import Job, clean_environment, notebook
from .test_runtime_signals import finished, stop_when_logged


def run_alone(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter_unattended.runtime", *arguments],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_a_job_directory(tmp_path: Path) -> None:
    file = tmp_path / "my notebook.ipynb"
    cells = "import os, sys; print(sys.argv[1:], os.getcwd())", "os.system('echo child')", "1/0"
    file.write_text(json.dumps(notebook(*cells)))
    done = run_alone("my notebook.ipynb", "--x=1", cwd=tmp_path)
    assert done.returncode == 1
    assert f"['--x=1'] {tmp_path}\nchild\n0\n" in done.stdout
    assert "ZeroDivisionError" in done.stdout
    executed = json.loads((tmp_path / "my notebook.output.ipynb").read_text())
    shown = [output.get("text") for output in executed["cells"][1]["outputs"]]
    assert shown == [["child\n"], None]
    assert not (tmp_path / ".unattended").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "usage: "), (["no.ipynb"], "there is no notebook"), (["bad.ipynb"], "is not a notebook")],
)
def test_what_cannot_be_run_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "bad.ipynb").write_text("{")
    done = run_alone(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_parameters_and_a_bad_argument(tmp_path: Path) -> None:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {"tags": ["parameters"]},
        "source": "epochs = 1\nname = 'x'",
        "outputs": [],
        "execution_count": None,
    }
    job = Job(tmp_path, cell, "print(epochs, name)", arguments=["--epochs", "3", "--name=it's"])
    assert job.run() == 0
    assert job.text(2) == "3 it's\n"
    assert job.output["cells"][1]["metadata"]["tags"] == ["injected-parameters"]
    job.arguments = ["--epoch=3"]
    assert job.run() == 2
    assert "epochs" in finished(job)["reason"]
    assert job.exit_file(2)[0] == "2"


def test_a_kernel_through_nbclient(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        "print('hello'); 1 + 1",
        "from IPython.display import display\nh = display('a', display_id=True)",
        "h.update('b')",
        "1/0",
        runner="nbclient",
    )
    assert job.run() == 1
    assert job.text(0) == "hello\n"
    assert job.outputs(0)[1]["execution_count"] == 1
    assert job.outputs(1)[0]["data"]["text/plain"] == ["'b'"]
    assert job.outputs(3)[0]["ename"] == "ZeroDivisionError"
    assert finished(job)["reason"] == "cell 4 failed: ZeroDivisionError: division by zero"
    assert [event["status"] for event in job.events("cell_finished")] == ["ok"] * 3 + ["error"]


def test_a_kernel_is_interrupted_and_leaves_no_process(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        "import os; print(os.getpid())",
        "print('ready')\nimport time; time.sleep(1000)",
        runner="nbclient",
    )
    assert stop_when_logged(job, "ready", signal.SIGTERM) == 75
    assert job.text(1).startswith("ready\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(job.text(0)), 0)


def test_an_unknown_kernel_is_said(tmp_path: Path) -> None:
    content = notebook("1", kernelspec={"name": "nope", "language": "nope", "display_name": "N"})
    (tmp_path / "x.ipynb").write_text(json.dumps(content))
    done = run_alone("x.ipynb", cwd=tmp_path)
    assert done.returncode == 2
    assert "the kernel nope cannot be started" in done.stdout
