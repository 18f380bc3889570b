"""Keras (3, with JAX): jobs that are killed end with the same numbers as one that is not."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from .jobdir import Job
from .kills import attempt, kill_after_lines, run_killed

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


def test_fit_in_a_loop(tmp_path: Path) -> None:
    job = run_killed(tmp_path, [START, MODELS, FIT, END], "epoch ")
    assert [line["steps"] for line in job.events("resumed")]
    # Between cells Keras's own way of being pickled would part the models from their optimisers.
    refused = [line["refused"] for line in job.events("checkpoint") if "refused" in line]
    assert "cell 2 holds a Keras object in `models`" in [one["why"] for one in refused]


CALLBACK = (
    "from jupyter_unattended import keras_callback\n"
    f"model = keras.Sequential({LAYERS})\nmodel.compile('adam', 'mse')\n"
    "stopping = keras.callbacks.EarlyStopping(monitor='loss', patience=2, min_delta=0.8,\n"
    "    restore_best_weights=True, verbose=1)\n"
    "class Say(keras.callbacks.Callback):\n"
    "    def on_epoch_end(self, epoch, logs=None):\n"
    "        print('epoch', epoch, logs['loss'], float(self.model.optimizer.learning_rate))\n"
    "rate = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (1 + epoch))"
)
FIT_ONCE = (
    "found = model.fit(x, y, epochs=40, batch_size=16, verbose=0, validation_split=0.2,\n"
    "    callbacks=[rate, Say(), keras_callback(every=1, state=[stopping]), stopping])\n"
    "more = model.fit(x, y, epochs=2, verbose=0)"
)
SHOW = (
    "print(found.epoch, found.history, more.epoch, more.history)\n"
    "print(float(np.abs(model.predict(x, verbose=0)).sum()), np.random.rand())"
)


def test_callback(tmp_path: Path) -> None:
    """With early stopping that remembers the best weights, and another fit after it."""
    cells = [START, CALLBACK, FIT_ONCE, SHOW]
    # Once, because what is wrong after one time may be right again after two.
    job = run_killed(tmp_path, cells, "epoch ", ways=(signal.SIGTERM,))
    assert [line["steps"] for line in job.events("resumed") if "loop" in line]
    assert "early stopping" in job.log(2)


#: As guides of schedulers have it: the best weights are kept in a file, and found again.
MODEL_CHECKPOINT = (
    "import signal, sys\n"
    f"model = keras.Sequential([keras.Input((8,)), *{LAYERS}])\nmodel.compile('adam', 'mse')\n"
    "if os.path.isfile('best.weights.h5'):\n"
    "    model.load_weights('best.weights.h5')\n"
    "    print('goes on from', round(float(model.evaluate(x, y, verbose=0)), 3))\n"
    "def stop(number, frame):\n    sys.exit(1)\n"
    "signal.signal(signal.SIGTERM, stop)"
)
FIT_WITH_CHECKPOINT = (
    "best = keras.callbacks.ModelCheckpoint('best.weights.h5', monitor='loss',\n"
    "    save_best_only=True, save_weights_only=True, verbose=1)\n"
    "def rest(epoch, logs):\n    print('begins', epoch)\n    time.sleep(0.5)\n"
    "slow = keras.callbacks.LambdaCallback(on_epoch_begin=rest)\n"
    "first = not os.path.isfile('best.weights.h5')\n"
    "model.fit(x, y, epochs=400 if first else 2, verbose=2, callbacks=[best, slow])\n"
    "print('done')"
)


def test_model_checkpoint_and_load_weights_work_unchanged(tmp_path: Path) -> None:
    job = Job(tmp_path, START, MODEL_CHECKPOINT, FIT_WITH_CHECKPOINT)
    kill = kill_after_lines(job, 1, "begins", 3, signal.SIGTERM, timeout=200)
    code, sent = attempt(job, kill, timeout=200)
    assert sent is not None
    assert code == 75, job.log(1)
    assert attempt(job, lambda _process: None, timeout=200)[0] == 0, job.log(2)
    assert "goes on from" in job.text(1)
    assert job.text(2).endswith("done\n")
