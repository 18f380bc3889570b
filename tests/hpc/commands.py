"""What a person types before anything is submitted; run on every batch scheduler."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .pages import write_notebook
from .shell import Shell

Cluster = Any


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
