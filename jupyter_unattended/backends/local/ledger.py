"""Writing down what becomes of jobs: in their history.jsonl, and in the queue."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...jobs import history
from ...jobs.states import State
from .queue import Entry, LocalQueue


class Ledger:
    """Where the agent writes changes of state.

    Parameters
    ----------
    queue
        The queue.
    log
        Where to say what went wrong.
    """

    def __init__(self, queue: LocalQueue, log: Callable[[str], None]) -> None:
        self.queue = queue
        self.log = log

    def enter(
        self, entry: Entry, state: State, reason: str, was: State | None = None, **columns: object
    ) -> None:
        """Change a job's state: in history.jsonl, then in the queue.

        If the agent dies in between, the next one comes to the same end and notes it again, which
        readers of the history put together; the other way round a change could be missing.
        """
        now = time.time()
        code = columns.get("exit_code")
        self.note(entry, state, reason, now, code if isinstance(code, int) else None)
        self.queue.enter(entry.id, state, reason, now, was, **columns)
        entry.state, entry.reason = state.value, reason

    def note(
        self, entry: Entry, state: State, reason: str, at: float, exit_code: int | None
    ) -> None:
        """Note a change in the job's history, if its directory lets us."""
        # The attempt that a queued or starting job will be has no number yet.
        number = None if state in (State.QUEUED, State.STARTING) else entry.attempt or None
        text = history.line(state, reason, by="agent", at=at, attempt=number, exit_code=exit_code)
        try:
            history.append(entry.paths.history, text)
        except OSError as error:
            self.log(f"{entry.id}: {entry.paths.history} cannot be written ({error.strerror})")
