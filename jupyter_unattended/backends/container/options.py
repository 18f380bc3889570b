"""What a person can choose for a job in a container, beyond what every job has."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...spec import Memory
from .engine import Mount

_VOLUME = re.compile(r"(?P<source>/[^:]*)(:(?P<target>/[^:]*))?(:(?P<mode>r[ow]))?")


def parse_volume(text: str, *, read_only: bool = False) -> Mount:
    """Read ``/path``, ``/path:ro`` or ``/here:/there:ro``, or raise `ValueError`."""
    found = _VOLUME.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not a directory to mount; write /path, /path:ro or /here:/there:ro"
        )
    if read_only and found["mode"] == "rw":
        raise ValueError(f"{text!r}: data is mounted read-only; use --volume to write there")
    source = found["source"].rstrip("/") or "/"
    target = (found["target"] or source).rstrip("/") or "/"
    return Mount(source, target, read_only or found["mode"] == "ro")


def _volumes(values: list[str]) -> list[str]:
    targets = [parse_volume(value).target for value in values]
    for target in targets:
        if targets.count(target) > 1:
            raise ValueError(f"two directories cannot both be mounted at {target}")
    return values


def _data(values: list[str]) -> list[str]:
    for value in values:
        parse_volume(value, read_only=True)
    return _volumes(values)


class ContainerOptions(BaseModel):
    """Options of jobs in containers."""

    model_config = ConfigDict(extra="forbid")

    engine: Literal["auto", "podman", "docker", "socket"] = Field(
        "auto",
        description="What runs the container: a command, or whatever listens at DOCKER_HOST or at "
        "the usual socket. auto takes Podman where both are here, and a socket where neither is.",
    )
    data: Annotated[list[str], AfterValidator(_data)] = Field(
        default_factory=list,
        description="A directory with data to mount read-only, as /path:ro or /here:/there:ro. "
        "May be repeated.",
    )
    volume: Annotated[list[str], AfterValidator(_volumes)] = Field(
        default_factory=list,
        description="A further directory to mount, as /path or /here:/there, with :ro at the end "
        "if the job shall only read it. May be repeated.",
    )
    shared_memory: Memory | None = Field(
        None,
        description="Size of /dev/shm for data loaders, e.g. 8G. Default: the engine's (64 MB); "
        "half of the machine's memory where the job has GPUs.",
    )
    network: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$",
        description="Network of the container: none, host, or the name of one. Default: the "
        "engine's.",
    )
    pull: Literal["missing", "always", "never"] = Field(
        "missing", description="When the image is got from its registry."
    )
    code: Literal["workspace", "image"] = Field(
        "workspace",
        description="Where the notebook's directory comes from: the workspace, mounted at the "
        "same path, or the image, in which case only the job directory is mounted.",
    )

    def mounts(self) -> list[Mount]:
        """Return the directories asked for; data is read-only."""
        return [
            *(parse_volume(text) for text in self.volume),
            *(parse_volume(text, read_only=True) for text in self.data),
        ]
