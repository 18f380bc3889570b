"""Who this server is: version, and backends that work here."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from .._version import __version__
from ..forms import backend_choices
from .base import UnattendedHandler


class StatusHandler(UnattendedHandler):
    """The versions' handshake."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Return the version of the server's side."""
        await self.answer(lambda: {"version": __version__})


class BackendsHandler(UnattendedHandler):
    """Where jobs can run."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Return all backends, also those that cannot be used here, with the reason."""
        service = self.service
        await self.answer(
            lambda: {"backends": [choice.to_dict() for choice in backend_choices(service)]}
        )


#: Path and handler of each endpoint.
ENDPOINTS: list[tuple[str, Any]] = [
    (r"/status", StatusHandler),
    (r"/backends", BackendsHandler),
]
