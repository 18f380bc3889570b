from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.runtime import journal
from jupyter_unattended.runtime.journal import Journal


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_events_carry_time_attempt_and_fields(tmp_path: Path) -> None:
    Journal(tmp_path, 3).event("cell_started", cell=1, id="é")
    [line] = lines(tmp_path / "journal.jsonl")
    assert line.pop("t") > 1e9
    assert line == {"attempt": 3, "event": "cell_started", "cell": 1, "id": "é"}


def test_progress_is_limited_but_the_last_value_is_never_dropped(tmp_path: Path) -> None:
    subject = Journal(tmp_path, 1)
    for done in range(10_000):
        subject.progress(done, None)
    assert len(lines(tmp_path / "journal.jsonl")) < 10
    subject.flush()
    assert lines(tmp_path / "journal.jsonl")[-1]["done"] == 9999
    assert lines(tmp_path / "journal.jsonl")[-1]["total"] is None


def test_progress_comes_before_the_event_that_follows_it(tmp_path: Path) -> None:
    subject = Journal(tmp_path, 1)
    subject.progress(1, 10)
    subject.progress(2, 10)
    subject.event("cell_finished")
    assert [line["event"] for line in lines(tmp_path / "journal.jsonl")] == [
        "progress",
        "progress",
        "cell_finished",
    ]


def test_metrics_are_limited_but_the_last_value_is_never_dropped(tmp_path: Path) -> None:
    subject = Journal(tmp_path, 1)
    for step in range(20_000):
        subject.metrics(step, {"loss": 1 / (step + 1)})
        subject.metrics(step, {"accuracy": step})
    subject.flush()
    found = lines(tmp_path / "metrics.jsonl")
    assert len(found) < journal.METRICS_BURST + 20
    last = {name: line for line in found for name in line["values"]}
    assert last["loss"]["step"] == last["accuracy"]["step"] == 19_999
    assert found[0] == {"t": found[0]["t"], "attempt": 1, "step": 0, "values": {"loss": 1}}


def test_values_are_numbers_that_json_has(tmp_path: Path) -> None:
    import numpy as np

    subject = Journal(tmp_path, 1)
    values = {"a": np.float32(0.5), "b": np.int64(3), "c": float("nan"), "d": True}
    subject.metrics(np.int64(1), values)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(text)["values"] == {"a": 0.5, "b": 3, "c": None, "d": 1}
    with pytest.raises((TypeError, ValueError)):
        subject.metrics(1, {"a": "text"})


def test_a_torn_line_of_an_earlier_writer_is_ended(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'{"t": 1}\n{"t": ')
    Journal(tmp_path, 2).event("started")
    assert (tmp_path / "journal.jsonl").read_bytes().startswith(b'{"t": 1}\n{"t": \n{"t"')


def test_what_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    directory = tmp_path / "missing"
    subject = Journal(directory, 1)
    for number in range(5000):
        subject.event("cell_started", cell=number)
    directory.mkdir()
    subject.event("finished")
    found = lines(directory / "journal.jsonl")
    assert found[0]["cell"] == 0
    assert found[-1]["event"] == "finished"
    assert len(found) <= 1002
