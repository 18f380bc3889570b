"""What all request handlers share: who may ask, where work is done, how errors look."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.web import HTTPError, authenticated

from ..errors import PreflightError, UnattendedError
from .tasks import UnforeseenError, encode, finding_dict

if TYPE_CHECKING:
    from ..jobs.service import JobService
    from .app import UnattendedApp
    from .root import Root

#: All endpoints are under this name, below the server's base URL.
PREFIX = "/jupyter-unattended"
#: The name an authorizer knows these endpoints by.
RESOURCE = "unattended"

T = TypeVar("T")


class UnattendedHandler(ExtensionHandlerMixin, APIHandler):
    """Base of all handlers.

    A subclass's method is decorated with ``@authenticated`` and ``@authorized`` and consists of one
    ``await self.answer(function)``: the function runs in a thread (or in another process,
    ``answer_task``), so that no request ever holds up
    the event loop, and what it raises becomes JSON with a message for a person.
    """

    auth_resource = RESOURCE

    @property
    def app(self) -> UnattendedApp:
        """The extension."""
        return cast("UnattendedApp", self.extensionapp)

    @property
    def service(self) -> JobService:
        """The one door to jobs."""
        self.app.watcher.somebody_looks()
        return self.app.service

    @property
    def root(self) -> Root:
        """What the file browser shows: paths in requests are below it."""
        return self.app.root

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run `function` in a thread for quick work and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self.app.quick, function)

    async def answer(self, function: Callable[[], Any], *, status: int = 200) -> None:
        """Answer with what `function` returns, as JSON.

        Parameters
        ----------
        function
            Runs in a thread. It returns plain data, bytes that are JSON already, or None for an
            empty answer.
        status
            The status where all is well.
        """
        await self._answer(self.in_thread(lambda: encode(function())), status)

    async def answer_task(
        self, task: Callable[..., Any], *arguments: Any, status: int = 200
    ) -> None:
        """Answer with what a task of the module ``tasks`` returns; it runs in another process."""
        self.app.watcher.somebody_looks()
        await self._answer(self.app.workers.run(task, *arguments), status)

    async def _answer(self, work: Awaitable[bytes | None], status: int) -> None:
        try:
            result = await work
        except UnattendedError as error:
            self.refuse(error)
            return
        except HTTPError:
            raise
        except Exception as error:
            self.log.exception("%s %s", self.request.method, self.request.path)
            self.set_status(500)
            kind = "" if isinstance(error, UnforeseenError) else f"{type(error).__name__}: "
            self.finish(
                {
                    "message": f"This went wrong in a way nobody foresaw ({kind}{error}); the "
                    "server's log has the details.",
                    "error": type(error).__name__,
                }
            )
            return
        self.set_status(204 if result is None else status)
        if result is not None:
            self.set_header("Content-Type", "application/json")
        self.finish(result)

    def refuse(self, error: UnattendedError) -> None:
        """Answer with an error's own status and words."""
        self.set_status(error.http_status)
        body: dict[str, Any] = {"message": str(error), "error": type(error).__name__}
        if isinstance(error, PreflightError):
            body["findings"] = [finding_dict(finding) for finding in error.findings]
        self.finish(body)

    def body(self) -> dict[str, Any]:
        """Return the request's JSON object."""
        try:
            found = json.loads(self.request.body.decode("utf-8") or "{}")
            # Half a character (a lone surrogate) is JSON, and can be written nowhere.
            json.dumps(found, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise HTTPError(400, f"The request's body is not JSON ({error}).") from error
        if not isinstance(found, dict):
            raise HTTPError(400, "The request's body is not a JSON object.")
        return found

    def number(self, name: str, default: int) -> int:
        """Return a whole number from the query."""
        text = self.get_query_argument(name, "")
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            raise HTTPError(400, f"{name}: {text!r} is not a whole number.") from None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer JSON with a message, also for what Tornado itself refuses."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = getattr(error, "log_message", None) or self._reason
        self.set_header("Content-Type", "application/json")
        self.finish({"message": str(message), "error": type(error).__name__})


class NotFoundHandler(UnattendedHandler):
    """Everything below our prefix that is no endpoint."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Say that there is no such thing."""
        raise HTTPError(404, f"There is no {self.request.path} here; openapi.yaml has what is.")

    post = put = patch = delete = get
