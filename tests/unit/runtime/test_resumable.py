"""`resumable`: what a second attempt does with what the first one saved."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_unattended.runtime import checkpoint_link, resumable
from jupyter_unattended.runtime.checkpoint_link import Link
from jupyter_unattended.runtime.checkpoint_state import load
from jupyter_unattended.runtime.checkpoint_store import CheckpointStore


class Stopped(BaseException):
    """Ends an attempt in these tests."""


class Job:
    """One job with attempts in this process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.attempts = 0
        self.stop = False
        self.left = 30.0
        self.journal: list[dict[str, Any]] = []
        self.log: list[str] = []
        self.outputs: list[str] = []

    def attempt(self, context: str = "cell") -> None:
        self.attempts += 1
        self.stop = False
        checkpoint_link.bind(
            Link(
                store=CheckpointStore(self.directory, self.log.append),
                attempt=self.attempts,
                context=context,
                label="cell 3",
                journal=lambda event, **fields: self.journal.append({"event": event, **fields}),
                log=self.log.append,
                stop_requested=lambda: self.stop,
                seconds_left=lambda: self.left if self.stop else float("inf"),
                outputs=lambda: list(self.outputs),
                set_outputs=lambda outputs: self.outputs.__init__(outputs),  # type: ignore[misc]
                stopped=Stopped,
            )
        )
        resumable._scope.__init__()  # type: ignore[misc]

    def saves(self) -> list[Any]:
        return [line["saved"] for line in self.journal if "saved" in line]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    yield Job(tmp_path / "checkpoints")
    checkpoint_link.bind(None)


