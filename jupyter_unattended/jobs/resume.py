"""What checkpoints mean for a job: what it saved and lost, and what the next stop would cost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..paths import JobPaths
from ..runtime import fruitless as _fruitless
from ..runtime import lost_work
from . import attempts, journal

FRUITLESS_ATTEMPTS = _fruitless.ATTEMPTS

Event = Mapping[str, Any]


@dataclass(frozen=True)
class AttemptSaving:
    """What one attempt saved and lost.

    Parameters
    ----------
    number
        The attempt.
    saves, saving_seconds, size
        As in `Resumption`.
    lost_seconds
        Work at its end that no checkpoint had; None while it runs.
    began
        Where it went on, or why it began at the top, in one sentence; empty for a first attempt.
    """

    number: int
    saves: int
    saving_seconds: float
    size: int
    lost_seconds: float | None
    began: str


@dataclass(frozen=True)
class Resumption:
    """What a job saved and lost until now.

    Parameters
    ----------
    saves
        How many checkpoints were saved.
    saving_seconds
        How long the notebook waited for that.
    size
        Bytes of the newest checkpoint.
    lost_seconds
        Work of attempts that ended early which no checkpoint had.
    next_stop
        What the next attempt would start with if this one were stopped now, in one sentence.
    unsaved_seconds
        How much work that would lose; None if no attempt runs.
    attempts
        The same of each attempt.
    """

    saves: int
    saving_seconds: float
    size: int
    lost_seconds: float
    next_stop: str
    unsaved_seconds: float | None
    attempts: list[AttemptSaving] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def of_job(paths: JobPaths, *, running: bool, now: float | None = None) -> Resumption:
    """Return what `paths` tells about checkpoints.

    Parameters
    ----------
    paths
        The job.
    running
        Whether an attempt runs.
    now
        Seconds since the epoch. Default: now.
    """
    events = journal.read(paths.journal)
    now = time.time() if now is None else now
    numbers = sorted({_int(event.get("attempt")) for event in events})
    unsaved: float | None = None
    each = []
    for number in numbers:
        of_attempt = [event for event in events if event.get("attempt") == number]
        lost: float | None = None
        if running and number == numbers[-1]:
            unsaved = max(0.0, now - lost_work.last_safe_moment(of_attempt))
        else:
            attempt = paths.attempt(number)
            ended = attempts.record(attempt).get("ended")
            known = float(ended) if isinstance(ended, (int, float)) else None
            lost = lost_work.seconds(of_attempt, attempt.root, known)
        each.append(_of_attempt(number, of_attempt, lost))
    return Resumption(
        saves=sum(one.saves for one in each),
        saving_seconds=sum(one.saving_seconds for one in each),
        size=next((one.size for one in reversed(each) if one.saves), 0),
        lost_seconds=sum(one.lost_seconds or 0.0 for one in each),
        next_stop=_next_stop(events),
        unsaved_seconds=unsaved,
        attempts=each,
    )


def _of_attempt(number: int, events: list[dict[str, Any]], lost: float | None) -> AttemptSaving:
    saved = [event["saved"] for event in events if isinstance(event.get("saved"), dict)]
    return AttemptSaving(
        number=number,
        saves=len(saved),
        saving_seconds=sum(_float(s.get("blocked", s.get("seconds"))) for s in saved),
        size=_int(saved[-1].get("bytes")) if saved else 0,
        lost_seconds=lost,
        began=_began(events),
    )


def _began(events: Iterable[Event]) -> str:
    """Say where an attempt went on, from what it said itself."""
    words = []
    for event in events:
        if event.get("event") == "from_the_top":
            words.append(f"started from the top, because {event.get('why')}")
        elif event.get("event") == "resumed" and "first_cell" in event:
            words.append(f"went on at cell {_int(event['first_cell']) + 1}")
        elif event.get("event") == "resumed":
            of_total = f" of {event['total']}" if event.get("total") else ""
            words.append(f"its loop went on after step {event.get('steps')}{of_total}")
    return "; ".join(words[:3])


def _next_stop(events: list[dict[str, Any]]) -> str:
    """Say where the next attempt would start."""
    where, since, refusal = "from the top", "", ""
    cell = 0
    for event in events:
        kind, saved, refused = event.get("event"), event.get("saved"), event.get("refused")
        if kind == "cell_started":
            cell = _int(event.get("cell"))
        elif kind == "from_the_top":
            where, since, refusal = "from the top", "", str(event.get("why") or "")
        elif isinstance(saved, dict) and "snapshot" in saved:
            where, since, refusal = f"at cell {_int(saved.get('first_cell')) + 1}", "", ""
        elif isinstance(saved, dict) and "loop" in saved:
            total = f" of {saved['total']}" if saved.get("total") else ""
            since = f", in its loop after step {saved.get('steps')}{total}"
            if where != "from the top":
                where = f"at cell {cell + 1}"
        elif isinstance(refused, dict) and "variable" in refused:
            refusal = str(refused.get("why") or "")
    if since and where == "from the top":
        since = f" and go on{since.replace(', in its loop', f' in the loop of cell {cell + 1}')}"
    because = f", because {refusal}" if refusal else ""
    return f"it would start {where}{since}{because}"


def fruitless(paths: JobPaths) -> str | None:
    """Say why another attempt would be as useless as the last ones; None if it might help."""
    return _fruitless.explain(paths.root, [attempt.number for attempt in paths.existing_attempts()])


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _float(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
