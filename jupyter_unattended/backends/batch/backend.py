"""What all backends of batch schedulers do alike; each scheduler fills in its own words."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ... import statedir
from ...errors import BackendError, ConflictError, SpecError, UnsupportedError, WorkspaceError
from ...spec import JobSpec
from ..base import Availability, Bundle, Capabilities, JobRef, Observation, Rendering
from .commands import Commands
from .files import BatchFiles
from .observe import Seen, observe
from .options import BatchOptions
from .plan import Plan
from .profile import Profile, load
from .status import Rows, Status


@dataclass(frozen=True)
class Order:
    """A job that is ready to be handed over.

    Parameters
    ----------
    spec, options, profile, plan
        What was asked for, what the site says, and the links that makes.
    script
        The text to submit.
    """

    spec: JobSpec
    options: BatchOptions
    profile: Profile
    plan: Plan
    script: str


class BatchBackend(ABC):
    """A backend whose scheduler takes a script and runs it when there is room."""

    name: ClassVar[str]
    title: ClassVar[str]
    keeps_history: ClassVar[bool] = False
    #: The scheduler's name for people.
    scheduler: ClassVar[str]
    #: Programs without which nothing can be submitted.
    programs: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        #: Set by the registry; the default is the user's.
        self.state_dir: Path = statedir.default()
        self._profile: Profile | None = None
        self._commands: Commands | None = None
        self._status: Status | None = None

    # -- what each scheduler fills in --------------------------------------------------------------

    @abstractmethod
    def options_model(self) -> type[BatchOptions]:
        """Return the model of ``spec.options``."""

    @abstractmethod
    def order(self, bundle: Bundle) -> Order:
        """Plan a job and write its script; no side effects."""

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
            return Availability(True)
        if profile.submit_host:
            return Availability(
                False, f"{missing[0]} cannot be run on {profile.submit_host} through ssh"
            )
        return Availability(
            False,
            f"{missing[0]} is not on this machine; where only another host has it, name that as "
            "submit_host in the site profile",
        )

    def render(self, bundle: Bundle) -> Rendering:
        """Show the script that would be submitted."""
        return Rendering(self.order(bundle).script, "job.sh", "bash")

    def submit(self, bundle: Bundle) -> str:
        """Submit the job, with all its links where they are queued ahead."""
        order = self.order(bundle)
        files = BatchFiles.of(bundle.paths)
        try:
            self._write(files, order, bundle)
        except OSError as error:
            raise WorkspaceError(
                f"{error.filename or files.root} cannot be written ({error.strerror})."
            ) from error
        try:
            self._queue_links(files, order, order.plan.links if order.plan.way == "links" else 1)
        except BaseException:
            self._clean(bundle, files)
            raise
        self.status.forget()
        return files.read_ids()[0]

    def submit_many(self, bundles: Sequence[Bundle]) -> list[str]:
        """Submit many runs of one notebook as one array."""
        orders = [self.order(bundle) for bundle in bundles]
        first = orders[0]
        if first.plan.way == "links" and first.plan.links > 1:
            return [self.submit(bundle) for bundle in bundles]
        home = bundles[0].paths.root.parent / ".arrays" / bundles[0].job_id
        try:
            home.mkdir(parents=True)
            for task, (order, bundle) in enumerate(zip(orders, bundles, strict=True), 1):
                self._write(BatchFiles.of(bundle.paths), order, bundle)
                (home / str(task)).symlink_to(bundle.paths.root, target_is_directory=True)
            script = home / "array.sh"
            script.write_text(self.array_script(bundles[0], first, home, len(bundles)))
            number = self.submit_script(script, first)
        except BaseException as error:
            shutil.rmtree(home, ignore_errors=True)
            for bundle in bundles:
                self._clean(bundle, BatchFiles.of(bundle.paths))
            if isinstance(error, OSError):
                raise WorkspaceError(f"{home} cannot be written ({error.strerror}).") from error
            raise
        self.status.forget()
        ids = [self.task_id(number, task) for task in range(1, len(bundles) + 1)]
        for bundle, id_ in zip(bundles, ids, strict=True):
            with contextlib.suppress(OSError):  # the handle says it too
                BatchFiles.of(bundle.paths).add_ids([id_])
        return ids

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Observation]:
        """Ask about all jobs in one call; what it has forgotten their directories tell."""
        known = {row["id"]: Seen.of(row) for row in self.status.rows()}
        observed: dict[str, Observation] = {}
        unclear: dict[str, tuple[JobRef, list[str]]] = {}
        for job in jobs:
            ids = BatchFiles.of(job.paths).read_ids() or [job.handle]
            entries = [known[one] for one in ids if one in known]
            seen = observe(job, entries, self.scheduler, self._planned(job))
            if seen is not None:
                observed[job.job_id] = seen
            else:
                unclear[job.job_id] = (job, ids)
        if unclear:
            wanted = [one for _, ids in unclear.values() for one in ids if one]
            finished = self.ask_accounting(wanted) if wanted else {}
            for job_id, (job, ids) in unclear.items():
                entries = [finished[one] for one in ids if one in finished]
                seen = observe(job, entries, self.scheduler, self._planned(job))
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
            self._submit_again(job, files)
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

        Raises
        ------
        ConflictError
            If no link will follow any more.
        """
        files = BatchFiles.of(job.paths)
        if files.read_ending() is not None:
            raise ConflictError(f"{job.job_id} has ended; its total time can no longer be changed.")
        temporary = files.total.with_suffix(".new")
        temporary.write_text(f"{round(total_time)}\n")
        temporary.replace(files.total)

    # -- inside ------------------------------------------------------------------------------------

    def _planned(self, job: JobRef) -> int:
        try:
            return int((BatchFiles.of(job.paths).root / "planned").read_text())
        except (OSError, ValueError):
            return 1

    def _entries(self, job: JobRef) -> list[Seen]:
        """Return what the scheduler has of a job right now."""
        self.status.forget()
        known = {row["id"]: Seen.of(row) for row in self.status.rows()}
        ids = BatchFiles.of(job.paths).read_ids() or [job.handle]
        return [known[one] for one in ids if one in known]

    def _write(self, files: BatchFiles, order: Order, bundle: Bundle) -> None:
        files.root.mkdir(exist_ok=True)
        files.script.write_text(order.script, encoding="utf-8")
        files.script.chmod(0o755)
        (files.root / "planned").write_text(f"{order.plan.links}\n")
        if order.plan.total is not None:
            files.total.write_text(f"{order.plan.total}\n")
        if order.spec.secret_env:
            self._write_secrets(bundle)

    def _write_secrets(self, bundle: Bundle) -> None:
        path = self.secrets_file(bundle.job_id)
        statedir.ensure(self.state_dir)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for name, value in bundle.secrets.items():
                file.write(f"export {name}={shlex.quote(value)}\n")

    def _queue_links(self, files: BatchFiles, order: Order, count: int) -> None:
        ids: list[str] = []
        after = None
        try:
            for number in range(count):
                # Nothing starts before everything is queued.
                hold = number == 0 and count > 1
                after = self.submit_script(files.script, order, after, hold)
                ids.append(after)
            files.add_ids(ids)
            if count > 1 and not order.options.hold:
                self.release(ids[:1])
        except BaseException as error:
            if ids:
                with contextlib.suppress(BackendError):
                    self.delete(ids)
            if isinstance(error, OSError):
                raise WorkspaceError(
                    f"{files.ids} cannot be written ({error.strerror})."
                ) from error
            raise

    def _submit_again(self, job: JobRef, files: BatchFiles) -> None:
        from ...jobs.discovery import read_record

        record = read_record(job.paths)
        if record is None:
            raise WorkspaceError(f"{job.paths.spec} cannot be read.")
        order = self.order(Bundle(JobSpec.checked(**record["spec"]), job.paths))
        with contextlib.suppress(FileNotFoundError):
            files.done.unlink()
        self._queue_links(files, order, 1)

    def _clean(self, bundle: Bundle, files: BatchFiles) -> None:
        shutil.rmtree(files.root, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.secrets_file(bundle.job_id).unlink()
