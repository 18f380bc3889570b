from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.jobs import aftermath
from jupyter_unattended.jobs.states import State
from jupyter_unattended.paths import JobPaths


def attempt(paths: JobPaths, number: int, **record: Any) -> None:
    paths.attempt(number).root.mkdir(parents=True)
    paths.attempt(number).record.write_text(json.dumps({"attempt": number, **record}))


def finished(paths: JobPaths, number: int, exit_code: int, reason: str) -> None:
    event = {"t": 1, "attempt": number, "event": "finished", "exit_code": exit_code}
    with paths.journal.open("a") as stream:
        stream.write(json.dumps({**event, "reason": reason}) + "\n")


@pytest.fixture
def paths(tmp_path: Path) -> JobPaths:
    return JobPaths(tmp_path)


def test_the_notebooks_word_comes_first(paths: JobPaths) -> None:
    attempt(paths, 1, exit_code=1, reason="start.sh's word")
    finished(paths, 1, 1, "cell 3 failed: ValueError: x")
    assert aftermath.explain(paths, 1, 1) == "cell 3 failed: ValueError: x"
    # But not on what it does not know: it was killed after it had said so.
    assert aftermath.explain(paths, 1, 137) == "start.sh's word"


def test_nothing_left_is_told_as_that(paths: JobPaths) -> None:
    assert aftermath.explain(paths, 1, None) == aftermath.VANISHED
    assert aftermath.explain(paths, 1, 0) == ""


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (3, "exit code 3"),
        (139, "ended by SIGSEGV (exit code 139)"),
        (255, "exit code 255"),
        (128, "exit code 128"),
    ],
)
def test_codes_are_explained(code: int, text: str) -> None:
    assert aftermath.describe_code(code) == text


def test_what_no_scheduler_remembers_is_decided_from_the_directory(paths: JobPaths) -> None:
    state, reason, code, number = aftermath.decide(paths)
    assert (state, code, number) == (State.FAILED, None, 0)
    assert "it never started" in reason
    attempt(paths, 1, exit_code=75)
    state, reason, code, number = aftermath.decide(paths)
    assert (state, code, number) == (State.FAILED, 75, 1)
    assert reason.endswith("its scheduler has no memory of it")
    attempt(paths, 2, exit_code=0)
    assert aftermath.decide(paths) == (State.SUCCEEDED, "", 0, 2)
    attempt(paths, 3)
    assert aftermath.decide(paths)[:3] == (
        State.FAILED,
        f"{aftermath.VANISHED}; its scheduler has no memory of it",
        None,
    )
