"""The one door: every face submits, lists and steers jobs through `JobService`.

Listing and showing import nothing heavy; what only a submit needs (pydantic, nbformat) is imported
by ``jobs.submission`` when it is called. All methods are synchronous, safe to call from several
threads, and raise only errors from ``jupyter_unattended.errors``.
"""

from __future__ import annotations

import builtins
import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import statedir
from ..backends import registry
from ..errors import (
    BackendUnavailableError,
    ConflictError,
    SpecError,
    UnsupportedError,
    WorkspaceError,
)
from ..paths import JobPaths
from . import attempts as attempt_records
from . import history as job_history
from . import journal, logs
from .discovery import Discovery, read_record
from .logs import Remote
from .observer import Observer
from .removal import remove
from .states import State
from .store import Row, Store
from .view import AttemptView, HistoryEntry, JobView, LogChunk

if TYPE_CHECKING:
    from ..backends.base import Backend, JobRef, Rendering
    from ..spec import JobSpec
    from .preparation import Prepared


class JobService:
    """All jobs of this user.

    Parameters
    ----------
    state_dir
        Where the index is. Default: ``$UNATTENDED_STATE_DIR``, else ``jupyter-unattended`` under
        ``$XDG_STATE_HOME`` (``~/.local/state``).
    """

    def __init__(self, state_dir: Path | None = None) -> None:
        self.state_dir = statedir.default() if state_dir is None else Path(state_dir).absolute()
        self.store = Store(self.state_dir)
        self._backends: dict[str, Backend] = {}
        self._discovery = Discovery(self.store)
        self._observer = Observer(self.store, self.backend)

    def backend(self, name: str) -> Backend:
        """Return the backend called `name`, made once.

        Raises
        ------
        SpecError
            If there is none of this name.
        BackendUnavailableError
            If it cannot be loaded.
        """
        if name not in self._backends:
            self._backends[name] = registry.get(name, self.state_dir)
        return self._backends[name]

    # -- submitting --------------------------------------------------------------------------------

    def prepare(self, spec: JobSpec) -> Prepared:
        """Do all of a submit that has no side effects: what forms, ``check`` and previews show.

        Preflight's errors are in the answer, not raised.

        Raises
        ------
        InvalidInputError
            If the notebook, the arguments or the spec cannot be used.
        """
        from . import submission

        return submission.prepare(self, spec)

    def prepare_clone(self, ref: str, **changes: Any) -> Prepared:
        """Do all of a `clone` that has no side effects, as `prepare` does of a submit."""
        from . import submission

        return submission.prepare_clone(self, self._discovery.find(ref), changes)

    def submit(
        self,
        spec: JobSpec,
        *,
        force: bool = False,
        secrets: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> JobView:
        """Submit one job and return it, queued.

        All or nothing: when this raises, there is no job directory and the backend has no job.

        Parameters
        ----------
        spec
            What to run.
        force
            Submit although preflight found errors.
        secrets
            Values for ``spec.secret_env``; they are in no file of the job directory. Names without
            a value here are taken from this process's environment.
        content
            Run this notebook, as bytes of an .ipynb file, in the place of what is in the file.

        Raises
        ------
        PreflightError
            If preflight found errors; it has the findings.
        InvalidInputError
            If the notebook, the arguments or the spec cannot be used.
        BackendError, BackendUnavailableError
            If the backend does not take the job.
        """
        from . import submission

        return submission.submit_many(
            self, [spec], force=force, secrets=secrets or {}, content=content
        )[0]

    def submit_many(
        self,
        specs: Iterable[JobSpec],
        *,
        force: bool = False,
        secrets: Mapping[str, str] | None = None,
    ) -> list[JobView]:
        """Submit jobs together, reading each notebook once; see `submit`.

        Nothing is submitted when one of them is refused. Where a backend takes one job at a time
        and fails in between, those that it has stay.
        """
        from . import submission

        return submission.submit_many(self, specs, force=force, secrets=secrets or {})

    def write_rendered(self, spec: JobSpec, *, force: bool = False) -> tuple[Rendering, Path]:
        """Write a job directory, and return what to hand to the scheduler by hand, and where it is.

        For who may not submit: somebody else applies it. Such a job is in no list.

        Raises
        ------
        UnsupportedError
            If the backend needs more than what it renders.
        """
        from . import submission

        return submission.write_rendered(self, spec, force=force)

    def rerun(self, ref: str, *, secrets: Mapping[str, str] | None = None) -> JobView:
        """Submit a job's own notebook, as it was then, with the same spec as a new job."""
        from . import submission

        return submission.resubmit(self, self._discovery.find(ref), {}, secrets or {})

    def clone(
        self,
        ref: str,
        *,
        secrets: Mapping[str, str] | None = None,
        force: bool = True,
        **changes: Any,
    ) -> JobView:
        """Like `rerun`, with fields of the spec changed.

        ``parameters`` are merged into the job's; ``arguments`` replace its arguments and
        parameters; all others replace the field.

        Parameters
        ----------
        force
            Submit although preflight finds errors: the job itself was submitted all the same. A
            form, which shows them, asks first.
        """
        from . import submission

        if not force:
            submission.refuse_errors(self.prepare_clone(ref, **changes))
        return submission.resubmit(self, self._discovery.find(ref), changes, secrets or {})

    # -- looking -----------------------------------------------------------------------------------

    def unfinished(self) -> list[JobView]:
        """Return the jobs that had not ended when last looked at, as they are now, newest first.

        Unlike `list` this costs nothing when there are none, however many have ended.
        """
        self._discovery.ensure_index()
        rows = self.store.unfinished()
        observed = self._observer.refresh(rows)
        return [self._observer.view(observed[row.id]) for row in rows]

    def count(self) -> int:
        """Return how many jobs are known."""
        self._discovery.ensure_index()
        return self.store.count()

    def list(
        self,
        states: Sequence[State] | None = None,
        notebook: str | Path | None = None,
        text: str | None = None,
        limit: int | None = None,
        refresh: bool = True,
    ) -> list[JobView]:
        """Return jobs, newest first.

        Parameters
        ----------
        states
            Only those in one of these states.
        notebook
            Only those made from this notebook.
        text
            Only those with this text in id, name, notebook or reason.
        limit
            At most so many.
        refresh
            Ask the backends first, one call each; else show what was last observed.
        """
        path = None if notebook is None else str(Path(notebook).absolute())
        observed: dict[str, Row] = {}
        if refresh:
            self._discovery.run()
            observed = self._observer.refresh(self.store.unfinished())
        if not observed or self._observer.is_kept:
            return [
                self._observer.view(row) for row in self.store.search(states, path, text, limit)
            ]
        # What was observed could not be written to the index, and is true all the same.
        rows = [observed.get(row.id, row) for row in self.store.search(None, path, text)]
        if states is not None:
            rows = [row for row in rows if row.state in states]
        return [self._observer.view(row) for row in rows[:limit]]

    def get(self, ref: str, refresh: bool = True) -> JobView:
        """Return the job with this id; else the newest so named; else by unique beginning of an id.

        Raises
        ------
        JobNotFoundError
            If there is none, or several ids begin so.
        """
        row = self._discovery.find(ref)
        if refresh and not State(row.state).is_final:
            row = self._observer.refresh([row])[row.id]
        return self._observer.view(row)

    def wait(self, ref: str, timeout: float | None = None) -> JobView:
        """Return the job when it has ended, or as it is after `timeout` seconds.

        A paused job has not ended; neither has one whose scheduler does not answer.
        """
        job_id = self._discovery.find(ref).id
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.05
        while True:
            view = self.get(job_id)
            left = None if deadline is None else deadline - time.monotonic()
            if view.state.is_final or (left is not None and left <= 0):
                return view
            time.sleep(pause if left is None else min(pause, left))
            pause = min(pause * 1.5, 1.0)

    def paths(self, ref: str) -> JobPaths:
        """Return the paths of the job directory."""
        return JobPaths(Path(self._discovery.find(ref).directory))

    def spec(self, ref: str) -> dict[str, Any]:
        """Return job.json as it was submitted."""
        paths = self.paths(ref)
        record = read_record(paths)
        if record is None:
            raise WorkspaceError(f"{paths.spec} cannot be read.")
        return record

    def history(self, ref: str) -> builtins.list[HistoryEntry]:
        """Return every change of state that was observed, oldest first."""
        return job_history.read(self.paths(ref).history)

    def attempts(self, ref: str) -> builtins.list[AttemptView]:
        """Return the attempts, oldest first."""
        return attempt_records.read_all(self.paths(ref))

    def metrics(self, ref: str) -> builtins.list[dict[str, Any]]:
        """Return what the notebook reported, oldest first, as in metrics.jsonl."""
        return journal.read(self.paths(ref).metrics)

    def events(self, ref: str) -> builtins.list[dict[str, Any]]:
        """Return the whole journal, oldest first."""
        return journal.read(self.paths(ref).journal)

    def read_log(
        self, ref: str, offset: int = 0, attempt: int | None = None, limit: int = 1 << 20
    ) -> LogChunk:
        """Return the piece of an attempt's log from byte `offset` on, at most `limit` bytes.

        Parameters
        ----------
        attempt
            Which attempt. Default: the newest.
        """
        row = self._discovery.find(ref)
        ended = State(row.state).is_final
        paths = JobPaths(Path(row.directory))
        return logs.read(paths, offset, attempt, limit, ended, self._remote_log(row))

    def logs(self, ref: str, attempt: int | None = None, follow: bool = False) -> Iterator[str]:
        """Yield the log in pieces.

        Parameters
        ----------
        attempt
            Only this attempt. Default: all of them, one after the other.
        follow
            Go on as the job writes, across attempts, and end when the job (or the attempt asked
            for) does.
        """
        row = self._discovery.find(ref)
        return logs.follow(
            JobPaths(Path(row.directory)),
            attempt,
            (lambda: self.get(row.id)) if follow else None,
            self._remote_log(row),
        )

    # -- steering ----------------------------------------------------------------------------------

    def pause(self, ref: str) -> JobView:
        """Stop the job in a way that `resume` can follow; returns at once (state ``pausing``)."""
        row, view = self._unfinished(ref, "pause")
        if view.state in (State.PAUSED, State.PAUSING):
            raise ConflictError(f"{row.id} is {view.state} already.")
        backend = self.backend(row.backend)
        self._require(backend.capabilities().pause, row)
        backend.pause(self._ref(row))
        return self.get(row.id)

    def resume(self, ref: str) -> JobView:
        """Queue a paused job's next attempt."""
        row, view = self._unfinished(ref, "resume")
        if view.state not in (State.PAUSED, State.PAUSING):
            raise ConflictError(f"{row.id} is not paused, it is {view.state}.")
        backend = self.backend(row.backend)
        self._require(backend.capabilities().pause, row)
        backend.resume(self._ref(row))
        return self.get(row.id)

    def cancel(self, ref: str) -> JobView:
        """Stop the job for good; returns at once, before the grace period is over."""
        row, _ = self._unfinished(ref, "cancel")
        self.backend(row.backend).cancel(self._ref(row))
        return self.get(row.id)

    def move(self, ref: str, position: int) -> JobView:
        """Put a queued job at 0-based `position` of its backend's queue."""
        row, view = self._unfinished(ref, "move")
        if view.state is not State.QUEUED:
            raise ConflictError(f"{row.id} is not queued, it is {view.state}.")
        backend = self.backend(row.backend)
        self._require(backend.capabilities().move, row)
        backend.move(self._ref(row), position)
        return self.get(row.id)

    def set_priority(self, ref: str, priority: int) -> JobView:
        """Change the priority of a job that has not ended."""
        if not -1000 <= priority <= 1000:
            raise SpecError(f"priority: {priority} is not between -1000 and 1000")
        row, _ = self._unfinished(ref, "change the priority of")
        backend = self.backend(row.backend)
        self._require(backend.capabilities().priority, row)
        backend.set_priority(self._ref(row), priority)
        self.store.update({row.id: {"priority": priority}})
        return self.get(row.id)

    def lengthen(self, ref: str, total_time: float) -> JobView:
        """Let a job that has not ended run for `total_time` seconds, all attempts together.

        Raises
        ------
        UnsupportedError
            If its backend fixes the time at the submit.
        """
        from ..backends.base import Lengthens

        row, _ = self._unfinished(ref, "change the total time of")
        backend = self.backend(row.backend)
        if not isinstance(backend, Lengthens):
            raise UnsupportedError(f"{row.backend} fixes a job's time limit when it is submitted.")
        backend.lengthen(self._ref(row), total_time)
        return self.get(row.id)

    def delete(self, ref: str) -> None:
        """Remove a job that has ended or is paused, with its directory and all its output.

        Raises
        ------
        ConflictError
            If it is queued or running; cancel it first.
        """
        row = self._discovery.find(ref)
        view = self.get(row.id)
        if not view.state.is_final and view.state is not State.PAUSED:
            raise ConflictError(f"{row.id} is {view.state}; cancel it before deleting it.")
        self.backend(row.backend).forget(self._ref(row))
        remove(Path(row.directory))
        self.store.remove([row.id])

    # -- inside ------------------------------------------------------------------------------------

    def _unfinished(self, ref: str, verb: str) -> tuple[Row, JobView]:
        """Return row and fresh view of a job that has not ended, or say why `verb` cannot be."""
        row = self._discovery.find(ref)
        view = self.get(row.id)
        if view.state.is_final:
            raise ConflictError(f"Cannot {verb} {row.id}: it has ended ({view.state}).")
        return row, view

    def _ref(self, row: Row) -> JobRef:
        from ..backends.base import JobRef

        return JobRef(row.id, row.handle, JobPaths(Path(row.directory)))

    def _remote_log(self, row: Row) -> Remote | None:
        """Return how to ask the scheduler for a job's log, where it has one and keeps it."""
        from ..backends.base import TellsLog

        if row.state in (State.QUEUED.value, State.STARTING.value) or not row.handle:
            return None
        with contextlib.suppress(BackendUnavailableError, SpecError):
            backend = self.backend(row.backend)
            if isinstance(backend, TellsLog):
                return partial(backend.read_log, self._ref(row))
        return None

    @staticmethod
    def _require(reason: str | None, row: Row) -> None:
        if reason is not None:
            raise UnsupportedError(f"{row.backend} cannot do this: {reason}")
