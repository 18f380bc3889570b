from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_unattended.backends.slurm import SlurmBackend

from .cluster import SlurmCluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """Start a Slurm for the whole session."""
    started = SlurmCluster()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def backend(cluster: SlurmCluster) -> Iterator[SlurmBackend]:
    """Return the backend, with nothing in the queue before and after."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in cluster.env.items():
            environment.setenv(name, value)
        yield SlurmBackend()
        cluster.clear()
