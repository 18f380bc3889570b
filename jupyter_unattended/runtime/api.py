"""What a notebook's code may call: metrics, progress, stopping.

Imports nothing heavy. In the runtime's process the calls go to the runtime. In another process of a
job (a script, a worker) they write the same files by themselves. Anywhere else, as in an
interactive notebook, they do nothing and cost nothing.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .journal import Journal
    from .stopping import Stop

_Callback = TypeVar("_Callback", bound=Callable[[], object])

_journal: Journal | None = None
_stop: Stop | _ScriptStop | None = None
_in_job = "UNATTENDED_ATTEMPT" in os.environ and "UNATTENDED_JOB_DIR" in os.environ


def report(*, step: int | None = None, **values: float) -> None:
    """Record metrics of the run, for example ``report(step=10, loss=0.3)``.

    Parameters
    ----------
    step
        Where in the run this is.
    values
        The metrics by name: numbers, or what ``float`` makes a number of, such as arrays and
        tensors with one element.
    """
    if _journal is not None:
        _journal.metrics(step, values)
    elif _in_job:
        _own_journal().metrics(step, values)


def progress(done: float, total: float | None = None) -> None:
    """Say how far the run is, for example ``progress(3, 10)``.

    Parameters
    ----------
    done
        How much is done, in any unit.
    total
        How much there is to do; None if that is not known.
    """
    if _journal is not None:
        _journal.progress(done, total)
    elif _in_job:
        _own_journal().progress(done, total)


def on_stop(callback: _Callback) -> _Callback:
    """Have `callback` called when the job is asked to stop, before the cell is interrupted.

    It is called in the main thread, between two steps of whatever runs then. It has what is left of
    the grace period. Can be used as a decorator.
    """
    if _stop is not None:
        _stop.on_stop(callback)
    elif _in_job:
        _own_stop().on_stop(callback)
    return callback


def stop_requested() -> bool:
    """Return whether the job was asked to stop.

    A notebook that has asked once is not interrupted at once when the stop comes: it has most of
    the grace period to finish its step, save and end the cell by itself.
    """
    if _stop is not None:
        return _stop.ask()
    if _in_job:
        return _own_stop().ask()
    return False


def connect(journal: Journal | None, stop: Stop) -> None:
    """Have the calls go to the runtime, in its own process."""
    global _journal, _stop
    _journal, _stop = journal, stop


def _own_journal() -> Journal:
    """Return a journal for a process of a job that is not the runtime's."""
    global _journal
    from .journal import Journal

    directory = Path(os.environ["UNATTENDED_JOB_DIR"])
    _journal = Journal(directory, int(os.environ["UNATTENDED_ATTEMPT"]))
    atexit.register(_journal.flush)
    return _journal


class _ScriptStop:
    """Stopping in a script that start.sh runs: exit code 75 unless the script handles SIGTERM."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], object]] = []
        self._asks = False
        self._requested = False
        free = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        if free and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handle)

    def on_stop(self, callback: Callable[[], object]) -> None:
        self._callbacks.append(callback)

    def ask(self) -> bool:
        self._asks = True
        return self._requested

    def _handle(self, *_: Any) -> None:
        if self._requested:
            return
        self._requested = True
        for callback in self._callbacks:
            callback()
        if not self._asks:
            sys.exit(75)


def _own_stop() -> _ScriptStop:
    global _stop
    _stop = _ScriptStop()
    return _stop
