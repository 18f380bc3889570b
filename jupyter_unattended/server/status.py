"""Who this server is: version, and backends that work here."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from .._version import __version__
from ..backends import registry
from ..forms import BackendChoice
from ..jobs.service import JobService
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


def backend_choices(service: JobService) -> list[BackendChoice]:
    """Return all backends as a form shows them: usable ones first."""
    loaded, broken = registry.all(service.state_dir)
    choices = [BackendChoice.of(service.backend(n), b.availability()) for n, b in loaded.items()]
    choices += [
        BackendChoice(name, name, usable=False, reason=reason, disabled={}, options={})
        for name, reason in broken.items()
    ]
    return sorted(choices, key=lambda choice: not choice.usable)


#: Path and handler of each endpoint.
ENDPOINTS: list[tuple[str, Any]] = [
    (r"/status", StatusHandler),
    (r"/backends", BackendsHandler),
]
