"""The site profile: what a site needs to be told once, in a TOML file.

Three layers, each overriding the one before it key by key: system-wide, per group, per user. Lists
and queues of a later layer replace or extend by name, nothing else is merged.
"""

from __future__ import annotations

import contextlib
import grp
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import SpecError
from ...spec import describe
from .options import ChainWay, Lines, OptionalDuration, OptionalLine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Overrides where the system-wide file is.
SYSTEM_VARIABLE = "UNATTENDED_SITE_PROFILE"
FILENAME = "site.toml"


class Queue(BaseModel):
    """What is known about one partition or queue."""

    model_config = ConfigDict(extra="forbid")

    time_limit: OptionalDuration = Field(None, description="Longest a job may run at once.")
    gpus: int | None = Field(None, ge=0, description="Most GPUs that a job can have.")
    cpus: int | None = Field(None, ge=1, description="Most CPU cores that a job can have.")


class Profile(BaseModel):
    """One scheduler's table of the site profile."""

    model_config = ConfigDict(extra="forbid")

    project: OptionalLine = Field(None, description="Account or project if none is given.")
    queue: OptionalLine = Field(None, description="Partition or queue if none is given.")
    submit_host: OptionalLine = Field(
        None,
        description="Host on which the scheduler's programs are run, through ssh in batch mode; "
        "for machines that share the file system but have no such programs.",
    )
    login_shell: bool = Field(True, description="Start the script with bash -l.")
    modules: Lines = Field(default_factory=list, description="Modules to load.")
    setup: Lines = Field(default_factory=list, description="Lines of bash to run before start.sh.")
    activate: OptionalLine = Field(
        None, description="A line that activates the environment, run in the job's directory."
    )
    export: Lines = Field(
        default_factory=list,
        description="Names of environment variables that jobs get from where they are submitted; "
        "all others stay behind.",
    )
    chain: ChainWay = Field("requeue", description="How the next link of a chain follows.")
    extra: Lines = Field(default_factory=list, description="Directives of every job.")
    default_time: OptionalDuration = Field(
        None, description="Time limit of a link if nothing says more."
    )
    queues: dict[str, Queue] = Field(default_factory=dict, description="Queues by name.")
    gpu_option: str = Field(
        "",
        description="How GPUs are asked for. Slurm: gres, gpus or gpus-per-node. Grid Engine: name "
        "of the resource, e.g. gpus.",
    )
    gpus_per_slot: bool = Field(
        False, description="Grid Engine: the GPU resource counts for each slot, not for the job."
    )
    gpu_type_option: str = Field("gpu_type", description="Grid Engine: resource of the GPU's type.")
    gpu_capability_option: str = Field(
        "gpu_c", description="Grid Engine: resource of the least compute capability."
    )
    gpu_memory_option: str = Field("gpu_memory", description="Grid Engine: resource of GPU memory.")
    memory_option: OptionalLine = Field(
        None, description="Grid Engine: resource of memory for each slot, e.g. h_vmem."
    )
    parallel_environment: OptionalLine = Field(
        None, description="Grid Engine: parallel environment for several CPUs, e.g. omp."
    )
    verify: bool = Field(
        True, description="Grid Engine: let qsub refuse what no host could ever run (-w e)."
    )
    sources: list[str] = Field(default_factory=list, exclude=True, repr=False)

    def queue_of(self, name: str | None) -> tuple[str | None, Queue]:
        """Return the name and limits of queue `name`, or of the default queue."""
        chosen = name or self.queue
        return chosen, self.queues.get(chosen or "", Queue.model_construct())


def files() -> Iterator[Path]:
    """Yield where profiles may be, least important first."""
    named = os.environ.get(SYSTEM_VARIABLE)
    if named:
        system = [Path(named)]
    else:
        system = [
            Path("/etc/jupyter-unattended") / FILENAME,
            Path(sys.prefix) / "etc" / "jupyter-unattended" / FILENAME,
        ]
    yield from system
    for path in system:
        pattern = _parse(path).get("group_profiles") if path.is_file() else None
        if isinstance(pattern, str):
            yield from (Path(pattern.replace("{group}", name)) for name in _groups())
    base = os.environ.get("XDG_CONFIG_HOME")
    home = Path(base) if base and base.startswith("/") else Path.home() / ".config"
    yield home / "jupyter-unattended" / FILENAME


def load(scheduler: str) -> Profile:
    """Return the table `scheduler` (``slurm``, ``gridengine``) of all files together.

    Raises
    ------
    SpecError
        If a file is no TOML or has a key that does not exist; the text names both.
    """
    merged: dict[str, Any] = {}
    sources = []
    for path in dict.fromkeys(files()):
        if not path.is_file():
            continue
        table = _parse(path).get(scheduler, {})
        if not isinstance(table, dict):
            raise SpecError(f"{path}: [{scheduler}] must be a table.")
        try:
            Profile.model_validate(table)
        except ValidationError as error:
            raise SpecError(f"{path}: [{scheduler}] {describe(error, in_file=True)}") from error
        sources.append(str(path))
        queues = {**merged.get("queues", {}), **table.get("queues", {})}
        merged = {**merged, **table, "queues": queues}
    return Profile.model_validate({**merged, "sources": sources})


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"The site profile {path} cannot be read ({error}).") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"The site profile {path} is not valid TOML: {error}.") from error


def _groups() -> list[str]:
    names = []
    for number in dict.fromkeys([os.getgid(), *os.getgroups()]):
        with contextlib.suppress(KeyError):
            names.append(grp.getgrgid(number).gr_name)
    return names
