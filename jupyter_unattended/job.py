"""A job in Python, and a list of them.

A `Job` is a handle: it holds an id and asks when it is asked, so it never goes stale and survives
the kernel it was made in (``jobs()`` finds it again).
"""

from __future__ import annotations

import asyncio
import builtins
import functools
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import JobFailedError, WaitTimeoutError, WorkspaceError
from .jobs.service import JobService
from .jobs.states import State

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from .jobs.view import AttemptView, HistoryEntry, JobView, Progress


@functools.cache
def service() -> JobService:
    """Return this process's `JobService`, made when it is first needed."""
    return JobService()


class Job:
    """One job. Reading a property asks for the job as it is now.

    Parameters
    ----------
    ref
        A job's id, the unique beginning of one, or a name (the newest job so called).

    Raises
    ------
    JobNotFoundError
        If there is no such job.
    """

    def __init__(self, ref: str) -> None:
        self.id = service().get(ref, refresh=False).id

    # -- what it is ------------------------------------------------------------------------------

    def view(self) -> JobView:
        """Return everything that is known about the job now, as one consistent piece of data."""
        return service().get(self.id)

    @property
    def name(self) -> str:
        """The name for people."""
        return service().get(self.id, refresh=False).name

    @property
    def directory(self) -> Path:
        """The job directory on the workspace."""
        return service().paths(self.id).root

    @property
    def state(self) -> State:
        """Where the job is in its life."""
        return self.view().state

    @property
    def reason(self) -> str:
        """Why it is in this state, in one sentence; may be empty."""
        return self.view().reason

    @property
    def exit_code(self) -> int | None:
        """The exit code of start.sh, once the job has ended with one."""
        return self.view().exit_code

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        return self.view().progress

    @property
    def parameters(self) -> dict[str, Any]:
        """The value of every parameter of the notebook, as this job sees it."""
        return dict(service().spec(self.id)["spec"]["parameters"])

    def attempts(self) -> builtins.list[AttemptView]:
        """Return the attempts, oldest first."""
        return service().attempts(self.id)

    def history(self) -> builtins.list[HistoryEntry]:
        """Return every change of state that was observed, oldest first."""
        return service().history(self.id)

    # -- what comes out --------------------------------------------------------------------------

    def logs(self, attempt: int | None = None) -> str:
        """Return the log so far: of all attempts one after the other, or of one."""
        return "".join(service().logs(self.id, attempt))

    def follow(self, attempt: int | None = None) -> Iterator[str]:
        """Yield the log in pieces as it is written, until the job has ended."""
        return service().logs(self.id, attempt, follow=True)

    def result(self) -> NotebookNode:
        """Return the executed notebook as it is now; while the job runs, with the outputs so far.

        Raises
        ------
        WorkspaceError
            If nothing has been written yet.
        """
        import nbformat

        path = service().paths(self.id).output
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise WorkspaceError(
                f"{self.id} has no executed notebook yet; it is {self.state}."
            ) from None
        except OSError as error:
            raise WorkspaceError(f"{path} cannot be read ({error.strerror}).") from error
        node: NotebookNode = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
        return node

    def metrics(self) -> Any:
        """Return what the notebook reported, a row for each ``report()``.

        Returns
        -------
        pandas.DataFrame or list of dict
            Columns ``time``, ``attempt``, ``step`` and one for each metric; a list of rows where
            pandas is not installed.
        """
        rows = [
            {
                "time": entry.get("t"),
                "attempt": entry.get("attempt"),
                "step": entry.get("step"),
                **entry.get("values", {}),
            }
            for entry in service().metrics(self.id)
        ]
        try:
            import pandas as pd
        except ImportError:
            return rows
        frame = pd.DataFrame(rows, columns=None if rows else ["time", "attempt", "step"])
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
        return frame

    # -- waiting ---------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None, *, check: bool = False) -> Job:
        """Wait until the job has ended.

        Interrupting the wait leaves the job alone.

        Parameters
        ----------
        timeout
            Wait at most so many seconds. Default: for ever.
        check
            Raise if the job did not succeed.

        Raises
        ------
        WaitTimeoutError
            If the job had not ended after `timeout` seconds.
        JobFailedError
            If `check` and the job failed or was cancelled.
        """
        try:
            view = service().wait(self.id, timeout)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped waiting; the job {self.id} was not touched and goes on"
            ) from None
        self._check(view, timeout, check=check)
        return self

    def __await__(self) -> Generator[Any, None, Job]:
        """Wait in a cell or coroutine: ``await job``."""
        return self._wait_async().__await__()

    async def _wait_async(self) -> Job:
        pause = 0.05
        while not (await asyncio.to_thread(self.view)).state.is_final:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)
        return self

    def _check(self, view: JobView, timeout: float | None, *, check: bool) -> None:
        if not view.state.is_final:
            raise WaitTimeoutError(f"{self.id} is still {view.state} after {timeout:g} s.")
        if check and view.state is not State.SUCCEEDED:
            reason = f": {view.reason}" if view.reason else ""
            raise JobFailedError(f"{self.id} {_ended(view.state)}{reason}")

    # -- steering --------------------------------------------------------------------------------

    def pause(self) -> Job:
        """Stop it so that `resume` can follow; returns at once."""
        service().pause(self.id)
        return self

    def resume(self) -> Job:
        """Queue the next attempt of a paused job."""
        service().resume(self.id)
        return self

    def cancel(self) -> Job:
        """Stop it for good; returns at once, before the grace period is over."""
        service().cancel(self.id)
        return self

    def rerun(self) -> Job:
        """Submit the same notebook, as it was then, with the same specification, as a new job."""
        return Job(service().rerun(self.id).id)

    def clone(self, **changes: Any) -> Job:
        """Like `rerun`, with fields changed: ``job.clone(parameters={"epochs": 60}, cpus=8)``."""
        return Job(service().clone(self.id, **changes).id)

    def delete(self) -> None:
        """Remove the job and its directory with all its output; refused while it is active."""
        service().delete(self.id)

    # -- showing ---------------------------------------------------------------------------------

    def __repr__(self) -> str:
        from .rendering import one_line

        return one_line(self.view(), time.time())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Show a live display in a notebook, plain text elsewhere (called by IPython)."""
        from .kernel import live

        return live.bundle(self)


class JobList(builtins.list[Job]):
    """A list of jobs that a notebook shows as a table."""

    def wait(self, timeout: float | None = None, *, check: bool = False) -> JobList:
        """Wait until all have ended; see `Job.wait`.

        Parameters
        ----------
        timeout
            Wait at most so many seconds, for all together. Default: for ever.
        check
            Raise if one of them did not succeed, once all have ended.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for job in self:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                job.wait(left)
            except WaitTimeoutError:
                raise WaitTimeoutError(
                    f"{job.id} is still {job.state} after {timeout:g} s."
                ) from None
        if check:
            for job in self:
                job.wait(check=True)
        return self

    def _repr_html_(self) -> str:
        from .rendering import table

        return table([job.view() for job in self], time.time())


def _ended(state: State) -> str:
    return "was cancelled" if state is State.CANCELLED else str(state)
