"""When variables are saved: how often, and what share of the run that takes."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_unattended.runtime import checkpoint_hooks
from jupyter_unattended.runtime.checkpoint_manifest import Manifest
from jupyter_unattended.runtime.hooks import Run


class Saver:
    """Saves nothing, which takes `cost` seconds of the test's own clock."""

    written_bytes = 0

    def __init__(self, cost: float) -> None:
        self.cost = cost
        self.clock = 0.0
        self.saves: list[float] = []

    def monotonic(self) -> float:
        return self.clock

    def estimate(self) -> float:
        return 0.0

    def calls_resumable(self, index: int) -> bool:
        return False

    def save(self, covers: int) -> Manifest:
        self.saves.append(self.clock)
        self.clock += self.cost
        meta = {"covers": covers, "first_cell": covers + 1, "left_out": {}}
        return Manifest("snapshot", len(self.saves), 0.0, (), meta)


class Job:
    """The hooks of a job whose cells take as long as the test says."""

    def __init__(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, cost: float, **spec: Any
    ) -> None:
        run = Run(
            shell=None,
            notebook={"cells": [{"cell_type": "code", "source": ""}] * 9},
            job_directory=directory,
            checkpoint_directory=directory / "checkpoints",
            attempt=1,
            arguments=(),
            job={"spec": spec},
            grace_period=30,
            journal=lambda *_event, **_fields: None,
            log=lambda _text: None,
            seconds_left=lambda: float("inf"),
            outputs=lambda _index: [],
        )
        self.saver = Saver(cost)
        monkeypatch.setattr(
            checkpoint_hooks, "time", SimpleNamespace(monotonic=self.saver.monotonic)
        )
        self.hooks = checkpoint_hooks.CheckpointHooks(run)
        self.hooks._made_saver = self.saver  # type: ignore[assignment]
        self.hooks._proved = True

    def cells(self, *seconds: float) -> list[bool]:
        """Run cells; return after which of them was saved."""
        saved = []
        for one in seconds:
            before = len(self.saver.saves)
            self.saver.clock += one
            self.hooks.after_cell(None, 0, one)
            saved.append(len(self.saver.saves) > before)
        return saved


@pytest.mark.parametrize("cost", [0.001, 0.5, 3, 40])
@pytest.mark.parametrize("longest", [1, 20, 600])
def test_saving_takes_a_fiftieth_of_the_run_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float, longest: float
) -> None:
    job = Job(tmp_path, monkeypatch, cost)
    chance = random.Random(cost + longest)
    cells = [chance.uniform(0, longest) for _ in range(5000)]
    job.cells(*cells)
    saves = job.saver.saves
    # What the first one takes can only be guessed; from then on it is known.
    assert len(saves[1:]) * cost <= 0.02 * job.saver.clock
    worth = max(30.0, 50 * cost)
    assert len(saves) > 1 or worth > sum(cells)
    # And no more is at stake than that is worth, and the cell that runs.
    between = itertools.pairwise([*saves, job.saver.clock])
    assert all(later - one <= worth + longest + cost for one, later in between)


def test_half_a_minute_is_the_least_that_is_worth_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, monkeypatch, cost=0.01)
    assert job.cells(29.9, 0.2, 29.9, 0.2) == [False, True, False, True]


@pytest.mark.parametrize(
    ("spec", "saved"),
    [
        ({"checkpoint_interval": 0}, [True, True, True, True]),
        ({"checkpoint_interval": 600}, [False, True, False, True]),
        ({"checkpoints": False}, [False, False, False, False]),
    ],
)
def test_the_interval_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], saved: list[bool]
) -> None:
    assert Job(tmp_path, monkeypatch, cost=60, **spec).cells(599, 1, 599, 1) == saved
