from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_unattended.backends.gridengine import GridEngineBackend

from .cluster import GridEngineCluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[GridEngineCluster]:
    """Start a Grid Engine for the whole session."""
    started = GridEngineCluster()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def backend(
    cluster: GridEngineCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GridEngineBackend]:
    """Return the backend, with nothing in the queue before and after."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in cluster.env.items():
            environment.setenv(name, value)
        yield GridEngineBackend()
        cluster.clear()
