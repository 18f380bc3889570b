"""What the journal tells about saved and lost work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.jobs import resume
from jupyter_unattended.paths import JobPaths


class Journal:
    """A job directory with a journal written by hand; one second passes from line to line."""

    def __init__(self, root: Path) -> None:
        self.paths = JobPaths(root)
        self.now = 1000.0

    def attempt(
        self, number: int, *events: dict[str, Any], log: str = "", end: bool = True
    ) -> None:
        attempt = self.paths.attempt(number)
        attempt.root.mkdir(parents=True)
        attempt.log.write_text(log)
        for event in ({"event": "started", "cells": 5, "done": 0}, *events):
            self.now += 1
            with self.paths.journal.open("a") as file:
                file.write(json.dumps({"t": self.now, "attempt": number, **event}) + "\n")
        record = {"attempt": number, "started": 0, "pid": 1}
        if end:
            self.now += 10
            record["ended"] = self.now
        attempt.record.write_text(json.dumps(record))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def done(ordinal: int, status: str = "ok") -> dict[str, Any]:
    return {"event": "cell_finished", "ordinal": ordinal, "cell": ordinal, "status": status}


def started(cell: int) -> dict[str, Any]:
    return {"event": "cell_started", "ordinal": cell + 1, "cell": cell}


def snapshot(cell: int, **more: Any) -> dict[str, Any]:
    saved = {"snapshot": 1, "covers": cell - 1, "first_cell": cell, "seconds": 0.5, "bytes": 99}
    return {"event": "checkpoint", "saved": {**saved, **more}}


def loop(steps: int, place: str = "1", total: int | None = 9) -> dict[str, Any]:
    saved = {"loop": place, "steps": steps, "total": total, "seconds": 2, "blocked": 0.25}
    return {"event": "checkpoint", "saved": {**saved, "bytes": 7}}


def refused(why: str) -> dict[str, Any]:
    return {"event": "checkpoint", "refused": {"cell": 6, "variable": "conn", "why": why}}


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([started(0)], "it would start from the top"),
        ([snapshot(2)], "it would start at cell 3"),
        (
            [refused("cell 7 holds a socket in `conn`")],
            "it would start from the top, because cell 7 holds a socket in `conn`",
        ),
        (
            [snapshot(2), refused("cell 7 holds a socket in `conn`")],
            "it would start at cell 3, because cell 7 holds a socket in `conn`",
        ),
        ([refused("x"), snapshot(2)], "it would start at cell 3"),
        (
            [snapshot(1), started(1), loop(4)],
            "it would start at cell 2, in its loop after step 4 of 9",
        ),
        (
            [started(1), loop(4, total=None)],
            "it would start from the top and go on in the loop of cell 2 after step 4",
        ),
    ],
)
def test_where_the_next_attempt_would_start(
    journal: Journal, events: list[dict[str, Any]], sentence: str
) -> None:
    journal.attempt(1, *events)
    assert resume.of_job(journal.paths, running=False).next_stop == sentence


def test_what_was_saved_and_lost(journal: Journal) -> None:
    journal.attempt(1, started(0), snapshot(1), started(1))  # 1 s in cell 1, and 10 s to the end
    journal.attempt(2, started(1), loop(3), end=False)
    found = resume.of_job(journal.paths, running=True, now=journal.now + 5)
    assert found.saves == 2
    assert found.saving_seconds == 0.75
    assert found.size == 7
    assert found.lost_seconds == 11
    assert found.unsaved_seconds == 5
    first, second = found.attempts
    assert (first.number, first.saves, first.lost_seconds) == (1, 1, 11)
    assert (second.number, second.saves, second.lost_seconds) == (2, 1, None)


def test_where_an_attempt_began(journal: Journal) -> None:
    journal.attempt(1, started(0))
    journal.attempt(
        2,
        {"event": "resumed", "snapshot": 1, "first_cell": 4},
        {"event": "resumed", "loop": "1", "steps": 3, "total": 9},
    )
    journal.attempt(3, {"event": "from_the_top", "why": "nothing was saved"})
    found = resume.of_job(journal.paths, running=False)
    assert [attempt.began for attempt in found.attempts] == [
        "",
        "went on at cell 5; its loop went on after step 3 of 9",
        "started from the top, because nothing was saved",
    ]


def test_nothing_is_lost_of_an_attempt_that_was_done(journal: Journal) -> None:
    journal.attempt(1, done(1), {"event": "finished", "outcome": "done", "exit_code": 0})
    found = resume.of_job(journal.paths, running=False)
    assert found.lost_seconds == 0
    assert found.unsaved_seconds is None


def test_no_journal(tmp_path: Path) -> None:
    found = resume.of_job(JobPaths(tmp_path), running=True)
    assert found.saves == 0
    assert found.next_stop == "it would start from the top"


@pytest.mark.parametrize(
    ("attempts", "fruitless"),
    [
        ([[], []], False),
        ([[], [], []], True),
        ([[done(1)], [done(1)], [done(1)]], True),
        ([[done(1)], [done(1)], [done(2)]], False),
        ([[done(2)], [done(1)], [done(2)]], True),
        ([[], [done(1, "stopped")], [done(1, "error")]], True),
        ([[loop(3)], [loop(3)], [loop(3)]], True),
        ([[loop(3)], [loop(3)], [loop(4)]], False),
        ([[loop(3, "1.2.1")], [loop(1, "1.3.1")], []], False),
        ([[{"event": "progress", "done": n}] for n in (1, 1, 2)], False),
        ([[{"event": "progress", "done": 1}]] * 3, True),
        ([[{"event": "checkpoint", "saved": {"name": "a", "step": n}}] for n in (1, 2, 2)], False),
    ],
)
def test_whether_another_attempt_might_help(
    journal: Journal, attempts: list[list[dict[str, Any]]], fruitless: bool
) -> None:
    for number, events in enumerate(attempts, 1):
        journal.attempt(number, *events, log="step 1\n[unattended] stopped\n")
    said = resume.fruitless(journal.paths)
    assert (said is not None) == fruitless
    if said:
        assert said.startswith("the last 3 attempts came no further than the beginning")


def test_another_last_line_may_be_progress_of_its_own(journal: Journal) -> None:
    for number in (1, 2, 3):
        traceback = "[unattended] received SIGTERM\n----\nKeyboardInterrupt\n"
        journal.attempt(number, log=f"epoch {number}\n{traceback}[unattended] stopped\n")
    assert resume.fruitless(journal.paths) is None
