from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.jobs import journal
from jupyter_unattended.jobs.view import Progress


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def write(file: Path, *events: dict[str, Any], torn: str = "") -> None:
    text = "".join(json.dumps({"t": number, **e}) + "\n" for number, e in enumerate(events))
    file.write_text(text + torn)


def test_nothing_is_known_before_the_run(file: Path) -> None:
    assert journal.progress(file) == Progress()
    write(file, {"attempt": 1, "event": "requirements", "seconds": 1})
    assert journal.progress(file).fraction is None


def test_cells_are_counted_by_the_last_one(file: Path) -> None:
    write(
        file,
        {"attempt": 1, "event": "started", "cells": 4},
        {"attempt": 1, "event": "cell_started", "ordinal": 1},
        {"attempt": 1, "event": "cell_finished", "ordinal": 1},
        {"attempt": 1, "event": "cell_started", "ordinal": 2},
        torn='{"attempt": 1, "event": "cell_fin',
    )
    progress = journal.progress(file)
    assert (progress.cells_done, progress.cells_total, progress.fraction) == (1, 4, 0.25)


def test_a_new_attempt_begins_anew(file: Path) -> None:
    write(
        file,
        {"attempt": 1, "event": "started", "cells": 4},
        {"attempt": 1, "event": "cell_finished", "ordinal": 4},
        {"attempt": 2, "event": "started", "cells": 4},
    )
    assert journal.progress(file).cells_done == 0


def test_an_attempt_that_resumes_starts_where_it_resumed(file: Path) -> None:
    write(
        file,
        {"attempt": 2, "event": "started", "cells": 9},
        {"attempt": 2, "event": "cell_started", "ordinal": 6},
    )
    assert journal.progress(file).cells_done == 5


def test_what_the_notebook_says_comes_with_a_time_left(file: Path) -> None:
    said = [{"attempt": 1, "event": "progress", "done": done, "total": 10} for done in range(5)]
    write(file, {"attempt": 1, "event": "started", "cells": 1}, *said)
    progress = journal.progress(file)
    assert (progress.done, progress.total, progress.fraction) == (4, 10, 0.4)
    assert progress.eta == pytest.approx(6.0)


def test_a_long_journal_is_read_at_its_ends(file: Path) -> None:
    cells = [{"attempt": 1, "event": "cell_finished", "ordinal": n} for n in range(1, 20_001)]
    write(file, {"attempt": 1, "event": "started", "cells": 30_000}, *cells)
    progress = journal.progress(file)
    assert (progress.cells_done, progress.cells_total) == (20_000, 30_000)


def test_the_tail_has_whole_lines_only(file: Path) -> None:
    write(file, *({"attempt": 1, "event": "e", "n": n} for n in range(100)))
    line = len(json.dumps({"t": 99, "attempt": 1, "event": "e", "n": 99})) + 1
    assert [event["n"] for event in journal.tail(file, 2 * line)] == [98, 99]
    assert [event["n"] for event in journal.tail(file, 2 * line + 1)] == [98, 99]
    assert [event["n"] for event in journal.tail(file, 2 * line - 1)] == [99]


def test_the_last_event_of_an_attempt(file: Path) -> None:
    write(
        file,
        {"attempt": 1, "event": "finished", "exit_code": 75},
        {"attempt": 2, "event": "started"},
    )
    found = journal.last_event(file, "finished", 1)
    assert found is not None
    assert found["exit_code"] == 75
    assert journal.last_event(file, "finished", 2) is None


def test_requirements_are_not_yet_a_start(file: Path) -> None:
    write(file, {"attempt": 1, "event": "requirements"})
    assert not journal.has_started(file, 1)
    write(file, {"attempt": 1, "event": "started"})
    assert journal.has_started(file, 1)
    assert not journal.has_started(file, 2)


@pytest.mark.parametrize(
    ("status", "done"), [("ok", 2), ("skipped", 2), ("error", 1), ("stopped", 1)]
)
def test_a_cell_that_failed_or_was_stopped_is_not_done(file: Path, status: str, done: int) -> None:
    write(
        file,
        {"attempt": 1, "event": "started", "cells": 3},
        {"attempt": 1, "event": "cell_finished", "ordinal": 1, "status": "ok"},
        {"attempt": 1, "event": "cell_started", "ordinal": 2},
        {"attempt": 1, "event": "cell_finished", "ordinal": 2, "status": status},
    )
    assert journal.progress(file).cells_done == done
