"""Options that all batch schedulers have, under the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...spec import Duration


def _one_line(value: str | None) -> str | None:
    """Refuse what could smuggle a second directive into a script."""
    if value is not None and (not value.strip() or any(ord(char) < 32 for char in value)):
        raise ValueError("must be one line of visible characters")
    return value


def _extra_lines(value: list[str]) -> list[str]:
    for line in value:
        _one_line(line)
    return value


Line = Annotated[str, AfterValidator(_one_line)]
OptionalLine = Annotated[str | None, AfterValidator(_one_line)]
OptionalDuration = Duration | None
Lines = Annotated[list[str], AfterValidator(_extra_lines)]

ChainWay = Literal["requeue", "links"]


class BatchOptions(BaseModel):
    """What both Slurm and Grid Engine understand; each adds its own."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    project: OptionalLine = Field(
        None, description="The account or project that pays. Default: the site profile's."
    )
    queue: OptionalLine = Field(
        None, description="The partition or queue. Default: the site profile's or the scheduler's."
    )
    gpu_type: OptionalLine = Field(
        None, description="Type of GPU, as the scheduler calls it, e.g. A100."
    )
    total_time: OptionalDuration = Field(
        None,
        description="Longest running time over all links, e.g. 72h; where that is more than the "
        "queue allows at once, the job becomes a chain of links. The same as --time-limit.",
    )
    link_time: OptionalDuration = Field(
        None,
        description="Time limit of each link. Default: what the queue allows, at most the total.",
    )
    warning_time: OptionalDuration = Field(
        None,
        description="Seconds before a link's limit at which it is told to stop. Default: the grace "
        "period and up to a minute for a checkpoint.",
    )
    chain: ChainWay | None = Field(
        None,
        description="How the next link follows: the same job is queued again (requeue), or all "
        "links are queued ahead, each waiting for the one before it (links). Default: the site "
        "profile's, else requeue.",
    )
    reservation: OptionalLine = Field(None, description="Run inside this reservation.")
    mail: OptionalLine = Field(
        None, description="Address to which the scheduler writes when a link ends or is stopped."
    )
    hold: bool = Field(
        False, description="Submit the job held: it starts when it is resumed or released."
    )
    at_once: int | None = Field(
        None,
        ge=1,
        description="When many runs of one notebook are submitted as an array: at most so many at "
        "the same time.",
    )
    directives: Path | None = Field(
        None,
        description="A batch script of your own, such as job.qsub: its directive lines are taken "
        "over as they are.",
    )
    extra: Lines = Field(
        default_factory=list,
        description="Further directives, as they would stand in a batch script (with or without "
        "#SBATCH or #$ in front); they override what is derived from other options.",
    )
