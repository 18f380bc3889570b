"""What a job writes about itself: journal.jsonl and metrics.jsonl.

Progress and metrics are limited in rate, so that a loop of a million steps does not fill the disk,
but the last value is never dropped: what was held back is written by `Journal.flush`, which the
runtime calls about once a second, after each cell and at the end.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from pathlib import Path
from typing import Any

from .files import AppendFile

#: Least seconds between two lines about progress.
PROGRESS_INTERVAL = 0.5
#: So many lines of metrics are written as they come; then one a second for each set of names.
METRICS_BURST = 1000
METRICS_INTERVAL = 1.0


class Journal:
    """Appends to the journal and the metrics of one attempt. Safe to use from threads."""

    def __init__(self, directory: Path, attempt: int) -> None:
        self._journal = AppendFile(directory / "journal.jsonl")
        self._metrics = AppendFile(directory / "metrics.jsonl")
        self._attempt = attempt
        self._lock = threading.RLock()
        self._unsent: list[bytes] = []
        self._progress: dict[str, Any] | None = None
        self._progress_written = 0.0
        self._burst = METRICS_BURST
        self._held: dict[tuple[str, ...], dict[str, Any]] = {}
        self._metrics_written: dict[tuple[str, ...], float] = {}
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Drop, in a forked child, what the parent will write."""
        self._lock = threading.RLock()
        self._unsent.clear()
        self._progress = None
        self._held.clear()

    def event(self, event: str, /, **fields: Any) -> None:
        """Append an event to the journal; it is kept and tried again when there is no space."""
        with self._lock:
            if event != "progress":
                self._flush_progress()
            line = {"t": _now(), "attempt": self._attempt, "event": event, **fields}
            self._unsent.append(_encoded(line))
            self._send()

    def progress(self, done: float, total: float | None) -> None:
        """Note how far the run is."""
        line = {
            "t": _now(),
            "attempt": self._attempt,
            "event": "progress",
            "done": _number(done),
            "total": None if total is None else _number(total),
        }
        with self._lock:
            self._progress = line
            # The last one is written at once: in a worker process nobody flushes.
            complete = total is not None and done >= total
            if complete or time.monotonic() - self._progress_written >= PROGRESS_INTERVAL:
                self._flush_progress()

    def metrics(self, step: int | None, values: dict[str, Any]) -> None:
        """Note values that the notebook reports."""
        numbers = {name: _number(value) for name, value in values.items()}
        line: dict[str, Any] = {"t": _now(), "attempt": self._attempt}
        if step is not None:
            line["step"] = _number(step)
        line["values"] = numbers
        names = tuple(numbers)
        with self._lock:
            if self._burst > 0:
                self._burst -= 1
                self._metrics.append(_encoded(line))
                return
            self._held[names] = line
            if time.monotonic() - self._metrics_written.get(names, 0.0) >= METRICS_INTERVAL:
                self._flush_metrics(names)

    def flush(self) -> None:
        """Write what was held back."""
        with self._lock:
            self._send()
            self._flush_progress()
            for names in list(self._held):
                self._flush_metrics(names)

    def _send(self) -> None:
        while self._unsent:
            if not self._journal.append(self._unsent[0]):
                # What a full disk keeps out may not fill the memory either.
                del self._unsent[1:-1000]
                return
            del self._unsent[0]

    def _flush_progress(self) -> None:
        if self._progress is not None and self._journal.append(_encoded(self._progress)):
            self._progress = None
            self._progress_written = time.monotonic()

    def _flush_metrics(self, names: tuple[str, ...]) -> None:
        if self._metrics.append(_encoded(self._held[names])):
            del self._held[names]
            self._metrics_written[names] = time.monotonic()


def _now() -> float:
    return round(time.time(), 3)


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, default=str).encode("utf-8", "replace")


def _number(value: Any) -> int | float | None:
    """Return `value` as a number that JSON has: None for what is not finite."""
    if isinstance(value, (bool, int)):
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and _is_integral(value) else number


def _is_integral(value: Any) -> bool:
    # numpy's integers, for one, are no subclass of int.
    return hasattr(value, "__index__")
