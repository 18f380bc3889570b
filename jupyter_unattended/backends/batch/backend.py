"""What all backends of batch schedulers do alike; each scheduler fills in its own words."""

from __future__ import annotations

import contextlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ... import statedir
from ...errors import (
    BackendError,
    BackendUnavailableError,
    SpecError,
    UnsupportedError,
    WorkspaceError,
)
from ...spec import JobSpec
from ..base import Availability, Bundle, Capabilities, JobRef, Observation, Rendering
from . import queueing, script
from .commands import Commands, first_line
from .endings import Endings
from .files import BatchFiles
from .observe import Seen, observe
from .options import BatchOptions
from .order import Order
from .plan import Plan, check_size, needs_limit, plan
from .profile import Profile, load
from .status import Rows, Status

#: A scheduler may take so many seconds to say that it is there.
_ANSWER_WITHIN = 3.0
#: A queue's limit is asked for again after so many seconds.
_LIMIT_IS_GOOD_FOR = 60.0


class BatchBackend(ABC):
    """A backend whose scheduler takes a script and runs it when there is room."""

    name: ClassVar[str]
    title: ClassVar[str]
    keeps_history: ClassVar[bool] = False
    #: What is rendered can be handed to the scheduler by hand.
    renders_whole: ClassVar[bool] = True
    #: The scheduler's name for people.
    scheduler: ClassVar[str]
    #: Programs without which nothing can be submitted.
    programs: ClassVar[tuple[str, ...]]
    #: A quick question that only a scheduler that is up answers.
    greeting: ClassVar[tuple[str, ...]]
    #: What directives in a script begin with.
    mark: ClassVar[str]

    def __init__(self) -> None:
        #: Set by the registry; the default is the user's.
        self.state_dir: Path = statedir.default()
        self._profile: Profile | None = None
        self._commands: Commands | None = None
        self._status: Status | None = None
        self._endings = Endings(lambda ids: self.ask_accounting(ids))
        self._limits: dict[str | None, tuple[float, float | None]] = {}

    # -- what each scheduler fills in --------------------------------------------------------------

    @abstractmethod
    def options_model(self) -> type[BatchOptions]:
        """Return the model of ``spec.options``."""

    @abstractmethod
    def dialect(self, planned: Plan) -> script.Dialect:
        """Return what this scheduler's scripts say in their own way."""

    @abstractmethod
    def directives(
        self, bundle: Bundle, options: BatchOptions, profile: Profile, planned: Plan
    ) -> list[str]:
        """Return the directives of a job, without the mark."""

    @abstractmethod
    def asked_time(self, directives: Sequence[str]) -> float | None:
        """Return the time limit that stands in a person's own directives."""

    @abstractmethod
    def log_directive(self, bundle: Bundle) -> str | None:
        """Return the path of scheduler.log for a directive, or None where none can hold it."""

    @abstractmethod
    def ask_limit(self, queue: str | None) -> float | None:
        """Return what the scheduler allows at once in a queue (None: in the one it would choose).

        None where there is no limit, or no such queue.
        """

    @abstractmethod
    def make_commands(self, profile: Profile) -> Commands:
        """Return how this scheduler's programs are run."""

    @abstractmethod
    def ask_status(self) -> Rows:
        """Return every job of this user that the scheduler knows, as `Seen` in plain data."""

    @abstractmethod
    def ask_accounting(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Return how jobs ended that `ask_status` does not know any more, as far as it is kept."""

    @abstractmethod
    def submit_script(
        self, script: Path, order: Order, after: str | None = None, hold: bool = False
    ) -> str:
        """Submit a script, to start after the job `after` has ended; return its id.

        With `hold` it does not start before it is released.
        """

    @abstractmethod
    def array_script(self, bundle: Bundle, order: Order, home: Path, count: int) -> str:
        """Return a script of which task n runs ``home/n/batch/job.sh``."""

    @abstractmethod
    def task_id(self, number: str, task: int) -> str:
        """Return the id of one task of an array."""

    @abstractmethod
    def delete(self, ids: Sequence[str]) -> None:
        """Delete jobs, running or not; those that are gone are no error."""

    @abstractmethod
    def stop_running(self, id_: str, cancel: bool) -> None:
        """Have a running job look at what is asked of it, or delete it where it cannot look."""

    @abstractmethod
    def hold(self, ids: Sequence[str]) -> None:
        """Keep pending jobs from starting."""

    @abstractmethod
    def release(self, ids: Sequence[str]) -> None:
        """Let held jobs start."""

    @abstractmethod
    def propose_profile(self) -> str:
        """Return a site profile in TOML, made from what the scheduler itself tells."""

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """Return what this scheduler can do."""

    @abstractmethod
    def set_priority(self, job: JobRef, priority: int) -> None:
        """Change the priority of a job that has not ended."""

    # -- tools -------------------------------------------------------------------------------------

    @property
    def profile(self) -> Profile:
        """The site profile, read once."""
        if self._profile is None:
            self._profile = load(self.name)
        return self._profile

    @property
    def commands(self) -> Commands:
        """The scheduler's programs."""
        if self._commands is None:
            self._commands = self.make_commands(self.profile)
        return self._commands

    @property
    def status(self) -> Status:
        """The status call with its manners."""
        if self._status is None:
            self._status = Status(
                self.scheduler, self.state_dir / f"{self.name}-status.json", self.ask_status
            )
        return self._status

    def read_options(self, spec: JobSpec) -> BatchOptions:
        """Return ``spec.options`` as this backend's model.

        Raises
        ------
        SpecError
            If an option does not exist or has a bad value.
        """
        from pydantic import ValidationError

        from ...spec import describe

        try:
            return self.options_model().model_validate(spec.options)
        except ValidationError as error:
            raise SpecError(describe(error)) from error

    def secrets_file(self, job_id: str) -> Path:
        """Return where the values of secret variables are: readable by the user alone."""
        return self.state_dir / f"{self.name}-secrets" / job_id

    # -- the protocol ------------------------------------------------------------------------------

    def availability(self) -> Availability:
        """Say whether the scheduler's programs are here, or on the submit host."""
        profile = self.profile
        missing = [program for program in self.programs if not self.commands.found(program)]
        if not missing:
            return self._greet()
        if profile.submit_host:
            return Availability(
                False, f"{missing[0]} cannot be run on {profile.submit_host} through ssh"
            )
        return Availability(
            False,
            f"{missing[0]} is not on this machine; where only another host has it, name that as "
            "submit_host in the site profile",
        )

    def _greet(self) -> Availability:
        try:
            done = self.commands.run(self.greeting, _ANSWER_WITHIN)
        except BackendError as error:
            return Availability(False, str(error).rstrip("."))
        if done.returncode == 0:
            return Availability(True)
        said = first_line(done.stderr) or first_line(done.stdout)
        return Availability(False, f"{self.scheduler} does not answer here ({said.rstrip('.')})")

    def order(self, bundle: Bundle) -> Order:
        """Plan a job and write its script; no side effects."""
        spec = bundle.spec
        options = self.read_options(spec)
        profile = self.profile
        own = [script.bare(line, self.mark) for line in [*profile.extra, *options.extra]]
        if options.directives is not None:
            own += script.directive_lines(options.directives, self.mark)
        check_size(spec, options, profile)
        asked = self.asked_time(own)
        limit = None
        if needs_limit(spec, options, profile, asked):
            limit = self._limit_of(profile.queue_of(options.queue)[0])
        planned = plan(spec, options, profile, asked=asked, limit=limit)
        text = script.render(
            dialect=self.dialect(planned),
            directives=[*self.directives(bundle, options, profile, planned), *own],
            spec=spec,
            job_dir=bundle.paths.root,
            plan=planned,
            profile=profile,
            redirect=self.log_directive(bundle) is None,
            secrets=self.secrets_file(bundle.job_id) if spec.secret_env else None,
        )
        return Order(spec, options, profile, planned, text)

    def render(self, bundle: Bundle) -> Rendering:
        """Show the script that would be submitted."""
        order = self.order(bundle)
        words = order.plan.words
        notes = (f"{words[0].upper()}{words[1:]}.",) if words else ()
        return Rendering(order.script, "job.sh", "bash", notes)

    def submit(self, bundle: Bundle) -> str:
        """Submit the job, with all its links where they are queued ahead."""
        queueing.submit(self, bundle, self.order(bundle))
        self.status.forget()
        return BatchFiles.of(bundle.paths).read_ids()[0]

    def submit_many(self, bundles: Sequence[Bundle]) -> list[str]:
        """Submit many runs of one notebook as one array."""
        orders = [self.order(bundle) for bundle in bundles]
        if orders[0].plan.way == "links" and orders[0].plan.links > 1:
            return [self.submit(bundle) for bundle in bundles]
        ids = queueing.submit_array(self, bundles, orders)
        self.status.forget()
        return ids

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Observation]:
        """Ask about all jobs in one call; what it has forgotten their directories tell."""
        known = {row["id"]: Seen.of(row) for row in self.status.rows()}
        observed: dict[str, Observation] = {}
        unclear: dict[str, tuple[JobRef, list[str]]] = {}
        for job in jobs:
            files = BatchFiles.of(job.paths)
            ids = files.read_ids() or [job.handle]
            entries = entries_of(job, known, ids)
            seen = observe(job, entries, self.scheduler, files.read_planned(), accounted=False)
            if seen is not None:
                observed[job.job_id] = seen
            else:
                unclear[job.job_id] = (job, ids)
        finished = self._endings.of([one for _, ids in unclear.values() for one in ids], known)
        for job_id, (job, ids) in unclear.items():
            files = BatchFiles.of(job.paths)
            entries = entries_of(job, finished, ids)
            seen = observe(job, entries, self.scheduler, files.read_planned())
            if seen is not None:
                observed[job_id] = seen
        return observed

    def cancel(self, job: JobRef) -> None:
        """Stop for good; a running link gets its grace period."""
        files = BatchFiles.of(job.paths)
        with contextlib.suppress(OSError):
            files.write_request("cancel")
        entries = self._entries(job)
        waiting = [one.id for one in entries if one.phase in ("pending", "held")]
        if waiting:
            self.delete(waiting)
        for entry in entries:
            if entry.phase == "running":
                self.stop_running(entry.id, cancel=True)
            elif entry.phase == "suspended":
                self.delete([entry.id])
        self.status.forget()

    def pause(self, job: JobRef) -> None:
        """Hold what waits, and stop what runs so that it is queued again, held."""
        files = BatchFiles.of(job.paths)
        entries = self._entries(job)
        try:
            files.write_request("pause")
        except OSError as error:
            raise WorkspaceError(
                f"{files.request} cannot be written ({error.strerror})."
            ) from error
        self.hold([one.id for one in entries if one.phase == "pending"])
        for entry in entries:
            if entry.phase == "running":
                self.stop_running(entry.id, cancel=False)
        self.status.forget()

    def resume(self, job: JobRef) -> None:
        """Release what is held; submit again what its scheduler no longer has."""
        files = BatchFiles.of(job.paths)
        files.clear_request()
        entries = self._entries(job)
        held = [one.id for one in entries if one.phase == "held"]
        if held:
            self.release(held)
        elif not any(one.phase in ("pending", "running") for one in entries):
            queueing.submit_again(self, job)
        self.status.forget()

    def move(self, job: JobRef, position: int) -> None:
        """Refuse: batch schedulers order by priority."""
        raise UnsupportedError(str(self.capabilities().move))

    def forget(self, job: JobRef) -> None:
        """Delete held links and the secrets."""
        entries = self._entries(job)
        self.delete([one.id for one in entries if one.phase != "ended"])
        with contextlib.suppress(FileNotFoundError):
            self.secrets_file(job.job_id).unlink()
        self.status.forget()

    def lengthen(self, job: JobRef, total_time: float) -> None:
        """Set the longest running time over all links of a job that has not ended.

        Where links are queued ahead, those that are missing are queued, too; those that are too
        many leave at once.
        """
        queueing.lengthen(self, job, total_time)
        self.status.forget()

    # -- inside ------------------------------------------------------------------------------------

    def _entries(self, job: JobRef) -> list[Seen]:
        """Return what the scheduler has of a job right now."""
        self.status.forget()
        known = {row["id"]: Seen.of(row) for row in self.status.rows()}
        return entries_of(job, known, BatchFiles.of(job.paths).read_ids() or [job.handle])

    def _limit_of(self, queue: str | None) -> float | None:
        """Return a queue's limit, asked once a minute; None where nobody can be asked."""
        asked, limit = self._limits.get(queue, (-math.inf, None))
        if time.monotonic() - asked > _LIMIT_IS_GOOD_FOR:
            limit = None
            with contextlib.suppress(BackendError, BackendUnavailableError):
                limit = self.ask_limit(queue)
            self._limits[queue] = (time.monotonic(), limit)
        return limit


def entries_of(job: JobRef, known: Mapping[str, Seen], ids: Sequence[str]) -> list[Seen]:
    """Return the entries of a job, but none of another one that was given its id."""
    entries = [known[one] for one in ids if one in known]
    return [entry for entry in entries if entry.job in ("", job.job_id)]
