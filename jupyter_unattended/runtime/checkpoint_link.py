"""What checkpoints know about the job they run in.

In a job the hooks fill this in (`checkpoint_hooks`). In a plain script that start.sh runs, the
environment says where checkpoints are kept. Interactively there is no directory, and everything
that asks for one does nothing.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import api
from .checkpoint_store import CheckpointStore

#: EX_TEMPFAIL: stopped from outside before the end, run me again.
STOPPED = 75


def _to_stderr(text: str) -> None:
    print(f"jupyter-unattended: {text}", file=sys.stderr, flush=True)


@dataclass
class Link:
    """The job, as far as checkpoints need it.

    Parameters
    ----------
    store
        Where checkpoints are kept.
    attempt
        Number of this attempt.
    context
        Stands for everything that must be the same for a loop's checkpoint to be used: the sources
        up to the running cell, and the parameters.
    label
        What runs now, for people: ``cell 3``.
    journal, log
        See ``hooks.Run``.
    stop_requested
        Whether the job was asked to stop.
    seconds_left
        Time until SIGKILL once a stop was asked for; infinity before.
    outputs
        What the running cell has shown so far; None where nobody keeps that.
    set_outputs
        Replaces it.
    cooperate
        Called with True while a loop asks `stop_requested` by itself, so that the cell is not
        interrupted in the middle of a step; returns what it was before.
    test_steps
        How many steps a loop may do in a test of the whole circle; None outside one.
    stopped
        The exception that ends the notebook as stopped.
    """

    store: CheckpointStore
    attempt: int
    context: str
    label: str
    journal: Callable[..., object]
    log: Callable[[str], object]
    stop_requested: Callable[[], bool] = api.stop_requested
    seconds_left: Callable[[], float] = lambda: float("inf")
    outputs: Callable[[], Any] = lambda: None
    set_outputs: Callable[[Any], object] = lambda _outputs: None
    cooperate: Callable[[bool], bool] = lambda asks: asks
    test_steps: int | None = None
    stopped: Callable[[], BaseException] = lambda: SystemExit(STOPPED)


_current: Link | None = None
_script_lock = threading.Lock()


def current() -> Link | None:
    """Return the link of this process; None outside a job."""
    global _current
    if _current is None and os.environ.get("UNATTENDED_CHECKPOINT_DIR"):
        with _script_lock:
            if _current is None:
                _current = _of_script()
    return _current


def test_steps() -> int | None:
    """Return how many steps loops may do, where the job is a quick test (``submit --test``)."""
    value = os.environ.get("UNATTENDED_TEST_STEPS", "")
    return max(2, int(value)) if value.isdecimal() else None


def bind(link: Link | None) -> None:
    """Make `link` the process's."""
    global _current
    _current = link


def _of_script() -> Link:
    """Link a plain script to its job; `api.stop_requested` looks after SIGTERM there."""
    path = Path(sys.argv[0]) if sys.argv else Path()
    digest = hashlib.sha256(repr(sys.argv[1:]).encode())
    if path.is_file():
        digest.update(path.read_bytes())
    return Link(
        store=CheckpointStore(Path(os.environ["UNATTENDED_CHECKPOINT_DIR"]), _to_stderr),
        attempt=int(os.environ.get("UNATTENDED_ATTEMPT") or 1),
        context=digest.hexdigest()[:16],
        label=path.name or "the script",
        journal=lambda *_event, **_fields: None,
        log=_to_stderr,
        test_steps=test_steps(),
    )
