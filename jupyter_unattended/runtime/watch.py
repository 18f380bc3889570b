"""The thread beside the notebook: about once a second it saves what is new.

It sleeps in between and costs next to nothing. When the notebook does not stop within the grace
period, because its code is in a call that lets no signal through, this thread saves what there is
and ends the process.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable

from .stopping import SIGNALS, Stop

_INTERVAL = 1.0
_INTERVAL_STOPPING = 0.1
#: A signal that the main thread did not take after so many seconds is noted in its place.
_DEAF = 1.0


class Watch:
    """The thread.

    Parameters
    ----------
    stop
        Who knows about signals.
    tick
        Saves what is new; called in the thread.
    force
        Saves and ends the process; called in the thread when the time is up.
    """

    def __init__(self, stop: Stop, tick: Callable[[], None], force: Callable[[], None]) -> None:
        self._stop = stop
        self._tick = tick
        self._force = force
        self._wake, self._woken_by = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken_by, False)
        self._unheard: tuple[int, float] | None = None
        self._thread = threading.Thread(target=self._run, name="unattended", daemon=True)

    def start(self) -> None:
        """Start watching."""
        # Written to by the C-level handler, even while the main thread is busy in C code.
        signal.set_wakeup_fd(self._woken_by, warn_on_full_buffer=False)
        self._thread.start()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while True:
            with contextlib.suppress(Exception):
                self._tick()
            if self._stop.requested:
                left = self._stop.seconds_left()
                if left <= 0:
                    self._force()
                elif left <= self._stop.last_call:
                    self._stop.interrupt_who_asks()
                self._stop.interrupt_again()
            interval = _INTERVAL_STOPPING if self._stop.requested or self._unheard else _INTERVAL
            poll.poll(interval * 1000)
            self._listen()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            for number in os.read(self._wake, 64):
                if number in SIGNALS and self._unheard is None and not self._stop.requested:
                    self._unheard = (number, time.monotonic())
        if self._unheard is not None:
            number, since = self._unheard
            if self._stop.requested:
                self._unheard = None
            elif time.monotonic() - since > _DEAF:
                self._unheard = None
                self._stop.note(number)
