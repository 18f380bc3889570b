"""Asking a scheduler how jobs stand, politely: one call, kept for a moment, with back-off."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import BackendError, BackendUnavailableError

#: An answer is good for this long within one process.
FRESH = 1.0
#: A scheduler that took t seconds to answer is left alone for this many times t.
_REST = 10.0
_LONGEST_REST = 120.0
#: After a call without an answer: wait this long, then twice as long, and so on.
_FIRST_BACK_OFF = 5.0
_LONGEST_BACK_OFF = 300.0

Rows = list[dict[str, Any]]


class Status:
    """The answer to the last status call, shared between processes where calls are expensive.

    Parameters
    ----------
    scheduler
        Its name for people.
    file
        Where processes leave each other word: a slow answer, or since when there is none.
    call
        Makes the status call and returns a row for each job of this user.
    """

    def __init__(self, scheduler: str, file: Path, call: Callable[[], Rows]) -> None:
        self._scheduler = scheduler
        self._file = file
        self._call = call
        self._rows: Rows = []
        self._good_until = 0.0

    def rows(self) -> Rows:
        """Return the rows, at most a moment old.

        Raises
        ------
        BackendError
            If the scheduler does not answer, or did not a moment ago.
        """
        if time.monotonic() < self._good_until:
            return self._rows
        word = self._read()
        now = time.time()
        if word.get("failing_since") and now < word["next"]:
            raise BackendError(
                f"{self._scheduler} does not answer since {_clock(word['failing_since'])} "
                f"({word['error']}); it is asked again in {word['next'] - now:.0f} s."
            )
        if "rows" in word and now < word["next"]:
            return list(word["rows"])
        began = time.monotonic()
        try:
            self._rows = self._call()
        except BackendUnavailableError:
            raise
        except BackendError as error:
            delay = min(_LONGEST_BACK_OFF, max(_FIRST_BACK_OFF, 2 * word.get("delay", 0.0)))
            failing_since = word.get("failing_since") or now
            self._write(
                failing_since=failing_since,
                error=str(error).rstrip("."),
                delay=delay,
                next=time.time() + delay,
            )
            raise
        took = time.monotonic() - began
        rest = min(_LONGEST_REST, _REST * took)
        self._good_until = time.monotonic() + max(FRESH, rest)
        if took > FRESH:
            self._write(rows=self._rows, next=time.time() + rest)
        elif word:
            self.forget()
        return self._rows

    def forget(self) -> None:
        """Ask again next time: something was just done to a job."""
        self._good_until = 0.0
        with contextlib.suppress(OSError):
            self._file.unlink()

    def _read(self) -> dict[str, Any]:
        try:
            word = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return word if isinstance(word, dict) and "next" in word else {}

    def _write(self, **word: Any) -> None:
        temporary = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_text(json.dumps(word))
            temporary.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
