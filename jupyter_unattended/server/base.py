"""What all request handlers share: who may ask, where work is done, how errors look."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.web import HTTPError

from ..errors import InvalidInputError, PreflightError, UnattendedError

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
    ``await self.answer(function)``: the function runs in a thread, so that no request ever holds up
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

    async def answer(
        self, function: Callable[[], Any], *, status: int = 200, heavy: bool = False
    ) -> None:
        """Answer with what `function` returns, as JSON.

        Parameters
        ----------
        function
            Runs in a thread. It returns plain data, bytes that are JSON already, or None for an
            empty answer.
        status
            The status where all is well.
        heavy
            Whether this takes long (reading and checking a notebook, writing a job directory): such
            work has threads of its own, so that it never delays looking at jobs.
        """
        pool = self.app.heavy if heavy else self.app.quick
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                pool, lambda: encode(function())
            )
        except UnattendedError as error:
            self.refuse(error)
            return
        except HTTPError:
            raise
        except Exception as error:
            self.log.exception("%s %s", self.request.method, self.request.path)
            self.set_status(500)
            self.finish(
                {
                    "message": f"This went wrong in a way nobody foresaw ({type(error).__name__}: "
                    f"{error}); the server's log has the details.",
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
        except ValueError as error:
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


def finding_dict(finding: Any) -> dict[str, Any]:
    """Return a preflight finding as plain data."""
    return {
        name: getattr(finding, name)
        for name in ("code", "severity", "cell", "line", "message", "fix")
    }


def encode(result: Any) -> bytes | None:
    """Return JSON; done in the worker thread, because a long list takes a while."""
    if result is None or isinstance(result, bytes):
        return result
    return json.dumps(result, ensure_ascii=False).encode()


def required(body: dict[str, Any], name: str, kind: type[T]) -> T:
    """Return a field of the request's body, or say that it is missing or of the wrong type."""
    value = body.get(name)
    if not isinstance(value, kind):
        raise InvalidInputError(
            f"{name}: expected {_KINDS.get(kind, kind.__name__)} in the request."
        )
    return value


_KINDS: dict[type, str] = {str: "a text", dict: "an object", bool: "true or false", int: "a number"}
