"""A callback for Hugging Face's Trainer, which saves and goes on by itself, but not when told."""

from __future__ import annotations

import functools
import os
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

from . import checkpoint_link
from .checkpoint_manifest import CheckpointError
from .checkpoint_training import Training

_PIECE = 4 * 1024 * 1024


def transformers_callback(every: str | int | timedelta = "60s") -> Any:
    """Return a callback with which ``Trainer.train`` goes on where an earlier attempt was stopped.

    In a job, the Trainer is told to write its own checkpoint every so often, when the job is
    stopped, and at the end. One that was not written to its end is never gone on from. Elsewhere
    the callback does nothing, and its ``resume_from`` is None.

    Parameters
    ----------
    every
        How often to save: a time such as ``"60s"``, ``"5m"`` or ``"1h"``, or a number of steps.

    Returns
    -------
    transformers.TrainerCallback
        With ``resume_from``: what to go on from, or None. The Trainer's ``output_dir`` must be on
        the workspace.

    Examples
    --------
    >>> unattended = transformers_callback()
    >>> trainer = Trainer(model, arguments, train_dataset=data, callbacks=[unattended])
    >>> trainer.train(resume_from_checkpoint=unattended.resume_from)
    """
    return _make_class()(every)


class _Folder:
    """The folder of a Trainer's checkpoint, and what must be in it."""

    def __init__(self) -> None:
        self.path: Path | None = None

    def state_dict(self) -> dict[str, Any]:
        assert self.path is not None
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return {
            "path": str(self.path),
            "files": {str(path.relative_to(self.path)): _checksum(path) for path in files},
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        path = Path(saved["path"])
        for name, checksum in saved["files"].items():
            try:
                found = _checksum(path / name)
            except OSError as error:
                raise CheckpointError(f"{path / name} cannot be read ({error.strerror})") from error
            if found != checksum:
                raise CheckpointError(f"{path / name} does not match its checksum")
        self.path = path


def _checksum(path: Path) -> int:
    """Return the checksum of a file that is on the disk, not only in memory."""
    value = 0
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        while piece := file.read(_PIECE):
            value = zlib.crc32(piece, value)
    return value


@functools.lru_cache(maxsize=1)
def _make_class() -> Any:
    from transformers import (  # type: ignore[import-not-found,unused-ignore]
        TrainerCallback,
    )

    class UnattendedCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
        """Tells the Trainer when to save, and `Training` what it did."""

        def __init__(self, every: str | int | timedelta) -> None:
            self._training = Training(every, 2)
            self._folder = _Folder()
            self._asked = False

        @property
        def resume_from(self) -> str | None:
            """What to go on from; to be given to ``train``."""
            self._asked = True
            self._folder.path = None
            self._training.begin({"folder": self._folder}, None)
            return None if self._folder.path is None else str(self._folder.path)

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """See that the Trainer goes on."""
            if checkpoint_link.current() is not None and not self._asked:
                raise ValueError("write trainer.train(resume_from_checkpoint=callback.resume_from)")
            self._asked = False

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Have the Trainer save, if it is time."""
            last = 0 < state.max_steps <= state.global_step
            if self._training.is_enough(state.global_step):
                control.should_training_stop = last = True
            if self._training.is_due(state.global_step, last):
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Note what was saved; end the notebook if the job is to stop."""
            self._folder.path = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            self._training.saved(state.global_step)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Leave."""
            self._training.leave()

    return UnattendedCallback
