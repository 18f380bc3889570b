"""Being asked to stop: SIGTERM and SIGINT, and what the notebook makes of them.

A notebook may handle these signals itself, as a script would: with ``signal.signal``, with
``on_stop`` or by asking ``stop_requested``. Where it does not, the running cell is interrupted. In
every case no further cell begins, and a cell that was told of the stop does not count as finished,
because it may have cut its work short.

Handlers run in the main thread between two bytecodes, wherever that is. While the runtime's own
code must not be disturbed, `Guard` holds them back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: Of the grace period, so many seconds (but at most this part of it) are kept for saving.
RESERVE_SECONDS = 3.0
RESERVE_PART = 0.25
#: Who asks for the stop by itself is interrupted when so many seconds (but at most this part of
#: what there was) are left for the notebook.
LAST_CALL_SECONDS = 5.0
LAST_CALL_PART = 0.25


class Guard:
    """Holds signals back while the main thread does what must be done as a whole."""

    def __init__(self) -> None:
        self._main = threading.get_ident()
        self._depth = 0
        self._held: list[tuple[int, FrameType | None]] = []
        #: Called at once for each signal.
        self.note: Callable[[int], None] = lambda number: None
        #: Called for each signal when nothing is guarded.
        self.deliver: Callable[[int, FrameType | None], None] = lambda number, frame: None

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() == self._main:
            self._depth -= 1
            if self._held and self._depth == 0:
                self._deliver_held()

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Guard nothing for a while, because code of the notebook runs."""
        depth, self._depth = self._depth, 0
        try:
            self._deliver_held()
            yield
        finally:
            self._depth = depth

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Deliver a signal now or, while something is guarded, afterwards."""
        self.note(number)
        if self._depth:
            self._held.append((number, None))
        else:
            self.deliver(number, frame)

    def _deliver_held(self) -> None:
        while self._held:
            self.deliver(*self._held.pop(0))


class Stop:
    """What is known about being asked to stop.

    Parameters
    ----------
    guard
        Where signals are held back.
    grace_period
        Seconds between the first SIGTERM and SIGKILL.
    """

    def __init__(self, guard: Guard, grace_period: float) -> None:
        self._guard = guard
        self._grace_period = grace_period
        self._owner = os.getpid()
        self._main = threading.get_ident()
        #: The notebook's own handlers.
        self._handlers: dict[int, Any] = {}
        self._callbacks: list[Callable[[], object]] = []
        self._in_handler = False
        self._interrupted = False
        self._overdue = False
        #: Whether the interruption was raised where Python ignores what is raised.
        self._lost = False
        self._again = False
        #: Names of the signals that came, in order; not those that the notebook ignores.
        self.signals: list[str] = []
        #: When the first of them came (monotonic clock).
        self.since: float | None = None
        #: Whether a cell is being executed.
        self.in_cell = False
        #: Whether code of the notebook was interrupted or otherwise told while it ran.
        self.told = False
        #: Whether the notebook asks `stop_requested` by itself.
        self.asks = False
        #: Loop and task of a cell that awaits.
        self.awaiting: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._real_signal = signal.signal
        guard.note = self.note
        guard.deliver = self._deliver

    @property
    def requested(self) -> bool:
        """Whether the job was asked to stop."""
        return self.since is not None

    def seconds_left(self) -> float:
        """Return how long the notebook may still take."""
        if self.since is None:
            return float("inf")
        return max(0.0, self.since + self._for_notebook - time.monotonic())

    @property
    def last_call(self) -> float:
        """Seconds left when a cell that asks for the stop, and has not ended, is interrupted."""
        return min(LAST_CALL_SECONDS, LAST_CALL_PART * self._for_notebook)

    @property
    def _for_notebook(self) -> float:
        return self._grace_period - min(RESERVE_SECONDS, RESERVE_PART * self._grace_period)

    # -- what the notebook may call ----------------------------------------------------------------

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Have `callback` called when the stop is asked for."""
        self._callbacks.append(callback)

    def ask(self) -> bool:
        """Answer ``stop_requested()``; who asks is not interrupted at once."""
        self.asks = True
        if self.requested and self.in_cell:
            self.told = True
        return self.requested

    # -- signals -----------------------------------------------------------------------------------

    def install(self) -> None:
        """Take the signals over, and let the notebook install handlers as in a script."""
        for number in SIGNALS:
            # A child of a background shell has SIGINT ignored; that is not the notebook's wish.
            self._real_signal(number, self._guard.handle)
        real_getsignal = signal.getsignal

        def set_handler(signalnum: int, handler: Any, /) -> Any:
            if signalnum not in SIGNALS or os.getpid() != self._owner:
                return self._real_signal(signalnum, handler)
            if not (callable(handler) or handler in (signal.SIG_IGN, signal.SIG_DFL)):
                raise TypeError(
                    "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"
                )
            before = get_handler(signalnum)
            # Raises where a script's call would: in any thread but the main one.
            ignored = handler == signal.SIG_IGN
            self._real_signal(signalnum, signal.SIG_IGN if ignored else self._guard.handle)
            self._handlers[signalnum] = handler
            return before

        def get_handler(signalnum: int, /) -> Any:
            if signalnum not in SIGNALS or os.getpid() != self._owner:
                return real_getsignal(signalnum)
            default = signal.default_int_handler if signalnum == signal.SIGINT else signal.SIG_DFL
            return self._handlers.get(signalnum, default)

        set_handler.__doc__ = self._real_signal.__doc__
        get_handler.__doc__ = real_getsignal.__doc__
        signal.signal = set_handler  # type: ignore[assignment]
        signal.getsignal = get_handler  # type: ignore[assignment]
        os.register_at_fork(after_in_child=self._in_child)
        real_hook = sys.unraisablehook

        def unraisable(ignored: Any, /) -> None:
            # Between two bytecodes may be in a __del__ or a callback of C code.
            if isinstance(ignored.exc_value, KeyboardInterrupt) and self._interrupted:
                self._lost = True
            else:
                real_hook(ignored)

        sys.unraisablehook = unraisable

    def _in_child(self) -> None:
        """Give a forked child the handlers that it would have had in a script."""
        with contextlib.suppress(ValueError):
            signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            with contextlib.suppress(ValueError):
                self._real_signal(number, self._handlers.get(number, default))

    def note(self, number: int) -> None:
        """Note that a signal came."""
        if self._overdue or self._again:
            return  # it is our own
        self.signals.append(signal.Signals(number).name)
        if self.since is None:
            self.since = time.monotonic()

    def _deliver(self, number: int, frame: FrameType | None) -> None:
        if self._in_handler:
            return  # what it is saving must not be disturbed by a second signal
        if self._overdue or self._again:
            self._again = False
            self._interrupt_once()
            return
        handler = self._own_handler(number)
        if handler is not None:
            self.told = self.told or self.in_cell
            self._in_handler = True
            try:
                handler(number, frame)
            finally:
                self._in_handler = False
            return
        if self._callbacks:
            self.told = self.told or self.in_cell
            callbacks, self._callbacks = self._callbacks, []
            self._in_handler = True
            try:
                for callback in callbacks:
                    callback()
            finally:
                self._in_handler = False
        if self.asks:
            return
        # SIGINT comes from a person, who may ask twice; a second SIGTERM must do no harm.
        if number == signal.SIGINT:
            self._interrupt()
        else:
            self._interrupt_once()

    def _own_handler(self, number: int) -> Any:
        handler = self._handlers.get(number)
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            return None
        return handler

    def interrupt_who_asks(self) -> None:
        """Interrupt a cell that asks for the stop but did not end; called in another thread."""
        if self.asks and not self._interrupted and not self._overdue:
            self._overdue = True
            signal.pthread_kill(self._main, signal.SIGTERM)

    def interrupt_again(self) -> None:
        """Interrupt a cell that the first interruption did not reach; called in another thread."""
        if self._lost:
            self._lost = self._interrupted = False
            self._again = True
            signal.pthread_kill(self._main, signal.SIGTERM)

    def _interrupt_once(self) -> None:
        if not self._interrupted:
            self._interrupt()

    def _interrupt(self) -> None:
        if not self.in_cell:
            return
        self._interrupted = True
        self.told = True
        if self.awaiting is not None:
            loop, task = self.awaiting
            if not _runs(task):
                loop.call_soon_threadsafe(task.cancel)
                return
        raise KeyboardInterrupt


def _runs(task: asyncio.Task[Any]) -> bool:
    """Whether the code of a task is what this thread executes.

    Not so in the event loop's own code. Between two steps of a task that has to be left alone: an
    exception there, and the task never gets its next step. (``asyncio.current_task`` is still the
    task when its next step is being scheduled.)
    """
    code = getattr(task.get_coro(), "cr_code", None)
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None
