"""What tells that the notebook on disk is old."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from jupyter_unattended.kernel.recorder import Recorder


def notebook(path: Path, *cells: tuple[str, str], age: float = 0.0) -> Path:
    content = [{"cell_type": "code", "id": name, "source": source} for name, source in cells]
    path.write_text(json.dumps({"cells": content, "nbformat": 4}))
    os.utime(path, (time.time() - age,) * 2)
    return path


def run(recorder: Recorder, source: str, cell_id: str | None = None) -> None:
    recorder.pre_run_cell(SimpleNamespace(raw_cell=source, cell_id=cell_id, store_history=True))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_a_saved_notebook_is_not_old(tmp_path: Path, recorder: Recorder) -> None:
    path = notebook(tmp_path / "n.ipynb", ("a", "x = 1"), ("b", "%submit"), age=60)
    run(recorder, "x = 1", "a")
    run(recorder, "%submit", "b")
    found = recorder.staleness(path)
    assert found.changed == []
    assert not found.current_is_missing


def test_a_cell_run_in_another_form_after_saving_is_told(
    tmp_path: Path, recorder: Recorder
) -> None:
    path = notebook(tmp_path / "n.ipynb", ("a", "x = 1"), ("b", "%submit"), age=60)
    run(recorder, "x = 2", "a")
    run(recorder, "%submit", "b")
    assert recorder.staleness(path).changed == [1]


def test_a_cell_edited_after_it_was_run_and_then_saved_is_not(
    tmp_path: Path, recorder: Recorder
) -> None:
    run(recorder, "x = 2", "a")
    path = notebook(tmp_path / "n.ipynb", ("a", "x = 3"), ("b", "%submit"), age=-1)
    run(recorder, "%submit", "b")
    assert recorder.staleness(path).changed == []


def test_the_current_cell_missing_from_the_file_is_told(tmp_path: Path, recorder: Recorder) -> None:
    path = notebook(tmp_path / "n.ipynb", ("a", "x = 1"))
    run(recorder, "%submit")
    found = recorder.staleness(path)
    assert found.current_is_missing
    assert found.changed == []


def test_a_file_that_cannot_be_read_is_not_called_old(tmp_path: Path, recorder: Recorder) -> None:
    run(recorder, "%submit")
    (tmp_path / "n.ipynb").write_text("{")
    assert recorder.staleness(tmp_path / "n.ipynb").changed == []
