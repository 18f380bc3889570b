"""A container that is not there yet: its image is being got, or its engine is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from .engine import EngineAwayError, EngineError

T = TypeVar("T")


class Birth:
    """Waits for an engine that is away, and can be given up as long as nothing was started.

    Parameters
    ----------
    patience
        How long the engine may be away, in seconds.
    pause
        How often to look whether it is back.
    """

    def __init__(self, patience: float, pause: float) -> None:
        self._patience = patience
        self._pause = pause
        self._lock = threading.Lock()
        self._given_up = threading.Event()
        self._is_starting = False
        #: What it waits for, in a person's words; empty where it does not wait.
        self.waits_for = ""

    @property
    def is_given_up(self) -> bool:
        """Whether nothing will be started any more."""
        return self._given_up.is_set()

    def give_up(self) -> bool:
        """Start nothing any more; return whether that was still possible."""
        with self._lock:
            if not self._is_starting:
                self._given_up.set()
            return self.is_given_up

    def begin(self, start: Callable[[], T]) -> T:
        """Return what `start` returns; while it works, nobody can give up.

        Raises
        ------
        EngineError
            If somebody gave up before.
        """
        with self._lock:
            if self.is_given_up:
                raise EngineError("Nobody wants this container any more.")
            self._is_starting = True
        try:
            return start()
        except EngineAwayError:
            self._is_starting = False
            raise

    def patiently(self, act: Callable[[], T]) -> T:
        """Return what `act` returns; again and again, as long as the engine is away.

        Raises
        ------
        EngineError
            What `act` raised, where that was something else or took too long.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                done = act()
            except EngineAwayError as error:  # noqa: PERF203 - seconds pass between two tries
                self.waits_for = f"waiting for the engine ({str(error).rstrip('.')})"
                if time.monotonic() > deadline or self._given_up.wait(self._pause):
                    raise
            else:
                self.waits_for = ""
                return done
