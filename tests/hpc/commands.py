"""What a person types before anything is submitted; run on every batch scheduler."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .daemons import wait_for
from .pages import write_notebook
from .shell import Shell

Cluster = Any


def two_that_wait(shell: Shell, cluster: Cluster, workspace: Path) -> tuple[str, str, str]:
    """Submit a job that takes the whole cluster, and two of which only one can run after it."""
    write_notebook(workspace)
    all_of_it = ("--backend", cluster.name, "--cpus", str(cluster.slots))
    busy = shell.submit("train.ipynb", *all_of_it, "--epochs=600")
    wait_for(lambda: shell.show(busy)["state"] == "running", 60, "it runs", 0.5)
    first, second = (shell.submit("train.ipynb", *all_of_it, "--epochs=1") for _ in range(2))
    return busy, first, second


def runs_before(shell: Shell, sooner: str, later: str) -> bool:
    """Wait until both have ended and tell which began first."""
    for job in (sooner, later):
        wait_for(lambda job=job: shell.show(job)["state"] == "succeeded", 120, job, 0.5)
    return float(shell.show(sooner)["started"]) < float(shell.show(later)["started"])


@pytest.mark.timeout(400)
def test_an_ordinary_user_puts_one_of_his_jobs_behind_the_other(
    shell: Shell, cluster: Cluster, workspace: Path
) -> None:
    busy, first, second = two_that_wait(shell, cluster, workspace)
    done = shell("priority", first, "-100")
    assert done.returncode == 0, done.stderr
    assert shell("cancel", busy).returncode == 0
    assert runs_before(shell, second, first)


def test_what_is_rendered_can_be_handed_in_by_hand(
    shell: Shell, cluster: Cluster, workspace: Path
) -> None:
    write_notebook(workspace)
    done = shell(
        "render", "train.ipynb", "--backend", cluster.name, "--write", "--total-time", "1h",
        "--", "--epochs=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = re.search(r"job directory is (\S+);", done.stderr)
    assert found, done.stderr
    script = workspace / "by-hand.sh"
    script.write_text(done.stdout)
    shell.person.run(["chmod", "a+r", str(script)])
    cluster.submit_and_wait(script, shell.person)
    directory = Path(found[1])
    assert (directory / "attempts" / "1" / "log.txt").read_text().startswith("0\n1\n")
    assert (directory / "batch" / "done").read_text().startswith("succeeded 0 ")
    assert (directory / "output.ipynb").owner() == shell.person.name


def test_what_a_total_time_becomes_is_said_before_and_after_the_submit(
    shell: Shell, cluster: Cluster, workspace: Path
) -> None:
    write_notebook(workspace)
    chain = ["train.ipynb", "--backend", cluster.name, "--queue", cluster.main, "--total-time=72h"]
    done = shell("check", *chain)
    assert done.returncode == 0, done.stderr
    said = f"Queue {cluster.main} allows 12 h; 72 h makes a chain of 6 links of 12 h."
    assert said in done.stdout + done.stderr
    held = shell.submit(*chain, "--hold")
    assert shell.show(held)["state"] == "paused"
    assert shell("cancel", held).returncode == 0
