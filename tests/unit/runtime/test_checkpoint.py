"""`Checkpoint`: save, latest, best, load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_unattended.runtime import checkpoint_link
from jupyter_unattended.runtime.checkpoint import Checkpoint


@pytest.fixture(autouse=True)
def _no_job() -> Iterator[None]:
    checkpoint_link.bind(None)
    yield
    checkpoint_link.bind(None)


def test_does_nothing_outside_a_job() -> None:
    checkpoint = Checkpoint()
    assert checkpoint.save({"a": [1]}) is None
    assert checkpoint.latest() is None
    assert checkpoint.load({"a": [1]}) is None
    assert checkpoint.values() is None


def test_finds_what_an_earlier_attempt_saved(tmp_path: Path) -> None:
    weights = np.arange(3.0)
    Checkpoint("run", directory=tmp_path).save({"w": weights, "best": 0.5}, step=7)
    again = Checkpoint("run", directory=tmp_path)
    latest = again.latest()
    assert latest is not None
    assert latest.step == 7
    target = np.zeros(3)
    assert again.load({"w": target}) == latest
    assert target.tolist() == [0, 1, 2]
    values = again.values()
    assert values is not None
    assert values["best"] == 0.5
    assert Checkpoint("other", directory=tmp_path).latest() is None


@pytest.mark.parametrize(("mode", "expected"), [("min", 1), ("max", 3)])
def test_keeps_the_last_and_the_best(tmp_path: Path, mode: Any, expected: int) -> None:
    checkpoint = Checkpoint(directory=tmp_path, best="loss", mode=mode)
    for step, loss in enumerate([5, 1, 4, 9, 3, 2, 2]):
        checkpoint.save([step], step=step, metrics={"loss": loss})
    best, latest = checkpoint.best(), checkpoint.latest()
    assert best is not None
    assert latest is not None
    assert (best.step, latest.step) == (expected, 6)
    assert len(list(tmp_path.glob("user-checkpoint.*.json"))) == 3
    state = [0]
    checkpoint.load(state, which="best")
    assert state == [expected]


def test_a_damaged_one_is_passed_over(tmp_path: Path, capsys: Any) -> None:
    checkpoint = Checkpoint(directory=tmp_path)
    for step in (1, 2):
        checkpoint.save({"x": [step]}, step=step)
    newest = max(tmp_path.glob("*.json"))
    newest.write_bytes(newest.read_bytes()[:-10])
    state = {"x": [0]}
    loaded = Checkpoint(directory=tmp_path).load(state)
    assert loaded is not None
    assert loaded.step == 1
    assert state == {"x": [1]}
    assert "is passed over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "a/b"}, "is not a name"),
        ({"keep": 0}, "would keep no checkpoint"),
        ({"mode": "best"}, "write 'min' or 'max'"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Checkpoint(**arguments)


def test_the_metric_that_decides_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the best checkpoint is chosen by 'loss'"):
        Checkpoint(directory=tmp_path, best="loss").save([1])
    with pytest.raises(ValueError, match="which metric decides"):
        Checkpoint(directory=tmp_path).best()
