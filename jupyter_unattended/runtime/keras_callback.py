"""A callback for Keras 3: ``model.fit`` goes on with the epoch that had not finished."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any

from . import checkpoint_adapters as adapters
from . import checkpoint_keras
from .checkpoint_training import Training


def keras_callback(
    every: str | int | timedelta = "60s", *, keep: int = 2, state: Any = None
) -> Any:
    """Return a callback with which ``model.fit`` goes on where an earlier attempt was stopped.

    In a job, the model with its optimiser, the history and all random states are saved between two
    epochs: every so often, when the job is stopped, and at the end. The next attempt restores them
    and leaves out the epochs that were done. Elsewhere the callback does nothing.

    Parameters
    ----------
    every
        How often to save: a time such as ``"60s"``, ``"5m"`` or ``"1h"``, or a number of epochs.
    keep
        How many saved states to keep.
    state
        What else the epochs change: other callbacks that remember something, such as
        ``EarlyStopping``, and whatever `resumable` knows.

    Returns
    -------
    keras.callbacks.Callback
        To be the last one in the list of callbacks, for one ``fit`` after the other.

    Examples
    --------
    >>> stopping = keras.callbacks.EarlyStopping(patience=3)
    >>> model.fit(x, y, epochs=100, callbacks=[stopping, keras_callback(state=[stopping])])
    """
    return _make_class()(every, keep, state)


@functools.lru_cache(maxsize=1)
def _make_class() -> Any:
    import keras  # type: ignore[import-not-found,import-untyped,unused-ignore]

    class UnattendedCallback(keras.callbacks.Callback):  # type: ignore[misc,name-defined,unused-ignore]
        """Tells `Training` what ``fit`` does."""

        def __init__(self, every: str | int | timedelta, keep: int, state: Any) -> None:
            super().__init__()
            self._training = Training(every, keep)
            self._state = adapters.named(state)
            self._to_restore: dict[Any, Any] | None = None

        def on_train_begin(self, logs: Any = None) -> None:
            """Restore the model and say with which epoch to begin."""
            model = self.model
            objects = {"model": model, "history": getattr(model, "history", None), **self._state}
            objects = {name: obj for name, obj in objects.items() if obj is not None}
            done = self._training.begin(objects, self.params.get("epochs"))
            self._to_restore = None
            if done:
                model._initial_epoch = done
                # Callbacks after this one are still to begin, and to forget everything.
                self._to_restore = {
                    obj: checkpoint_keras.capture("keras-callback", obj)
                    for obj in objects.values()
                    if checkpoint_keras.kind(obj) == "keras-callback"
                }

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            """Save what the epoch before left, of all callbacks."""
            if self._to_restore is not None:
                self._begin_again()
            self._training.reached(epoch)

        def _begin_again(self) -> None:
            for callback, saved in (self._to_restore or {}).items():
                checkpoint_keras.restore("keras-callback", callback, saved, ())
            self._to_restore = None
            self._model._initial_epoch = None  # it would hold for the next fit, too
            self._training.restore_random()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """End a quick test."""
            if self._training.is_enough(epoch + 1):
                self._model.stop_training = True

        def on_train_end(self, logs: Any = None) -> None:
            """Save the end; every epoch is done then, also those that another callback saved."""
            if self._to_restore is not None:
                self._begin_again()
            self.model  # noqa: B018 - attaches the variables
            self._training.end(self.params.get("epochs"))

    return UnattendedCallback
