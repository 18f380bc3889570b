"""The form for one notebook, and a preview of what it would submit."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from . import tasks
from .base import UnattendedHandler


class FormHandler(UnattendedHandler):
    """The form for a notebook as it is on disk, or for a clone of a job."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Return schema, values, findings and backends."""
        query = [self.get_query_argument(name, "") for name in ("notebook", "job", "backend")]
        await self.answer_task(tasks.form, *query)


class PreviewHandler(UnattendedHandler):
    """What would be submitted."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Return start.sh and what the backend would be given, and the findings."""
        await self.answer_task(tasks.preview, self.body())


#: Path and handler of each endpoint.
ENDPOINTS: list[tuple[str, Any]] = [
    (r"/form", FormHandler),
    (r"/preview", PreviewHandler),
]
