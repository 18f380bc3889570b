"""What a job writes while it runs: log, metrics, executed notebook; each from where one stopped."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ..errors import JobNotFoundError, UnattendedError
from ..jobs import journal
from ..jobs.view import LogChunk
from .base import UnattendedHandler
from .jobs import JOB

#: Seconds between two looks at a log that a browser waits for.
_PAUSE = 0.25
#: Longest wait for new text in one request, in seconds; proxies cut longer ones off.
_LONGEST_WAIT = 25.0


class LogHandler(UnattendedHandler):
    """An attempt's log."""

    gone = False

    def on_connection_close(self) -> None:
        """Note that the browser does not wait any more."""
        self.gone = True

    @authenticated
    @authorized
    async def get(self, ref: str) -> None:
        """Return the log from a byte offset on; with ``wait``, when there is more of it."""
        offset = self.number("offset", 0)
        limit = min(max(self.number("limit", 1 << 18), 4), 1 << 22)
        attempt = self.number("attempt", 0) or None
        deadline = time.monotonic() + min(self.number("wait", 0), _LONGEST_WAIT)
        service = self.service

        def read() -> LogChunk:
            return service.read_log(ref, offset, attempt, limit)

        try:
            chunk = await self.in_thread(read)
            # A worker is only held while reading, not while waiting.
            while not (chunk.text or chunk.last or time.monotonic() > deadline):
                await asyncio.sleep(_PAUSE)
                if self.gone:
                    return
                chunk = await self.in_thread(read)
        except UnattendedError as error:
            self.refuse(error)
            return
        await self.answer(chunk.to_dict)


class MetricsHandler(UnattendedHandler):
    """What the notebook reported."""

    @authenticated
    @authorized
    async def get(self, ref: str) -> None:
        """Return metrics from a byte offset on."""
        offset = self.number("offset", 0)
        service = self.service

        def work() -> dict[str, Any]:
            events, reached = journal.read_from(service.paths(ref).metrics, offset)
            return {"metrics": events, "offset": reached}

        await self.answer(work)


class OutputHandler(UnattendedHandler):
    """The executed notebook."""

    @authenticated
    @authorized
    async def get(self, ref: str) -> None:
        """Return the notebook, unless it is still the version that the browser has."""
        seen = self.get_query_argument("seen", "")
        service = self.service

        def work() -> bytes:
            paths = service.paths(ref)
            for file in (paths.output, paths.notebook):
                try:
                    with file.open("rb") as stream:
                        found = os.fstat(stream.fileno())
                        version = f"{file.name}-{found.st_mtime_ns:x}-{found.st_size:x}"
                        content = b"null" if version == seen else stream.read()
                except FileNotFoundError:
                    continue
                # The notebook is put in as it is: no need to read what only the browser draws.
                return b'{"version": %s, "notebook": %s}' % (
                    json.dumps(version).encode(),
                    content.strip() or b"null",
                )
            raise JobNotFoundError(f"The notebook of {ref} is gone from {paths.root}.")

        await self.answer(work)


#: Path and handler of each endpoint.
ENDPOINTS: list[tuple[str, Any]] = [
    (JOB + r"/log", LogHandler),
    (JOB + r"/metrics", MetricsHandler),
    (JOB + r"/output", OutputHandler),
]
