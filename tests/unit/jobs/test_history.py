from __future__ import annotations

from pathlib import Path

from jupyter_unattended.jobs import history
from jupyter_unattended.jobs.states import State


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    history.append(file, history.line(State.QUEUED, by="service", at=1.0))
    history.append(
        file,
        history.line(State.FAILED, "cell 3", by="agent", at=2.0, attempt=1, exit_code=1),
    )
    first, second = history.read(file)
    assert (first.time, first.state, first.by, first.attempt) == (
        1.0,
        State.QUEUED,
        "service",
        None,
    )
    assert (second.reason, second.attempt, second.exit_code) == ("cell 3", 1, 1)


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text('{"t": 1, "state": "queued", "by": "service"}\n{"t": 2, "state": "runn')
    assert [entry.state for entry in history.read(file)] == [State.QUEUED]
    history.append(file, history.line(State.SUCCEEDED, by="agent", at=3.0))
    assert [entry.state for entry in history.read(file)] == [State.QUEUED, State.SUCCEEDED]


def test_a_change_noted_twice_is_one_change(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    for moment in (1.0, 2.0):
        history.append(file, history.line(State.RUNNING, by="agent", at=moment, attempt=1))
    history.append(file, history.line(State.RUNNING, by="agent", at=3.0, attempt=2))
    assert [(entry.time, entry.attempt) for entry in history.read(file)] == [(1.0, 1), (3.0, 2)]


def test_lines_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text('{"t": 1, "state": "hibernating"}\n[]\n7\n{"state": "queued"}\n')
    assert history.read(file) == []


def test_no_history_is_empty(tmp_path: Path) -> None:
    assert history.read(tmp_path / "history.jsonl") == []
