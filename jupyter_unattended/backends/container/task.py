"""Something that takes long, done in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Task(Generic[T]):
    """Runs `work` in a thread, and then `done`.

    The process does not end before it: what is half done would be left to nobody.
    """

    def __init__(self, work: Callable[[], T], done: Callable[[], None]) -> None:
        self._result: list[T] = []
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(work, done))
        self._thread.start()

    def _run(self, work: Callable[[], T], done: Callable[[], None]) -> None:
        try:
            self._result.append(work())
        except Exception as error:
            self.error = error
        self.is_done = True
        done()

    #: Whether it has a result or an error.
    is_done = False

    @property
    def result(self) -> T | None:
        """What came out; None as long as nothing has."""
        return self._result[0] if self._result else None