class Adam:
    """An optimiser as PyTorch has them: it refers to arrays that belong to the model."""

    def __init__(self, parameters: list[Any]) -> None:
        self.parameters = parameters
        self.moments = [np.zeros_like(parameter) for parameter in parameters]

    def step(self) -> None:
        for parameter, moment in zip(self.parameters, self.moments, strict=True):
            moment += np.random.random(moment.shape)
            parameter -= 0.1 * moment

    def state_dict(self) -> dict[str, Any]:
        return {"moments": self.moments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.moments = state["moments"]


def train(job: Job | None, stop_at: int | None = None, every: Any = 1) -> tuple[Any, ...]:
    np.random.seed(1)
    random.seed(2)
    generator = np.random.default_rng(3)
    weights = [np.ones(3), np.ones((2, 2))]
    optimizer = Adam(weights)
    history: list[float] = []
    state = {"weights": weights, "optimizer": optimizer, "history": history, "rng": generator}
    for step in resumable.resumable(range(10), state=state, every=every):
        optimizer.step()
        history.append(step + random.random() + generator.random())
        if job is not None and step == stop_at:
            job.stop = True
    return [w.tolist() for w in weights], [m.tolist() for m in optimizer.moments], history


def test_outside_a_job_it_is_the_iterable() -> None:
    checkpoint_link.bind(None)
    items = [object(), object()]
    assert list(resumable.resumable(items, state={"a": []})) == items
    assert len(resumable.resumable(items)) == 2


@pytest.mark.parametrize("every", [1, 3, "60s", "0.0001s", timedelta(hours=1)])
def test_a_stopped_loop_goes_on_at_the_next_step(job: Job, every: Any) -> None:
    expected = train(None)
    job.attempt()
    with pytest.raises(Stopped):
        train(job, stop_at=3, every=every)
    job.attempt()
    with pytest.raises(Stopped):
        train(job, stop_at=7, every=every)
    job.attempt()
    assert train(job, every=every) == expected
    assert any("goes on after step 4 of 10, saved by attempt 1" in line for line in job.log)
    assert any("goes on after step 8 of 10, saved by attempt 2" in line for line in job.log)


def test_a_killed_loop_goes_on_at_the_last_interval(job: Job) -> None:
    expected = train(None)
    job.attempt()
    with pytest.raises(ZeroDivisionError):
        steps = resumable.resumable(range(10), state={"x": [0]}, every=4)
        for step in steps:
            1 // (6 - step)
    assert job.saves()[-1]["steps"] == 4
    job.attempt("other")
    assert train(job, every=4) == expected


def test_the_next_steps_run_while_one_is_saved(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.attempt()
    may_write, begin = threading.Event(), CheckpointStore.begin

    def slow_disk(store: CheckpointStore, series: str) -> Any:
        if threading.current_thread() is not threading.main_thread():
            assert may_write.wait(60)
        return begin(store, series)

    monkeypatch.setattr(CheckpointStore, "begin", slow_disk)
    weights = np.zeros(3)
    with pytest.raises(Stopped):
        for step in resumable.resumable(range(100), state={"weights": weights}, every=5):
            weights += 1
            if step == 8:
                assert job.saves() == []  # what step 5 left is still on its way
                may_write.set()
                job.stop = True
    assert [line["steps"] for line in job.saves()] == [5, 9]
    manifests = list(CheckpointStore(job.directory).newest_first("loop-cell-1"))
    saved = [load(CheckpointStore(job.directory), m, m.meta)["objects"] for m in manifests]
    # The copy was made when the step ended, whatever was done to the array meanwhile.
    assert [objects["weights"][1].tolist() for objects in saved] == [[9] * 3, [5] * 3]


def test_a_finished_loop_is_not_run_again(job: Job) -> None:
    job.attempt()
    first = train(job, every="1h")
    job.attempt()
    ran = list(resumable.resumable(range(10), state={"weights": [np.ones(3), np.ones((2, 2))]}))
    assert ran == list(range(10))  # a quick loop is not worth a save at its end …
    job.attempt("again")
    with pytest.raises(Stopped):
        train(job, stop_at=8, every="1h")
    job.attempt("again")
    assert train(job, every="1h") == first
    job.attempt("again")  # … but one that was resumed is saved
    assert train(job, every="1h") == first
    assert "goes on after step 10 of 10" in job.log[-1]


def test_another_context_is_another_loop(job: Job) -> None:
    job.attempt("lr=0.1")
    with pytest.raises(Stopped):
        train(job, stop_at=3)
    job.attempt("lr=0.2")
    assert train(job) == train(None)
    assert not any("goes on" in line for line in job.log)


def test_another_length_is_another_loop(job: Job) -> None:
    job.attempt()
    with pytest.raises(Stopped):
        train(job, stop_at=3)
    job.attempt()
    assert list(resumable.resumable(range(5))) == [0, 1, 2, 3, 4]
    assert any("its loop had 10 steps, this one has 5" in line for line in job.log)


def test_without_time_nothing_is_saved_at_the_stop(job: Job) -> None:
    job.attempt()
    job.left = 0.0
    with pytest.raises(Stopped):
        train(job, stop_at=3, every="1h")
    assert job.saves() == []


def folds(job: Job | None, stop: tuple[int, int] | None = None) -> list[list[int]]:
    """Three calls of one function are three loops."""
    results: list[list[int]] = []

    def fit(fold: int) -> list[int]:
        done: list[int] = []
        for step in resumable.resumable(range(4), state={"done": done}, every=1):
            done.append(fold * 10 + step)
            if job is not None and (fold, step) == stop:
                job.stop = True
        return done

    for fold in range(3):
        results.append(fit(fold))
    return results


def test_calls_of_one_function_are_loops_of_their_own(job: Job) -> None:
    job.attempt()
    with pytest.raises(Stopped):
        folds(job, stop=(1, 2))
    job.attempt()
    assert folds(job) == folds(None)


def nested(job: Job | None, stop: tuple[int, int] | None = None) -> list[Any]:
    log: list[Any] = []
    seen: list[Any] = []
    for outer in resumable.resumable(range(4), state={"log": log}, every=2):
        for inner in resumable.resumable(range(5), state={"log": log}, every=2):
            log.append((outer, inner, random.random()))
            seen.append((outer, inner))
            if job is not None and (outer, inner) == stop:
                job.stop = True
    return log


@pytest.mark.parametrize("stop", [(0, 0), (0, 3), (1, 4), (2, 0), (3, 2), (3, 4)])
def test_a_loop_in_a_loop(job: Job, stop: tuple[int, int]) -> None:
    random.seed(5)
    expected = nested(None)
    job.attempt()
    random.seed(5)
    with pytest.raises(Stopped):
        nested(job, stop)
    job.attempt()
    random.seed(5)
    assert nested(job) == expected


def test_what_inner_loops_saved_goes_with_the_step_around_them(job: Job) -> None:
    job.attempt()
    nested(job)
    left = [path.name for path in job.directory.glob("loop-*.json")]
    assert all(name.count(".") <= 3 or ".2." in name or ".3." in name for name in left), left
    assert not [name for name in left if name.startswith("loop-cell-1.0.")]


def test_an_iterator_is_moved_on_before_random_states_are_restored(job: Job) -> None:
    def draw() -> Iterator[float]:
        for _ in range(6):
            yield random.random()

    def run(stop: int | None) -> list[float]:
        random.seed(1)
        seen: list[float] = []
        for number, item in enumerate(resumable.resumable(draw(), state=seen, every=1)):
            seen.append(item + random.random())
            job.stop = number == stop
        return seen

    job.attempt()
    expected = run(None)
    job.attempt("b")
    with pytest.raises(Stopped):
        run(2)
    job.attempt("b")
    assert run(None)[:3] == expected[:3]


def test_outputs_of_the_cell_come_back(job: Job) -> None:
    def run(stop: int | None) -> None:
        for step in resumable.resumable(range(5), every=2):
            job.outputs.append(f"step {step}")
            job.stop = step == stop

    job.attempt()
    with pytest.raises(Stopped):
        run(2)
    job.outputs.clear()
    job.attempt()
    run(None)
    assert job.outputs == [f"step {step}" for step in range(5)]


@pytest.mark.parametrize("value", [0.5, 3, "text", None, (1, 2), np.float64(1), frozenset(), print])
def test_what_cannot_change_in_place_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"state\['best'\] is .*box"):
        resumable.resumable(range(3), state={"best": value})


@pytest.mark.parametrize("every", ["soon", "60", 0, -1, True, 1.5, "5 parsecs"])
def test_a_bad_interval_is_refused(every: Any) -> None:
    with pytest.raises(ValueError, match="is not an interval"):
        resumable.resumable(range(3), every=every)


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


KINDS: dict[str, Any] = {
    "list": (lambda: [1, [2, 3]], lambda x: x.append(4)),
    "dict": (lambda: {"a": 1}, lambda x: x.update(b=2)),
    "set": (lambda: {1}, lambda x: x.add(2)),
    "bytearray": (lambda: bytearray(b"ab"), lambda x: x.extend(b"c")),
    "deque": (lambda: deque([1, 2], maxlen=3), lambda x: x.append(9)),
    "array": (lambda: np.zeros(3), lambda x: x.__iadd__(1)),
    "frame": (lambda: pd.DataFrame({"a": [1, 2]}), lambda x: x.insert(1, "b", [3, 4])),
    "series": (lambda: pd.Series([1.0, 2.0]), lambda x: x.__setitem__(0, 5.0)),
    "object": (lambda: Plain([1]), lambda x: x.value.append(2)),
    "slots": (lambda: Slotted([1]), lambda x: x.value.append(2)),
    "random": (lambda: random.Random(1), lambda x: x.random()),
    "generator": (lambda: np.random.default_rng(1), lambda x: x.random()),
    "random state": (lambda: np.random.RandomState(1), lambda x: x.rand()),
}


def shown(obj: Any) -> Any:
    if isinstance(obj, (Plain, Slotted)):
        return obj.value
    if isinstance(obj, random.Random):
        return obj.getstate()
    if isinstance(obj, np.random.Generator):
        return obj.bit_generator.state
    if isinstance(obj, np.random.RandomState):
        return str(obj.get_state())
    if isinstance(obj, (pd.DataFrame, pd.Series)):
        return obj.to_dict()
    return list(obj) if not isinstance(obj, dict) else obj


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_object_is_restored_in_place(job: Job, kind: str) -> None:
    make, change = KINDS[kind]
    job.attempt()
    changed = make()
    with pytest.raises(Stopped):
        for _ in resumable.resumable(range(3), state={"it": changed}):
            change(changed)
            job.stop = True
    job.attempt()
    fresh = make()
    holder = [fresh]
    steps = [step for step in resumable.resumable(range(3), state={"it": fresh})]  # noqa: C416
    assert steps == [1, 2]
    assert holder[0] is fresh
    assert shown(fresh) == shown(changed)


def test_an_estimator(job: Job) -> None:
    from sklearn.linear_model import SGDClassifier

    x = np.random.default_rng(0).random((60, 4))
    y = (x[:, 0] > 0.5).astype(int)

    def fit(stop: int | None) -> Any:
        np.random.seed(1)
        model = SGDClassifier()
        for step in resumable.resumable(range(6), state=model, every=2):
            order = np.random.permutation(60)
            model.partial_fit(x[order], y[order], classes=[0, 1])
            job.stop = step == stop
        return model.coef_

    job.attempt()
    expected = fit(None)
    job.attempt("b")
    with pytest.raises(Stopped):
        fit(3)
    job.attempt("b")
    np.testing.assert_array_equal(fit(None), expected)


def test_what_cannot_be_saved_does_not_stop_the_loop(job: Job) -> None:
    job.attempt()
    state = {"it": [open("/dev/null")]}  # noqa: SIM115, PTH123
    try:
        assert list(resumable.resumable(range(6), state=state, every=2)) == list(range(6))
    finally:
        state["it"][0].close()
    refused = [line["refused"] for line in job.journal if "refused" in line]
    assert refused
    assert "cannot pickle" in refused[0]["why"]
    assert refused[0]["consequence"] == "the loop would go on after step 0"
    assert len([line for line in job.log if "could not be saved" in line]) == 1


def test_two_that_were_apart_do_not_meet_in_one(job: Job) -> None:
    job.attempt()
    current, best = np.zeros(2), np.zeros(2)
    with pytest.raises(Stopped):
        for _ in resumable.resumable(range(3), state={"box": {"current": current, "best": best}}):
            current += 1
            job.stop = True
    job.attempt()
    one = np.zeros(2)
    box = {"current": one, "best": one}
    assert list(resumable.resumable(range(3), state={"box": box})) == [1, 2]
    assert box["current"].tolist() == [1, 1]
    assert box["best"].tolist() == [0, 0]
