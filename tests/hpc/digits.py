"""The digits example as a chain, submitted with the command line by an ordinary user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from .daemons import wait_for
from .shell import Shell

Cluster = Any
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "train-digits.ipynb"
LINE = "for epoch in range(1, epochs + 1):\n"
#: The first two attempts of the chain stay in a step until they are told to stop, so that it takes
#: three links on any machine.
CHANGED = (
    "import os, sys, time\n"
    "from jupyter_unattended import resumable, stop_requested\n"
    "attempt, waits = int(os.environ['UNATTENDED_ATTEMPT']), 'chain' in os.environ\n"
    "steps = resumable(range(1, epochs + 1), state={'network': network, 'history': history})\n"
    "for epoch in steps:\n"
    "    while waits and attempt < 3 and epoch >= 20 * attempt and not stop_requested():\n"
    "        time.sleep(0.1)\n"
)


def losses(directory: Path) -> list[float]:
    """Return the loss of each epoch, as reported, the last word on each."""
    by_step = {}
    for line in (directory / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        by_step[entry["step"]] = entry["values"]["loss"]
    return [by_step[step] for step in sorted(by_step)]


@pytest.mark.timeout(420)
def test_the_digits_as_a_chain_have_the_numbers_of_an_uninterrupted_run(
    shell: Shell, cluster: Cluster, workspace: Path
) -> None:
    node = nbformat.read(EXAMPLE, as_version=4)  # type: ignore[no-untyped-call]
    (training,) = (cell for cell in node.cells if LINE in cell.source)
    training.source = training.source.replace(LINE, CHANGED)
    notebook = workspace / "digits.ipynb"
    notebook.write_text(nbformat.writes(node))  # type: ignore[no-untyped-call]
    notebook.chmod(0o644)
    common = ["digits.ipynb", "--backend", cluster.name, "--grace-period", "15s", "--epochs=60"]
    whole = shell.submit(*common, "--name", "whole")
    chain = shell.submit(
        *common, "--name", "chain", "--env", "chain=1", "--link-time", "60s",
        "--warning-time", "20s", "--total-time", "10m",
    )  # fmt: skip

    def ended() -> bool:
        return all(
            shell.show(job)["state"] in ("succeeded", "failed", "cancelled")
            for job in (whole, chain)
        )

    wait_for(ended, 380, "both ended", 2)
    views = {name: shell.show(job) for name, job in (("whole", whole), ("chain", chain))}
    directories = {name: Path(view["directory"]) for name, view in views.items()}
    for name, view in views.items():
        log = (directories[name] / "scheduler.log").read_text()
        assert view["state"] == "succeeded", f"{view} {log}"
    assert views["whole"]["attempt"] == 1
    assert views["chain"]["attempt"] >= 3
    assert all(attempt["exit_code"] == 75 for attempt in views["chain"]["attempts"][:-1])
    assert len(losses(directories["whole"])) == 60
    assert losses(directories["chain"]) == losses(directories["whole"])
    owner = (directories["chain"] / "output.ipynb").owner()
    assert owner == shell.person.name
    wait_for(lambda: not cluster.queue(), 60, "nothing is left")
