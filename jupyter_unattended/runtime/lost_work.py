"""How much work an attempt lost at its end: what it had done since its last checkpoint."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]

#: Seconds between two signs of life; a killed attempt's end is known as exactly.
SIGN_INTERVAL = 2.0


class SignOfLife:
    """Tells, by the time of a file, that an attempt still ran: who is killed cannot tell its end.

    Parameters
    ----------
    attempt_directory
        The attempt; its file ``exit`` is empty while it runs.
    """

    def __init__(self, attempt_directory: Path) -> None:
        self._file = attempt_directory / "exit"
        self._next = 0.0

    def give_if_due(self) -> None:
        """Give a sign, if the last one is old."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SIGN_INTERVAL
            with contextlib.suppress(OSError):
                os.utime(self._file)


def last_safe_moment(events: Sequence[Event]) -> float:
    """Return when an attempt's work was last on the disk: at a checkpoint, or at its beginning."""
    return max(_time(event) for event in events if event is events[0] or _is_save(event))


def seconds(events: Sequence[Event], attempt_directory: Path, ended: float | None = None) -> float:
    """Return how much work was lost.

    Parameters
    ----------
    events
        What the journal has of the attempt, oldest first.
    attempt_directory
        The attempt.
    ended
        When it ended, if that is known.
    """
    if not events or any(_is_done(event) for event in events):
        return 0.0
    if ended is None:
        ended = max(_time(events[-1]), _last_sign(attempt_directory))
    return max(0.0, ended - last_safe_moment(events))


def of_attempt_before(job_directory: Path, attempt: int) -> tuple[int, float] | None:
    """Return the attempt before `attempt` and the seconds of work that it lost.

    None if there is none, or it lost nothing.
    """
    try:
        lines = (job_directory / "journal.jsonl").read_bytes().splitlines()
    except OSError:
        return None
    events: list[Event] = []
    for line in reversed(lines):
        event = _parsed(line)
        if event is None or event["attempt"] >= attempt:
            continue
        if events and event["attempt"] != events[0]["attempt"]:
            break
        events.append(event)
        if _is_save(event):
            break
    if not events:
        return None
    number = events[0]["attempt"]
    directory = job_directory / "attempts" / str(number)
    lost = seconds(events[::-1], directory, _noted_end(directory))
    return (number, lost) if lost > 0 else None


def _is_save(event: Event) -> bool:
    return isinstance(event.get("saved"), dict)


def _is_done(event: Event) -> bool:
    return event.get("event") == "finished" and event.get("outcome") == "done"


def _time(event: Event) -> float:
    value = event.get("t")
    return float(value) if isinstance(value, (int, float)) else 0.0


def _parsed(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    known = isinstance(event, dict) and isinstance(event.get("attempt"), int)
    return event if known else None


def _noted_end(attempt_directory: Path) -> float | None:
    try:
        return float((attempt_directory / "exit").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _last_sign(attempt_directory: Path) -> float:
    """Return when an attempt that left no word about its end was last seen to run."""
    found = [0.0]
    for name in ("exit", "log.txt"):
        with contextlib.suppress(OSError):
            found.append((attempt_directory / name).stat().st_mtime)
    return max(found)
