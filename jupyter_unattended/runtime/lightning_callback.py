"""A callback for Lightning: ``trainer.fit`` goes on with the epoch that had not finished."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from . import checkpoint_link
from .checkpoint_training import Training

Library = Any


def lightning_callback(every: str | int | timedelta = "60s", *, keep: int = 2) -> Any:
    """Return a callback with which ``trainer.fit`` goes on where an earlier attempt was stopped.

    In a job, everything that Lightning itself puts into a checkpoint is saved between two epochs,
    with all random states: every so often, and at the end. Elsewhere the callback does nothing, and
    its ``ckpt_path`` is None. For training in one process.

    Parameters
    ----------
    every
        How often to save: a time such as ``"60s"``, ``"5m"`` or ``"1h"``, or a number of epochs.
    keep
        How many saved states to keep.

    Returns
    -------
    lightning.pytorch.Callback
        With ``ckpt_path``: what to go on from, or None.

    Examples
    --------
    >>> unattended = lightning_callback()
    >>> trainer = Trainer(max_epochs=100, callbacks=[unattended])
    >>> trainer.fit(model, data, ckpt_path=unattended.ckpt_path)
    """
    return _make_class()(every, keep)


class _State:
    """Lightning's checkpoint as something that has a state: it only knows files."""

    def __init__(self) -> None:
        self.trainer: Library = None
        self.path: Path | None = None

    def state_dict(self) -> dict[str, Any]:
        import numpy as np

        path = self._file()
        try:
            self.trainer.save_checkpoint(path)
            return {"file": np.fromfile(path, np.uint8)}
        finally:
            path.unlink(missing_ok=True)

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.path = self._file()
        saved["file"].tofile(self.path)

    @staticmethod
    def _file() -> Path:
        link = checkpoint_link.current()
        assert link is not None
        link.store.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What a killed attempt leaves under such a name is removed by the next one.
        return link.store.root / f".tmp-lightning-{os.getpid()}.ckpt"


@functools.lru_cache(maxsize=1)
def _make_class() -> Any:
    # The same library has two names, which do not know each other's classes.
    old = "pytorch_lightning" in sys.modules and "lightning" not in sys.modules
    callbacks = importlib.import_module(
        "pytorch_lightning.callbacks" if old else "lightning.pytorch.callbacks"
    )
    base: Library = callbacks.Checkpoint

    class UnattendedCallback(base):  # type: ignore[misc,unused-ignore]
        """Tells `Training` what ``fit`` does; a `Checkpoint`, so that it is the last to be told."""

        def __init__(self, every: str | int | timedelta, keep: int) -> None:
            super().__init__()
            self._training = Training(every, keep)
            self._state = _State()
            self._asked = False

        @property
        def ckpt_path(self) -> str | None:
            """What to go on from; to be given to ``fit``."""
            self._asked = True
            self._state.path = None
            self._training.begin({"trainer": self._state}, None)
            return None if self._state.path is None else str(self._state.path)

        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            """Set the random states, before the data are shuffled."""
            if checkpoint_link.current() is not None and not self._asked:
                raise ValueError("write trainer.fit(…, ckpt_path=callback.ckpt_path)")
            self._asked = False
            self._state.trainer = trainer
            self._training.restore_random()
            if self._state.path is not None:
                self._state.path.unlink(missing_ok=True)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """Save, if it is time."""
            self._training.reached(trainer.current_epoch + 1)
            if self._training.is_enough(trainer.current_epoch + 1):
                trainer.should_stop = True

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            """Save the end."""
            self._training.end(trainer.current_epoch)

    return UnattendedCallback
