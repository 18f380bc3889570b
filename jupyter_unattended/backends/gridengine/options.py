"""Grid Engine's own options."""

from __future__ import annotations

from pydantic import Field

from ...spec import Memory
from ..batch.options import BatchOptions, OptionalLine


class GridEngineOptions(BatchOptions):
    """How a job is submitted to Grid Engine."""

    parallel_environment: OptionalLine = Field(
        None,
        description="Parallel environment for more than one CPU, e.g. omp. Default: the site "
        "profile's, else omp.",
    )
    gpu_capability: float | None = Field(
        None, gt=0, description="Least compute capability of the GPUs, e.g. 3.5."
    )
    gpu_memory: Memory | None = Field(None, description="Least memory of each GPU, e.g. 48G.")
