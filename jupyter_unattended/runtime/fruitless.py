"""Whether a job goes round without getting any further."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: A job whose last so many attempts all came no further than the first of them is given up.
ATTEMPTS = 3
_LAST_WORDS = 1 << 16

Event = Mapping[str, Any]


def explain(job_directory: Path, attempts: Sequence[int]) -> str | None:
    """Say why an attempt after `attempts` would be as useless as they were; None if it might help.

    An attempt has brought something if it finished another cell, saved more, reported more, or only
    wrote something else at its end: a notebook may keep checkpoints of its own.

    Parameters
    ----------
    job_directory
        The job.
    attempts
        Numbers of the attempts that ended, oldest first.
    """
    if len(attempts) < ATTEMPTS:
        return None
    events = _read(job_directory / "journal.jsonl")
    metrics = _read(job_directory / "metrics.jsonl")
    last = attempts[-ATTEMPTS:]
    reached = [_reached(number, events, metrics) for number in last]
    words = {_last_words(job_directory / "attempts" / str(number) / "log.txt") for number in last}
    if len(words) > 1 or any(later > reached[0] for later in reached[1:]):
        return None
    cell = reached[0][0] + 1
    return (
        f"the last {ATTEMPTS} attempts came no further than "
        + (f"the beginning of code cell {cell}" if cell > 1 else "the beginning")
        + "; another one would not either"
    )


def before(job_directory: Path, attempt: int) -> str | None:
    """Do the same at the beginning of `attempt`; what a person paused does not count."""
    earlier = [
        int(path.name)
        for path in (job_directory / "attempts").glob("[1-9]*")
        if path.name.isdecimal() and not (path / "paused").exists()
    ]
    return explain(job_directory, sorted(number for number in earlier if number < attempt))


def _read(file: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a JSON lines file."""
    events = []
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return []
    for line in lines:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                events.append(event)
    return events


def _reached(number: int, events: Iterable[Event], metrics: Iterable[Event]) -> tuple[Any, ...]:
    """Return how far an attempt came, as something that can be compared."""
    finished, said, steps = 0, 0.0, 0.0
    loop: tuple[int, ...] = ()
    for event in events:
        if event.get("attempt") != number:
            continue
        kind, saved = event.get("event"), event.get("saved")
        if kind == "cell_finished" and event.get("status") in ("ok", "skipped"):
            finished, loop = max(finished, _int(event.get("ordinal"))), ()
        elif kind == "started":
            finished = max(finished, _int(event.get("done")))
        elif kind == "progress":
            said = max(said, _float(event.get("done")))
        elif isinstance(saved, dict) and "loop" in saved:
            place = tuple(int(part) for part in str(saved["loop"]).split(".") if part.isdecimal())
            loop = max(loop, (*place, _int(saved.get("steps"))))
        elif isinstance(saved, dict) and "name" in saved:
            steps = max(steps, _float(saved.get("step")))
    for line in metrics:
        if line.get("attempt") == number:
            steps = max(steps, _float(line.get("step")))
    return finished, loop, said, steps


def _last_words(log: Path) -> bytes:
    """Return the last line that the notebook itself wrote before it was told to stop."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LAST_WORDS))
            lines = file.read().splitlines()
    except OSError:
        return b""
    # What follows is the traceback of the interrupt, the same every time.
    told = (n for n, line in enumerate(lines) if line.startswith(b"[unattended] received SIG"))
    lines = lines[: next(told, None)]
    own = [line for line in lines if line.strip() and not line.startswith(b"[unattended]")]
    return own[-1] if own else b""


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _float(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
