"""Reading journal.jsonl, what the job says about itself, in constant time however long it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .view import Progress

_HEAD = 8 * 1024
_TAIL = 64 * 1024


def tail(file: Path, size: int = _TAIL) -> list[dict[str, Any]]:
    """Return the events in the last `size` bytes, oldest first; torn lines are skipped."""
    try:
        with file.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            start = max(0, end - size)
            # One byte earlier tells whether the piece begins with a whole line.
            stream.seek(max(0, start - 1))
            raw = stream.read()
    except OSError:
        return []
    if start > 0:
        raw = raw.partition(b"\n")[2]
    return _events(raw)


def head(file: Path) -> list[dict[str, Any]]:
    """Return the events in the first few kilobytes."""
    try:
        with file.open("rb") as stream:
            return _events(stream.read(_HEAD))
    except OSError:
        return []


def progress(file: Path) -> Progress:
    """Return how far the newest attempt is."""
    events = tail(file)
    if not events:
        return Progress()
    newest = max(_number(event.get("attempt")) for event in events)
    current = [event for event in events if _number(event.get("attempt")) == newest]
    total = _last(current, "started", "cells")
    if total is None:
        # The beginning of this attempt is further back; every attempt runs the same notebook.
        total = _last(head(file), "started", "cells")
    done = _last(current, "cell_finished", "ordinal")
    if done is not None and _ended_badly(current):
        done -= 1
    if done is None:
        running = _last(current, "cell_started", "ordinal")
        done = int(running) - 1 if running is not None else (0 if total is not None else None)
    said = [event for event in current if event.get("event") == "progress"]
    said = [event for event in said if isinstance(event.get("done"), (int, float))]
    return Progress(
        cells_done=int(done) if done is not None else None,
        cells_total=int(total) if total is not None else None,
        done=said[-1]["done"] if said else None,
        total=said[-1].get("total") if said else None,
        eta=_eta(said),
    )


def last_event(file: Path, name: str, attempt: int | None) -> dict[str, Any] | None:
    """Return the newest event called `name` of `attempt`, if it is among the last ones."""
    fitting = [
        event
        for event in tail(file)
        if event.get("event") == name and (attempt is None or event.get("attempt") == attempt)
    ]
    return fitting[-1] if fitting else None


def has_started(file: Path, attempt: int) -> bool:
    """Whether the runtime of `attempt` has begun with the cells."""
    return any(
        event.get("attempt") == attempt and event.get("event") != "requirements"
        for event in tail(file, 4096)
    )


def _events(raw: bytes) -> list[dict[str, Any]]:
    events = []
    for line in raw.split(b"\n"):
        if line:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
    return events


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _last(events: list[dict[str, Any]], name: str, key: str) -> int | float | None:
    for event in reversed(events):
        if event.get("event") == name and isinstance(event.get(key), (int, float)):
            value: int | float = event[key]
            return value
    return None


def _ended_badly(events: list[dict[str, Any]]) -> bool:
    """Whether the last cell that ended is not done: it failed, or was stopped."""
    ended = [event for event in events if event.get("event") == "cell_finished"]
    return bool(ended) and ended[-1].get("status") in ("error", "stopped")


def _eta(said: list[dict[str, Any]]) -> float | None:
    """Seconds left at the rate between the first and the last thing said that we can see."""
    if len(said) < 2 or not isinstance(said[-1].get("total"), (int, float)):
        return None
    first, last = said[0], said[-1]
    done, seconds = last["done"] - first["done"], last.get("t", 0) - first.get("t", 0)
    if done <= 0 or seconds <= 0:
        return None
    return max(0.0, float((last["total"] - last["done"]) * seconds / done))


def read(file: Path) -> list[dict[str, Any]]:
    """Return every whole line of a JSON lines file, oldest first."""
    try:
        return _events(file.read_bytes())
    except OSError:
        return []


def read_from(file: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Return the whole lines of a JSON lines file from byte `offset` on, and where they end."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, offset))
            raw = stream.read()
    except OSError:
        return [], offset
    whole, newline, _ = raw.rpartition(b"\n")
    return _events(whole), offset + len(whole) + len(newline)
