"""What is asked of a container engine, and what it answers: the data and the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ...errors import BackendError

#: Labels by which containers are found again.
JOB, LAUNCH = "jupyter-unattended.job", "jupyter-unattended.launch"


class EngineError(BackendError):
    """The engine refused, or did not answer; the text is in a person's words."""


class EngineAwayError(EngineError):
    """Nobody answers where the engine should; it may come back."""


@dataclass(frozen=True)
class Mount:
    """A directory or file of this machine in a container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Container:
    """A container to be started.

    Parameters
    ----------
    name
        Its name; no two with the same name can exist at a time.
    image
        What it is made from: a name, or the id of an image that is here.
    command
        What it runs, in the place of what the image runs.
    directory
        Where that starts.
    labels, env, mounts
        As they say.
    secrets
        Variables whose values are to be seen in no description of the container.
    user
        ``UID:GID`` that it runs as; None leaves it to the image.
    groups
        Further groups, by number.
    cpus, memory, shared_memory
        Limits; sizes in bytes.
    gpus
        The GPUs it gets, by the numbers or ids that nvidia-smi has for them.
    network
        Name of a network, ``host`` or ``none``; None leaves it to the engine.
    grace_period
        Seconds between SIGTERM and SIGKILL when somebody stops it by hand.
    """

    name: str
    image: str
    command: tuple[str, ...]
    directory: str
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    groups: tuple[int, ...] = ()
    cpus: float | None = None
    memory: int | None = None
    shared_memory: int | None = None
    gpus: tuple[str, ...] = ()
    network: str | None = None
    grace_period: float = 30.0


@dataclass(frozen=True)
class Image:
    """An image that the engine has.

    `digest` is the name by which a registry knows it (``repository@sha256:…``), where it has one.
    """

    id: str
    digest: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """A container as the engine sees it; `pid` is that of its first process, where it runs."""

    id: str
    running: bool
    pid: int | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    error: str = ""
    image: str = ""
    mounts: tuple[Mount, ...] = ()

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Status:
        """Read what ``inspect`` says; Podman and Docker say it alike."""
        state = found["State"]
        running = str(state.get("Status", "")) in ("running", "paused", "stopping", "restarting")
        return cls(
            id=found["Id"],
            running=running,
            pid=state.get("Pid") or None,
            exit_code=None if running else state.get("ExitCode"),
            out_of_memory=bool(state.get("OOMKilled")),
            error=str(state.get("Error") or ""),
            image=str(found.get("Image", "")),
            mounts=tuple(
                Mount(mount["Source"], mount["Destination"], not mount.get("RW", True))
                for mount in found.get("Mounts") or ()
                if mount.get("Type", "bind") == "bind"
            ),
        )


class Engine(Protocol):
    """Podman or Docker, through its command or its socket."""

    def title(self) -> str:
        """Return name and version, or raise `EngineError` if it cannot be used here."""
        ...

    def limits(self, controller: Literal["cpu", "memory"]) -> bool:
        """Whether it can limit how much of this a container uses."""
        ...

    def image(self, name: str) -> Image | None:
        """Return an image that is here; None if it is not."""
        ...

    def pull(self, name: str) -> None:
        """Get an image from its registry."""
        ...

    def start(self, container: Container) -> str:
        """Create a container, start it, and return its id; all or nothing.

        One that has the name already is removed: there is one at a time for a job.
        """
        ...

    def with_label(self, label: str, value: str) -> list[Status]:
        """Return all containers, also ended ones, that have a label with this value."""
        ...

    def status(self, container: str) -> Status | None:
        """Return a container by id or name; None if there is none."""
        ...

    def words(self, container: str) -> str:
        """Return what it wrote last, as one line."""
        ...

    def send(self, container: str, signal: str) -> None:
        """Send a signal to its first process; nothing happens if it has ended."""
        ...

    def remove(self, container: str, secrets: Mapping[str, str] | None = None) -> None:
        """Kill a container and remove it and its secrets; nothing happens if it is gone."""
        ...

    def command_line(self, container: Container) -> list[str]:
        """Return the command that a person would type for `start`."""
        ...

    def recipe(self) -> dict[str, Any]:
        """Return what `find.again` makes the same engine from, in another process."""
        ...
