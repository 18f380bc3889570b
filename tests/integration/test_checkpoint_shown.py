"""``show`` tells, while a job runs, what the next stop would cost, and afterwards what was lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .command_line import CommandLine, write_notebook

#: The second cell waits in the first attempt until somebody removes a file.
WAITS = (
    "import os, pathlib, time\n"
    "pathlib.Path('waits').touch()\n"
    "while os.environ['UNATTENDED_ATTEMPT'] == '1': time.sleep(0.05)\n"
)


def begin(cli: CommandLine, *cells: str, interval: str = "0") -> str:
    """Submit a notebook and wait until its second cell runs."""
    notebook = write_notebook(cli.cwd / "n.ipynb", *cells)
    done = cli("submit", notebook, "--checkpoint-interval", interval, "--force")
    assert done.returncode == 0, done.stderr
    cli.until((cli.cwd / "waits").exists, 60)
    return done.stdout.strip()


def shown(cli: CommandLine, job: str) -> str:
    """What ``show`` prints, on one line."""
    return " ".join(cli("show", job).stdout.split())


@pytest.mark.parametrize(
    ("cells", "interval", "words"),
    [
        (["x = 1", WAITS], "0", "it would start at cell 2;"),
        (["x = 1", WAITS], "off", "it would start from the top;"),
        (["x = 1", WAITS], "10m", "it would start from the top;"),
        (
            ["import socket; conn = socket.socket()", WAITS + "conn.close()"],
            "0",
            "it would start from the top, because cell 1 holds a socket in `conn`;",
        ),
    ],
    ids=["saved", "off", "not yet", "refused"],
)
def test_what_a_stop_would_cost(
    cli: CommandLine, cells: list[str], interval: str, words: str
) -> None:
    job = begin(cli, *cells, interval=interval)
    assert f"If stopped now: {words}" in shown(cli, job)
    assert "of work is not saved" in shown(cli, job)
    told = json.loads(cli("show", "--json", job).stdout)["checkpoints"]
    assert told["next_stop"] + ";" == words
    assert told["unsaved_seconds"] >= 0
    # By the log, too, and before anybody stopped it.
    assert ("because cell 1 holds a socket" in cli("logs", job).stdout) == ("because" in words)
    assert cli("cancel", job).returncode == 0
    assert cli("wait", job).returncode != 0


def test_what_a_stop_has_cost(cli: CommandLine) -> None:
    job = begin(cli, "x = 1", WAITS)
    since = json.loads(cli("show", "--json", job).stdout)["checkpoints"]["unsaved_seconds"]
    cli.until(
        lambda: json.loads(cli("show", "--json", job).stdout)["checkpoints"]["unsaved_seconds"] > 3
    )
    assert cli("pause", job).returncode == 0
    assert cli("resume", job).returncode == 0
    assert cli("wait", job).returncode == 0, cli("logs", job).stdout
    told = json.loads(cli("show", "--json", job).stdout)["checkpoints"]
    first, second = told["attempts"]
    assert first["saves"] == 1
    assert first["size"] > 0
    assert first["lost_seconds"] > max(3, since)
    assert (second["began"], second["lost_seconds"]) == ("went on at cell 2", 0)
    text = shown(cli, job)
    assert "Checkpoints: 2 saved in" in text
    assert "Lost work: " in text
    journal = Path(told_directory(cli, job)) / "journal.jsonl"
    lost = [json.loads(line) for line in journal.read_text().splitlines() if '"lost"' in line]
    assert [(line["of_attempt"], line["seconds"] > 3) for line in lost] == [(1, True)]


def told_directory(cli: CommandLine, job: str) -> str:
    """Return the job directory."""
    return str(json.loads(cli("show", "--json", job).stdout)["directory"])
