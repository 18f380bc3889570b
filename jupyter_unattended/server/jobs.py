"""Jobs: list, look, submit, steer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ..errors import InvalidInputError
from ..jobs import resume
from ..jobs.service import JobService
from ..jobs.states import State
from ..jobs.view import JobView
from . import tasks
from .base import UnattendedHandler

#: Job ids, and whatever else `JobService.get` understands that is safe in a path.
JOB = r"/jobs/(?P<ref>[^/]+)"


class JobsHandler(UnattendedHandler):
    """All jobs."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Return jobs, newest first, filtered by the query."""
        words = [word for word in self.get_query_argument("state", "").split(",") if word]
        notebook = self.get_query_argument("notebook", "")
        text = self.get_query_argument("text", "") or None
        limit = self.number("limit", 0) or None
        service, root, describe = self.service, self.root, self.app.describe

        def work() -> dict[str, Any]:
            states = [_state(word) for word in words] or None
            path = root.to_disk(notebook) if notebook else None
            views = service.list(states=states, notebook=path, text=text, limit=limit)
            jobs = [describe(view) for view in views]
            return {"jobs": jobs, "time": time.time(), "total": service.count()}

        await self.answer(work)

    @authenticated
    @authorized
    async def post(self) -> None:
        """Submit a job, or with ``job`` a clone of one, from a form's values."""
        await self.answer_task(tasks.submit, self.body(), status=201)
        self.app.watcher.soon()


class JobHandler(UnattendedHandler):
    """One job."""

    @authenticated
    @authorized
    async def get(self, ref: str) -> None:
        """Return everything about a job except its output."""
        service, describe = self.service, self.app.describe

        def work() -> dict[str, Any]:
            view = service.get(ref)
            return {
                "job": describe(view),
                "record": service.spec(view.id),
                "attempts": [attempt.to_dict() for attempt in service.attempts(view.id)],
                "history": [entry.to_dict() for entry in service.history(view.id)],
                "checkpoints": resume.of_job(
                    service.paths(view.id), running=view.state.is_active
                ).to_dict(),
                "can": _can(service, view),
            }

        await self.answer(work)

    @authenticated
    @authorized
    async def patch(self, ref: str) -> None:
        """Change the priority or the place in the queue."""
        body, service, describe = self.body(), self.service, self.app.describe

        def work() -> dict[str, Any]:
            unknown = body.keys() - {"priority", "position"}
            if unknown or not body:
                raise InvalidInputError(
                    "Only priority and position of a job can be changed"
                    + (f", not {', '.join(sorted(unknown))}." if unknown else "; give one of them.")
                )
            for name, value in body.items():
                if not isinstance(value, int) or isinstance(value, bool):
                    raise InvalidInputError(f"{name}: {value!r} is not a whole number.")
            if "priority" in body:
                service.set_priority(ref, body["priority"])
            if "position" in body:
                service.move(ref, body["position"])
            return describe(service.get(ref))

        await self.answer(work)
        self.app.watcher.soon()

    @authenticated
    @authorized
    async def delete(self, ref: str) -> None:
        """Delete a job with its directory."""
        service = self.service
        await self.answer(lambda: service.delete(ref))
        self.app.watcher.soon()


class ActionHandler(UnattendedHandler):
    """Steering one job."""

    @authenticated
    @authorized
    async def post(self, ref: str, action: str) -> None:
        """Pause, resume, cancel or re-run a job."""
        service, describe = self.service, self.app.describe
        actions: dict[str, Callable[[str], JobView]] = {
            "pause": service.pause,
            "resume": service.resume,
            "cancel": service.cancel,
        }
        if action == "rerun":
            await self.answer_task(tasks.rerun, ref, status=201)
        else:
            await self.answer(lambda: describe(actions[action](ref)))
        self.app.watcher.soon()


def _state(word: str) -> State:
    try:
        return State(word)
    except ValueError:
        known = ", ".join(state.value for state in State)
        raise InvalidInputError(f"state: there is no {word!r}; there are {known}.") from None


def _can(service: JobService, view: JobView) -> dict[str, str]:
    """Return for each action why it cannot be done now; empty where it can."""
    ended = f"It has ended ({view.state})." if view.state.is_final else ""
    able = service.backend(view.backend).capabilities()
    paused = view.state in (State.PAUSED, State.PAUSING)
    queued = view.state is State.QUEUED
    return {
        "pause": able.pause or ended or (f"It is {view.state} already." if paused else ""),
        "resume": able.pause or ended or ("" if paused else "It is not paused."),
        "cancel": ended,
        "move": able.move or ended or ("" if queued else "It is not waiting in a queue."),
        "priority": able.priority or ended,
        "delete": ""
        if view.state.is_final or view.state is State.PAUSED
        else f"It is {view.state}; cancel it first.",
    }


#: Path and handler of each endpoint.
ENDPOINTS: list[tuple[str, Any]] = [
    (r"/jobs", JobsHandler),
    (JOB, JobHandler),
    (JOB + r"/(?P<action>pause|resume|cancel|rerun)", ActionHandler),
]
