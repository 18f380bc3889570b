"""What a backend is: the protocol, and the data that crosses it.

A backend is small. It says whether it is usable here and why not, describes its own options,
renders what it would submit, submits, polls many jobs in one call, and does to jobs what its
scheduler can do. What a scheduler cannot do is declared in `Capabilities` and never emulated.

A backend never writes into the index and never decides what a person sees: it reports
`Observation` objects, and ``jobs.service`` keeps them. It raises only errors from
``jupyter_unattended.errors``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from ..jobs.states import State
from ..paths import JobPaths

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..spec import JobSpec


@dataclass(frozen=True)
class Capabilities:
    """What the scheduler behind a backend can do; front ends grey out the rest.

    Each field is None where it can, else the reason why not, in one sentence for a person.
    """

    pause: str | None = None
    priority: str | None = None
    move: str | None = None
    gpus: str | None = None
    memory: str | None = None
    image: str | None = None


@dataclass(frozen=True)
class Availability:
    """Whether a backend can be used here; `reason` says why not and what to do."""

    usable: bool
    reason: str = ""


@dataclass(frozen=True)
class Bundle:
    """A job directory that is written and ready to run.

    `secrets` holds the values for ``spec.secret_env``; they are in no file of the job directory and
    a backend keeps them where only the user can read them, or hands them to its scheduler's own
    means.
    """

    spec: JobSpec
    paths: JobPaths
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.paths.job_id


@dataclass(frozen=True)
class Rendering:
    """What a backend would submit, as text to read, copy and run by hand.

    `language` is a highlighter's name for it (``bash``, ``yaml``). `notes` are sentences that a
    person should read before submitting: how the job will be cut up, what it will cost.
    """

    text: str
    filename: str
    language: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobRef:
    """How a backend is asked about one job: our id, the backend's own handle, the directory."""

    job_id: str
    handle: str
    paths: JobPaths


@dataclass(frozen=True)
class Observation:
    """What a scheduler said about one job at one moment.

    Parameters
    ----------
    state
        The state, as observed.
    reason
        Why, in one sentence for a person; empty where there is nothing to say.
    since
        When the job entered this state, seconds since the epoch; None where the scheduler does not
        tell (the moment of the observation is used).
    exit_code
        start.sh's exit code, for final states and where known.
    attempt
        Number of the newest attempt, 0 before the first.
    position
        0-based place in the queue, where the scheduler tells it.
    priority
        Priority, where it may have changed since the submit.
    """

    state: State
    reason: str = ""
    since: float | None = None
    exit_code: int | None = None
    attempt: int | None = None
    position: int | None = None
    priority: int | None = None


@runtime_checkable
class Backend(Protocol):
    """Where jobs run.

    Found through the entry points of the group ``jupyter_unattended.backends`` and constructed
    without arguments; importing and constructing one is cheap and has no side effects.
    """

    #: The word in ``--backend``, in job.json and in every form.
    name: ClassVar[str]
    #: One line for people.
    title: ClassVar[str]
    #: Whether the backend appends to history.jsonl itself, because something of its own watches
    #: jobs all the time; else the service does so when it observes a change.
    keeps_history: ClassVar[bool]

    def options_model(self) -> type[BaseModel]:
        """Return the model of ``spec.options``: every field with description and default."""
        ...

    def capabilities(self) -> Capabilities:
        """Return what this scheduler can do."""
        ...

    def availability(self) -> Availability:
        """Say whether jobs can be submitted from here now; must answer within a second or two."""
        ...

    def render(self, bundle: Bundle) -> Rendering:
        """Show what `submit` would submit; no side effects, no rights needed."""
        ...

    def submit(self, bundle: Bundle) -> str:
        """Hand the job over and return the scheduler's handle for it.

        All or nothing: when this raises, the scheduler does not have the job.
        """
        ...

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Observation]:
        """Ask about all `jobs` in one batched call; keys are job ids.

        A job missing from the answer is one the scheduler has no memory of. A scheduler that does
        not answer is a `BackendError`, never an observation.
        """
        ...

    def cancel(self, job: JobRef) -> None:
        """Stop for good: SIGTERM, the grace period, SIGKILL. Returns at once."""
        ...

    def pause(self, job: JobRef) -> None:
        """Stop in a way that `resume` can follow. Returns at once."""
        ...

    def resume(self, job: JobRef) -> None:
        """Queue a paused job's next attempt."""
        ...

    def set_priority(self, job: JobRef, priority: int) -> None:
        """Change the priority of a job that has not ended."""
        ...

    def move(self, job: JobRef, position: int) -> None:
        """Put a queued job at 0-based `position` of the queue."""
        ...

    def forget(self, job: JobRef) -> None:
        """Remove what the scheduler still holds of an ended job; done before its directory goes."""
        ...


@runtime_checkable
class TakesMany(Protocol):
    """A backend that may take many runs of one notebook at once, as its scheduler's own array.

    The jobs agree in everything but name, arguments, parameters and environment.
    """

    def submit_many(self, bundles: Sequence[Bundle]) -> list[str]:
        """Hand the jobs over and return their handles, in order; all or nothing."""
        ...


@runtime_checkable
class Lengthens(Protocol):
    """A backend that can change how long a job may run altogether while it runs."""

    def lengthen(self, job: JobRef, total_time: float) -> None:
        """Let all attempts of a job together run for `total_time` seconds."""
        ...


@runtime_checkable
class Narrows(Protocol):
    """A backend that knows which values of its options make sense here."""

    def narrowed(self) -> Mapping[str, Mapping[str, Any]]:
        """Return JSON Schema keywords by option, such as ``enum`` or ``x-disabled`` with a reason.

        From what `availability` found; makes no request.
        """
        ...


@runtime_checkable
class Describes(Protocol):
    """A backend that knows more of some of `JobSpec`'s fields than holds everywhere."""

    def described(self) -> Mapping[str, Mapping[str, Any]]:
        """Return keywords of a form's JSON Schema by field, such as ``x-placeholder``.

        From what `availability` found; makes no request.
        """
        ...


@runtime_checkable
class TellsLog(Protocol):
    """A backend whose scheduler keeps what jobs wrote, for where their workspace is out of sight.

    Everywhere else a log is read from the job directory.
    """

    def read_log(self, job: JobRef) -> tuple[int, bytes]:
        """Return the newest attempt's number and its log as the scheduler has it; (0, b"") if none.

        A scheduler that does not answer is a `BackendError`.
        """
        ...
