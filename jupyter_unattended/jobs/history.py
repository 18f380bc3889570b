"""history.jsonl: every change of a job's state that was observed, and by whom."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from .states import State
from .view import HistoryEntry


def line(
    state: State,
    reason: str = "",
    *,
    by: str,
    at: float | None = None,
    attempt: int | None = None,
    exit_code: int | None = None,
    **more: Any,
) -> str:
    """Return one line of history.jsonl, with its newline."""
    entry: dict[str, Any] = {
        "t": round(time.time() if at is None else at, 3),
        "state": state.value,
        "reason": reason,
        "by": by,
    }
    if attempt is not None:
        entry["attempt"] = attempt
    if exit_code is not None:
        entry["exit_code"] = exit_code
    return json.dumps({**entry, **more}, ensure_ascii=False) + "\n"


def append(file: Path, text: str) -> None:
    """Append one line in a single write; a torn line before it is closed off first."""
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + text.encode())
    finally:
        os.close(descriptor)


def read(file: Path) -> list[HistoryEntry]:
    """Return all entries, oldest first; lines that are torn or not ours are skipped.

    A change that was noted twice, because who noted it was killed just after, is one change.
    """
    try:
        raw = file.read_bytes()
    except OSError:
        return []
    entries: list[HistoryEntry] = []
    for found in map(_parse, raw.splitlines()):
        if found is None:
            continue
        last = entries[-1] if entries else None
        if last is None or (found.state, found.attempt) != (last.state, last.attempt):
            entries.append(found)
    return entries


def _parse(raw: bytes) -> HistoryEntry | None:
    try:
        entry = json.loads(raw)
        return HistoryEntry(
            time=float(entry["t"]),
            state=State(entry["state"]),
            reason=str(entry.get("reason") or ""),
            by=str(entry.get("by") or ""),
            attempt=entry.get("attempt"),
            exit_code=entry.get("exit_code"),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
