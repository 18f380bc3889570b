"""Asking the backends how jobs stand, and keeping what they say."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BackendError, BackendUnavailableError, SpecError, StoreError
from ..paths import JobPaths
from . import aftermath, history, journal
from .discovery import finish, may_be_alive
from .states import State
from .store import Row, Store
from .view import JobView

if TYPE_CHECKING:
    from ..backends.base import Backend, Observation


class Observer:
    """Polls backends, one call each, and writes what changed to the index.

    Parameters
    ----------
    store
        The index.
    backend
        Returns a backend by name.
    """

    def __init__(self, store: Store, backend: Callable[[str], Backend]) -> None:
        self._store = store
        self._backend = backend
        self._positions: dict[str, int | None] = {}
        #: Whether what was last observed is in the index (a full disk may prevent it).
        self.is_kept = True

    def refresh(self, rows: list[Row]) -> dict[str, Row]:
        """Return `rows` as they are now, by id.

        What changed is written to the index where that can be done; where it cannot (full disk),
        the answer is true all the same.
        """
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.backend, []).append(row)
        current: dict[str, Row] = {}
        changes: dict[str, dict[str, Any]] = {}
        for name, group in groups.items():
            for before, after in zip(group, self._observe(name, group), strict=True):
                current[after.id] = after
                old = asdict(before)
                changed = {key: value for key, value in asdict(after).items() if value != old[key]}
                if changed:
                    changes[after.id] = changed
        self.is_kept = False
        with contextlib.suppress(StoreError):
            self._store.update(changes)
            self.is_kept = True
        return current

    def view(self, row: Row) -> JobView:
        """Return what a face is told; unfinished jobs are looked at in their directories."""
        if State(row.state).is_final:
            return row.view()
        progress = journal.progress(JobPaths(Path(row.directory)).journal) if row.attempt else None
        return row.view(self._positions.get(row.id), progress)

    def _observe(self, name: str, rows: list[Row]) -> list[Row]:
        from ..backends.base import JobRef

        try:
            backend = self._backend(name)
            observations = backend.poll(
                [JobRef(row.id, row.handle, JobPaths(Path(row.directory))) for row in rows]
            )
        except (BackendError, BackendUnavailableError, SpecError) as error:
            return [self._unanswered(row, str(error)) for row in rows]
        after = []
        for row in rows:
            seen = observations.get(row.id)
            now = self._forgotten(row) if seen is None else self._seen(row, seen)
            if not backend.keeps_history and (now.state, now.attempt) != (row.state, row.attempt):
                self._keep_history(now)
            after.append(now)
        return after

    def _seen(self, row: Row, seen: Observation) -> Row:
        self._positions[row.id] = seen.position
        changed = seen.state.value != row.state
        since = seen.since if seen.since is not None else (time.time() if changed else row.since)
        now = replace(
            row,
            state=seen.state.value,
            reason=seen.reason,
            since=since,
            exit_code=seen.exit_code,
            attempt=row.attempt if seen.attempt is None else seen.attempt,
            priority=row.priority if seen.priority is None else seen.priority,
            submitter=None,
        )
        if seen.state.is_final:
            finish(now)
            if seen.state is State.FAILED and not seen.reason:
                paths = JobPaths(Path(row.directory))
                now.reason = aftermath.explain(paths, now.attempt, now.exit_code)
        elif now.attempt and now.started is None:
            finish(now)
        return now

    def _forgotten(self, row: Row) -> Row:
        """Decide about a job of which its scheduler has no memory, from its directory."""
        if row.submitter is not None and may_be_alive(row.submitter, row.created):
            return row
        self._positions.pop(row.id, None)
        state, reason, code, attempt = aftermath.decide(JobPaths(Path(row.directory)))
        if row.submitter is not None and not attempt:
            reason = (
                f"the process that submitted it ended before {row.backend} had it; rerun it to "
                "submit it again"
            )
        now = replace(
            row, state=state.value, reason=reason, since=time.time(), exit_code=code,
            attempt=attempt, submitter=None,
        )  # fmt: skip
        finish(now)
        return now

    def _unanswered(self, row: Row, why: str) -> Row:
        """Say that the scheduler does not answer; never that the job failed."""
        self._positions.pop(row.id, None)
        if row.state == State.UNKNOWN.value or row.submitter is not None:
            return row
        now = time.time()
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        return replace(
            row,
            state=State.UNKNOWN.value,
            reason=f"{row.backend} does not answer since {clock}, before that it was {row.state}: "
            f"{why}",
            since=now,
        )

    @staticmethod
    def _keep_history(row: Row) -> None:
        text = history.line(
            State(row.state),
            row.reason,
            by="service",
            at=row.since,
            attempt=row.attempt or None,
            exit_code=row.exit_code,
        )
        with contextlib.suppress(OSError):
            history.append(JobPaths(Path(row.directory)).history, text)
