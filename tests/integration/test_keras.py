"""Keras (3, with JAX): jobs that are killed end with the same numbers as one that is not."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from .jobdir import Job
from .kills import attempt, kill_after_lines, shown, spec

pytestmark = pytest.mark.timeout(600)

START = (
    "import os\nos.environ['KERAS_BACKEND'] = 'jax'\n"
    "import keras, numpy as np, time\nfrom jupyter_unattended import resumable\n"
    "keras.utils.set_random_seed(3)\n"
    "x = np.random.rand(200, 8).astype('float32'); y = x.sum(axis=1, keepdims=True)"
)
LAYERS = (
    "[keras.layers.Dense(16, activation='relu'), keras.layers.Dropout(0.2), "
    "keras.layers.BatchNormalization(), keras.layers.Dense(1)]"
)
#: One model knows its shapes from the start, the other only when it sees the data.
MODELS = (
    f"models = [keras.Sequential([keras.Input((8,)), *{LAYERS}]), keras.Sequential({LAYERS})]\n"
    "for model in models:\n    model.compile('adam', 'mse', metrics=['mae'])\n"
    "history = []"
)
FIT = (
    "for epoch in resumable(range(6), state={'one': models[0], 'two': models[1], 'h': history}, "
    "every=1):\n"
    "    for model in models:\n"
    "        found = model.fit(x, y, batch_size=16, verbose=0, validation_split=0.2)\n"
    "        history.append(found.history)\n"
    "    print('epoch', epoch, found.history['loss'][0])\n"
)
END = (
    "print([h['val_mae'] for h in history])\n"
    "print(float(np.abs(model.predict(x, verbose=0)).sum()), np.random.rand())"
)


def run_twice_killed(directory: Path, cells: list[str], line: str, **options: Any) -> Job:
    """Kill two attempts after some lines of output, and compare the third's notebook."""
    (directory / "reference").mkdir()
    reference = Job(directory / "reference", *cells)
    assert reference.run(timeout=200) == 0, reference.log()
    job = spec(Job(directory, *cells), **options)
    for number, how in ((1, signal.SIGKILL), (2, signal.SIGTERM)):
        kill = kill_after_lines(job, number, line, 2, how, timeout=200)
        code, sent = attempt(job, kill, timeout=200)
        assert sent == how, job.log(number)
        assert code == (75 if how == signal.SIGTERM else -signal.SIGKILL)
    assert attempt(job, lambda _process: None, timeout=200)[0] == 0, job.log(3)
    assert shown(job) == shown(reference)
    return job


def test_fit_in_a_loop(tmp_path: Path) -> None:
    job = run_twice_killed(tmp_path, [START, MODELS, FIT, END], "epoch ")
    assert [line["steps"] for line in job.events("resumed")]
