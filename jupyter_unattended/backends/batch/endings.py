"""How jobs ended, as a scheduler's accounting tells.

That may be one large file, so it is asked rarely.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .observe import Seen

#: What is not written there yet is asked for again after so many seconds, then twice as many.
_FIRST_DELAY = 5.0
_LONGEST_DELAY = 600.0


@dataclass
class _Answer:
    seen: Seen | None
    again_at: float
    delay: float


class Endings:
    """Remembers what the accounting said of jobs that ended.

    Parameters
    ----------
    ask
        Asks the accounting about jobs and returns what it knows.
    """

    def __init__(self, ask: Callable[[Sequence[str]], dict[str, Seen]]) -> None:
        self._ask = ask
        self._answers: dict[str, _Answer] = {}

    def of(self, ids: Sequence[str], live: Iterable[str]) -> dict[str, Seen]:
        """Return how jobs ended, as far as it is known.

        Parameters
        ----------
        ids
            The jobs.
        live
            Jobs that the scheduler has now: they will end anew.
        """
        for one in live:
            self._answers.pop(one, None)
        now = time.monotonic()
        wanted = [one for one in ids if one and self._is_due(one, now)]
        found = self._ask(wanted) if wanted else {}
        for one in wanted:
            before = self._answers.get(one)
            delay = min(_LONGEST_DELAY, 2 * before.delay) if before else _FIRST_DELAY
            again_at = math.inf if one in found else now + delay
            self._answers[one] = _Answer(found.get(one), again_at, delay)
        answers = {one: self._answers[one].seen for one in ids if one in self._answers}
        return {one: seen for one, seen in answers.items() if seen is not None}

    def _is_due(self, id_: str, now: float) -> bool:
        answer = self._answers.get(id_)
        return answer is None or now >= answer.again_at
