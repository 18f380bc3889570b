from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from jupyter_unattended.backends.batch.commands import Commands, first_line


def test_what_a_surrounding_job_left_does_not_reach_the_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_JOB_ID", "SBATCH_PARTITION", "SLURM_CONF", "OTHER"):
        monkeypatch.setenv(name, "set")
    commands = Commands(
        "Slurm", tmp_path, unset=("SLURM_*", "SBATCH_*"), keep=("SLURM_CONF",), env={"A": "1"}
    )
    environment = commands._environment()
    assert "SLURM_JOB_ID" not in environment
    assert "SBATCH_PARTITION" not in environment
    assert (environment["SLURM_CONF"], environment["OTHER"]) == ("set", "set")
    assert (environment["A"], environment["LC_ALL"]) == ("1", "C")


def test_on_a_submit_host_a_command_keeps_its_words(tmp_path: Path) -> None:
    commands = Commands("Slurm", tmp_path, "login1", env={"F": "%s"})
    words = commands._command(["sbatch", "/work/it's $here/job.sh"])
    assert words[0] == "ssh"
    assert words[-2] == "login1"
    assert "BatchMode=yes" in words
    assert shlex.split(words[-1]) == [
        "env", "LC_ALL=C", "F=%s", "sbatch", "/work/it's $here/job.sh",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("", ""),
        ("\n\nsbatch: error: submission failed: no\nmore\n", "submission failed: no"),
        ("error: denied", "denied"),
    ],
)  # fmt: skip
def test_the_first_line_that_says_something(said: str, line: str) -> None:
    assert first_line(said) == line
