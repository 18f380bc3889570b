"""The local backend as the service sees it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ... import statedir
from ...errors import BackendError, ConflictError, SpecError, StoreError
from ...jobs import history
from ...jobs.states import State
from ..base import Availability, Bundle, Capabilities, JobRef, Observation, Rendering
from . import doorbell, environment, machine, recovery
from .queue import Entry, LocalQueue, host_of, open_queue, queue_file, secrets_file
from .starter import lacking

if TYPE_CHECKING:
    from pydantic import BaseModel

#: An agent of another host that has not been heard of for so long may be gone, in seconds.
_HEARD = 90.0


class LocalBackend:
    """Runs jobs on this machine, through an agent with a queue.

    The handle of a job is the file of the queue it is in, which tells its host.
    """

    name: ClassVar[str] = "local"
    title: ClassVar[str] = "This machine"
    keeps_history: ClassVar[bool] = True

    def __init__(self) -> None:
        #: Where the queues of all hosts are.
        self.state_dir: Path = statedir.default()

    def options_model(self) -> type[BaseModel]:
        """Return the model of ``spec.options``: there are none."""
        from .options import LocalOptions

        return LocalOptions

    def capabilities(self) -> Capabilities:
        """Return what the local queue can do."""
        return Capabilities(
            image="a job on this machine runs in the environment that it was submitted from",
            gpus=None if machine.devices() else "this machine has no GPU that nvidia-smi knows of",
        )

    def availability(self) -> Availability:
        """Say whether jobs can be submitted from here now."""
        try:
            statedir.ensure(self.state_dir)
            doorbell.lock_path(self.state_dir)
        except StoreError as error:
            return Availability(False, str(error))
        return Availability(True)

    def render(self, bundle: Bundle) -> Rendering:
        """Show the command that the agent runs."""
        import shlex

        command = ["bash", str(bundle.paths.start_script), *bundle.spec.arguments]
        text = "".join(
            f"{name}={shlex.quote(value)} " for name, value in sorted(bundle.spec.env.items())
        )
        return Rendering(f"{text}{shlex.join(command)}\n", "command", "bash")

    # -- submitting and looking --------------------------------------------------------------------

    def submit(self, bundle: Bundle) -> str:
        """Put the job into the queue of this host."""
        return self.submit_many([bundle])[0]

    def submit_many(self, bundles: Sequence[Bundle]) -> list[str]:
        """Put jobs into the queue of this host, in one transaction."""
        self._check(bundles[0])  # they all ask for the same
        entries = [_entry(bundle) for bundle in bundles]
        file = queue_file(self.state_dir)
        try:
            statedir.ensure(self.state_dir)
            for bundle in bundles:
                if bundle.secrets:
                    self._keep_secrets(bundle)
            with open_queue(file) as queue:
                queue.add(entries, environment.pack(self._inherited()))
        except BaseException as error:
            for bundle in bundles:
                secrets_file(self.state_dir, bundle.job_id).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise BackendError(
                    f"The job cannot be queued: {error.filename or self.state_dir} cannot be "
                    f"written ({error.strerror})."
                ) from error
            raise
        # From here on the queue has the job; a machine that cannot start an agent now is told of
        # when somebody looks.
        with contextlib.suppress(OSError, StoreError):
            doorbell.ring(self.state_dir)
        return [str(file)] * len(bundles)

    @staticmethod
    def _check(bundle: Bundle) -> None:
        spec = bundle.spec
        missing = lacking(
            machine.Resources(spec.cpus, spec.memory or 0, spec.gpus),
            machine.resources(gpus=spec.gpus > 0),
        )
        if missing:
            raise SpecError(f"The job {missing}.")

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Observation]:
        """Read all jobs from the queues that have them, one query for each host."""
        own = queue_file(self.state_dir)
        by_file: dict[Path, list[JobRef]] = {}
        for job in jobs:
            by_file.setdefault(Path(job.handle) if job.handle else own, []).append(job)
        seen: dict[str, Observation] = {}
        for file, refs in by_file.items():
            seen.update(self._poll_one(file, refs))
        return seen

    def _poll_one(self, file: Path, jobs: list[JobRef]) -> dict[str, Observation]:
        for _ in range(5):
            # Another process may just be replacing a queue that was lost.
            with contextlib.suppress(statedir.ReplacedError):
                return self._poll_once(file, jobs)
            time.sleep(0.1)
        return self._poll_once(file, jobs)

    def _poll_once(self, file: Path, jobs: list[JobRef]) -> dict[str, Observation]:
        here = host_of(file) == machine.hostname()
        if not here:
            return self._poll_elsewhere(file, jobs)
        if not file.exists():
            # Lost, or of a state directory that was: this one takes its jobs over.
            file = queue_file(self.state_dir)
        with open_queue(file) as queue:
            entries = {entry.id: entry for entry in queue.some([job.job_id for job in jobs])}
            for job in jobs:
                if job.job_id not in entries:
                    found = recovery.recover(job)
                    if found is not None:
                        queue.add([found], environment.pack(self._inherited()))
                        entries[job.job_id] = found
            positions = queue.positions()
        if any(not State(e.state).is_final and e.state != "paused" for e in entries.values()):
            with contextlib.suppress(OSError, StoreError):
                doorbell.ring(file.parent)
        return {entry.id: _observation(entry, positions) for entry in entries.values()}

    @staticmethod
    def _poll_elsewhere(file: Path, jobs: list[JobRef]) -> dict[str, Observation]:
        """Report jobs of another host as its agent last saw them."""
        host = host_of(file)
        if not file.exists():
            raise BackendError(f"The queue of {host} ({file}) is gone; look at these jobs there")
        with LocalQueue(file, read_only=True) as queue:
            entries = queue.some([job.job_id for job in jobs])
            positions = queue.positions()
            heard = queue.agent_seen()
        seen = {}
        for entry in entries:
            note = f"on {host}"
            if entry.is_active and (heard is None or time.time() - heard[1] > _HEARD):
                last = time.strftime(
                    "%Y-%m-%d %H:%M:%S", time.localtime(heard[1] if heard else entry.since)
                )
                note = f"on {host}, as it was last observed at {last}"
            observed = _observation(entry, positions)
            if not observed.state.is_final:
                reason = f"{observed.reason}; {note}" if observed.reason else note
                observed = Observation(
                    observed.state, reason, observed.since, observed.exit_code, observed.attempt,
                    observed.position, observed.priority,
                )  # fmt: skip
            seen[entry.id] = observed
        return seen

    # -- steering ----------------------------------------------------------------------------------

    def cancel(self, job: JobRef) -> None:
        """Stop for good."""
        self._steer(job, "cancel")

    def pause(self, job: JobRef) -> None:
        """Stop, so that `resume` can follow."""
        self._steer(job, "pause")

    def resume(self, job: JobRef) -> None:
        """Queue a paused job's next attempt."""
        self._steer(job, "queue")

    def set_priority(self, job: JobRef, priority: int) -> None:
        """Change the priority."""
        file = self._file(job)
        with open_queue(file) as queue:
            queue.set(job.job_id, priority=priority)
        self._ring(file)

    def move(self, job: JobRef, position: int) -> None:
        """Put a queued job at a place of the queue."""
        file = self._file(job)
        with open_queue(file) as queue:
            queue.move(job.job_id, position)
        self._ring(file)

    def forget(self, job: JobRef) -> None:
        """Remove the job from the queue, and its secrets."""
        file = Path(job.handle) if job.handle else queue_file(self.state_dir)
        if file.exists():
            with open_queue(file) as queue:
                entry = queue.get(job.job_id)
                if entry is not None and entry.is_active:
                    raise ConflictError(f"{job.job_id} is {entry.state}; cancel it first.")
                queue.remove(job.job_id)
        secrets_file(self.state_dir, job.job_id).unlink(missing_ok=True)

    def _steer(self, job: JobRef, wanted: str) -> None:
        """Do what is wanted where no process is concerned; leave the rest to the agent."""
        file = self._file(job)
        with open_queue(file) as queue, queue.transaction():
            entry = queue.get(job.job_id)
            if entry is None:
                raise BackendError(f"The local queue has no job {job.job_id}.")
            change = next_state(State(entry.state), wanted)
            if entry.is_active:
                queue.set(entry.id, wanted=wanted)
            if change is not None:
                now = time.time()
                text = history.line(change, "", by="service", at=now)
                with contextlib.suppress(OSError):
                    history.append(entry.paths.history, text)
                queue.enter(entry.id, change, "", now)
        if change is State.CANCELLED:
            secrets_file(file.parent, job.job_id).unlink(missing_ok=True)
        self._ring(file)

    def _file(self, job: JobRef) -> Path:
        """Return the queue that has the job, if it can be steered from here."""
        file = Path(job.handle) if job.handle else queue_file(self.state_dir)
        if host_of(file) != machine.hostname():
            heard = None
            with contextlib.suppress(StoreError), LocalQueue(file, read_only=True) as queue:
                heard = queue.agent_seen()
            if heard is None or time.time() - heard[1] > _HEARD:
                raise ConflictError(
                    f"{job.job_id} is a job of {host_of(file)}, where nobody is listening now; do "
                    "it there."
                )
            return file
        return file if file.exists() else queue_file(self.state_dir)

    @staticmethod
    def _ring(file: Path) -> None:
        if host_of(file) == machine.hostname():
            with contextlib.suppress(OSError, StoreError):
                doorbell.ring(file.parent)

    def _inherited(self) -> dict[str, str]:
        """Return what a job's environment has from the process that submits it."""
        return environment.of_submitter()

    def _keep_secrets(self, bundle: Bundle) -> None:
        file = secrets_file(self.state_dir, bundle.job_id)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
            json.dump(dict(bundle.secrets), stream)


def next_state(state: State, wanted: str) -> State | None:
    """Return the state that a wish leads to at once; None where the agent has to do it first."""
    if state.is_active:
        return State.PAUSING if wanted == "pause" and state is not State.PAUSING else None
    if state.is_final:
        return None
    return {"cancel": State.CANCELLED, "pause": State.PAUSED, "queue": State.QUEUED}[wanted]


def _entry(bundle: Bundle) -> Entry:
    spec = bundle.spec.model_dump(mode="json")
    entry = recovery.new_entry(bundle.job_id, str(bundle.paths.root), spec)
    entry.secrets = int(bool(bundle.secrets))
    return entry


def _observation(entry: Entry, positions: dict[str, int]) -> Observation:
    state = State(entry.state)
    reason = entry.reason
    if state.is_active and "cancel" in (entry.wanted, entry.stopping):
        reason = "being cancelled"
    return Observation(
        state,
        reason,
        entry.since,
        entry.exit_code,
        entry.attempt,
        positions.get(entry.id),
        entry.priority,
    )
