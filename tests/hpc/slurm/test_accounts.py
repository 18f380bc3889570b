"""A cluster with accounts and limits, which are in slurmdbd's database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..daemons import wait_for
from ..pages import write_notebook
from ..shell import Shell
from .cluster import SlurmCluster


@pytest.fixture(scope="module")
def accounts() -> Iterator[SlurmCluster]:
    """Start a Slurm in which the ordinary user has an account that may have one GPU."""
    started = SlurmCluster(keeps="database")
    try:
        for words in (
            "add account research",
            f"add user {started.user} account=research",
            "modify account research set GrpTRES=gres/gpu=1",
        ):
            done = started.client("sacctmgr", "-i", *words.split())
            assert done.returncode == 0, done.stderr
        yield started
    finally:
        started.stop()


@pytest.fixture
def shell(accounts: SlurmCluster, workspace: Path) -> Iterator[Shell]:
    """Return that user's command line, with a notebook in the workspace."""
    write_notebook(workspace)
    yield Shell(accounts, workspace)
    accounts.clear()


@pytest.mark.parametrize(("option", "words"), [("project", "account"), ("qos", "qos")])
def test_what_the_database_does_not_know_is_refused(
    shell: Shell, workspace: Path, option: str, words: str
) -> None:
    done = shell("submit", "train.ipynb", "--backend", "slurm", f"--{option}", "nosuch")
    assert done.returncode != 0
    assert f"Invalid {words}" in done.stderr
    assert f"[{option}]" in done.stderr
    assert not list(workspace.glob(".unattended/train*"))


def test_over_the_accounts_limit_it_waits_and_says_so(shell: Shell) -> None:
    asked = ("train.ipynb", "--backend", "slurm", "--project", "research", "--gpus", "1")
    first, second = shell.submit(*asked), shell.submit(*asked)
    wait_for(lambda: shell.show(first)["state"] == "running", 60, "the first runs", 0.5)
    wait_for(lambda: "limit" in shell.show(second)["reason"], 60, "the second waits", 0.5)
    shown = shell.show(second)
    assert shown["state"] == "queued"
    assert "over the account's limit on GPUs (AssocGrpGRES)" in shown["reason"]
    assert shell("cancel", first, second).returncode == 0


def test_out_of_memory_is_said_with_the_limit(shell: Shell, workspace: Path) -> None:
    notebook = workspace / "train.ipynb"
    text = notebook.read_text().replace("import time", "import time; kept = bytearray(900 * 2**20)")
    notebook.write_text(text)
    job = shell.submit("train.ipynb", "--backend", "slurm", "--memory", "400M", "--epochs=60")
    wait_for(lambda: shell.show(job)["state"] == "failed", 90, "it was killed", 0.5)
    assert "out of memory with a limit of" in shell.show(job)["reason"]
