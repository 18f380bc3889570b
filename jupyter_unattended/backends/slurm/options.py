"""Slurm's own options."""

from __future__ import annotations

from pydantic import Field

from ..batch.options import BatchOptions, OptionalLine


class SlurmOptions(BatchOptions):
    """How a job is submitted to Slurm."""

    qos: OptionalLine = Field(None, description="Quality of service.")
    constraint: OptionalLine = Field(
        None, description="Features that the node must have, e.g. a100&nvlink."
    )
