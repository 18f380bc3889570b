"""Telling browsers what changed, without their asking."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from ..errors import UnattendedError

if TYPE_CHECKING:
    from ..jobs.service import JobService

#: Where the event's schema is registered.
SCHEMA_ID = "https://schema.jupyter-unattended.org/job"
#: Nobody asked for anything for so many seconds: nobody is looking, and schedulers are left alone.
_ATTENTION = 120.0
#: All jobs are read again this often, also when the index looks untouched.
_FULL = 30.0


class Watcher:
    """Compares the jobs with how they were a moment ago and emits what differs.

    Parameters
    ----------
    service
        The jobs.
    executor
        Where the comparing is done.
    interval
        Seconds between two looks.
    emit
        Called in the event loop with the data of each event.
    describe
        Turns a view into what is sent.
    """

    def __init__(
        self,
        service: JobService,
        executor: Executor,
        interval: float,
        emit: Callable[[dict[str, Any]], None],
        describe: Callable[[Any], dict[str, Any]],
    ) -> None:
        self._service = service
        self._executor = executor
        self._interval = interval
        self._emit = emit
        self._describe = describe
        self._known: dict[str, dict[str, Any]] | None = None
        self._index_seen: tuple[int, int] | None = None
        self._full_at = 0.0
        self._looked_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._log = logging.getLogger(__name__)

    def start(self) -> None:
        """Begin; called in the event loop."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """End, and wait for it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def somebody_looks(self) -> None:
        """Note that a browser is there."""
        self._looked_at = time.monotonic()

    def soon(self) -> None:
        """Look again at once, because a request has just changed something."""
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if time.monotonic() - self._looked_at < _ATTENTION:
                try:
                    for event in await loop.run_in_executor(self._executor, self._compare):
                        self._emit(event)
                except UnattendedError as error:
                    self._log.warning("jobs cannot be listed: %s", error)
                except Exception:
                    self._log.exception("jobs cannot be listed")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._interval)
            self._wake.clear()

    def _compare(self) -> list[dict[str, Any]]:
        """Return the events since the last call; the first call only takes note."""
        now = time.monotonic()
        stamp = self._index_stamp()
        if self._known is None or stamp != self._index_seen or now - self._full_at > _FULL:
            # Read before listing: a change in between is then seen the next time.
            self._index_seen, self._full_at = stamp, now
            views = self._service.list()
            complete = True
        else:
            views = self._service.unfinished()
            complete = False
        current = {view.id: self._describe(view) for view in views}
        known, self._known = self._known, {**(self._known or {}), **current}
        if complete:
            self._known = current
        if known is None:
            return []
        events: list[dict[str, Any]] = [
            {"action": "changed", "id": job_id, "job": job}
            for job_id, job in current.items()
            if known.get(job_id) != job
        ]
        if complete:
            events += [{"action": "deleted", "id": i} for i in known.keys() - current.keys()]
        return events

    def _index_stamp(self) -> tuple[int, int] | None:
        try:
            found = self._service.store.file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
