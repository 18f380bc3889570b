"""How much work an attempt lost, also one that left no word about its end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.runtime import lost_work

SAVED = {"event": "checkpoint", "saved": {"snapshot": 1}}
REFUSED = {"event": "checkpoint", "refused": {"why": "a socket"}}


class Attempts:
    """A job directory whose journal has a line every ten seconds, from 1000 on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[str] = []

    def add(self, number: int, *events: dict[str, Any], exit_file: str = "") -> None:
        directory = self.root / "attempts" / str(number)
        directory.mkdir(parents=True)
        for event in ({"event": "started"}, *events):
            time = 1000 + 10 * len(self.lines)
            self.lines.append(json.dumps({"t": time, "attempt": number, **event}))
        (self.root / "journal.jsonl").write_text("".join(f"{line}\n" for line in self.lines))
        for name in ("exit", "log.txt"):
            (directory / name).write_text(exit_file)
            os.utime(directory / name, (0, 0))

    def seen(self, number: int, name: str, time: float) -> None:
        os.utime(self.root / "attempts" / str(number) / name, (time, time))


@pytest.fixture
def attempts(tmp_path: Path) -> Attempts:
    return Attempts(tmp_path)


@pytest.mark.parametrize(
    ("events", "lost"),
    [
        ([], 100),
        ([SAVED], 90),
        ([SAVED, {"event": "cell_started"}], 90),
        ([REFUSED], 100),
        ([SAVED, SAVED, REFUSED], 80),
    ],
)
def test_what_came_after_the_last_checkpoint_is_lost(
    attempts: Attempts, events: list[dict[str, Any]], lost: float
) -> None:
    attempts.add(1, *events, exit_file="75 1100.0")
    assert lost_work.of_attempt_before(attempts.root, 2) == (1, lost)


@pytest.mark.parametrize("file", ["exit", "log.txt"])
def test_who_was_killed_gave_signs_of_life(attempts: Attempts, file: str) -> None:
    attempts.add(1, SAVED)
    assert lost_work.of_attempt_before(attempts.root, 2) is None
    attempts.seen(1, file, 1500)
    assert lost_work.of_attempt_before(attempts.root, 2) == (1, 490)


def test_only_the_attempt_before_counts(attempts: Attempts) -> None:
    attempts.add(1, exit_file="75 2000.0")
    attempts.add(2, SAVED, exit_file="75 1030.0")
    attempts.add(3)
    assert lost_work.of_attempt_before(attempts.root, 3) == (2, 10)


def test_who_was_done_lost_nothing(attempts: Attempts) -> None:
    attempts.add(1, {"event": "finished", "outcome": "done"}, exit_file="0 1100.0")
    assert lost_work.of_attempt_before(attempts.root, 2) is None
    assert lost_work.of_attempt_before(attempts.root / "elsewhere", 2) is None


def test_torn_lines_are_skipped(attempts: Attempts) -> None:
    attempts.add(1, SAVED, exit_file="75 1100.0")
    with (attempts.root / "journal.jsonl").open("a") as file:
        file.write('{"t": 1, "atte\n[1]\n{"event": "x"}\n')
    assert lost_work.of_attempt_before(attempts.root, 2) == (1, 90)


def test_signs_are_given_at_intervals(attempts: Attempts) -> None:
    attempts.add(1)
    file = attempts.root / "attempts" / "1" / "exit"
    sign = lost_work.SignOfLife(file.parent)
    sign.give_if_due()
    assert file.stat().st_mtime > 1e9
    os.utime(file, (0, 0))
    sign.give_if_due()
    assert file.stat().st_mtime == 0
    assert file.read_text() == ""
    lost_work.SignOfLife(file.parent / "nowhere").give_if_due()  # a disk that is gone: no matter
