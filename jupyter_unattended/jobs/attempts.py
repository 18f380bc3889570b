"""What attempts left behind: attempt.json and the preallocated ``exit`` file."""

from __future__ import annotations

import json
from typing import Any

from ..paths import AttemptPaths, JobPaths
from .view import AttemptView


def record(paths: AttemptPaths) -> dict[str, Any]:
    """Return attempt.json as it is, completed from ``exit`` where it has no end; {} if missing."""
    try:
        found = json.loads(paths.record.read_bytes())
        entry = found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        entry = {}
    if entry.get("exit_code") is None:
        ending = _exit_file(paths)
        if ending is not None:
            entry["exit_code"], entry["ended"] = ending
    return entry


def read(paths: AttemptPaths) -> AttemptView:
    """Return one attempt."""
    entry = record(paths)
    return AttemptView(
        number=paths.number,
        host=entry.get("host"),
        started=entry.get("started"),
        ended=entry.get("ended"),
        exit_code=entry.get("exit_code"),
        signal=entry.get("signal"),
        reason=entry.get("reason"),
        log=str(paths.log),
    )


def read_all(paths: JobPaths) -> list[AttemptView]:
    """Return all attempts of a job, oldest first."""
    return [read(attempt) for attempt in paths.existing_attempts()]


def _exit_file(paths: AttemptPaths) -> tuple[int, float | None] | None:
    try:
        words = paths.exit.read_bytes().split()
        if not words:
            return None
        return int(words[0]), float(words[1]) if len(words) > 1 else None
    except (OSError, ValueError):
        return None
