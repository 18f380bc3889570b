"""The contract of backends, on the container backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.backend_contract import BackendContract, Site

from .engine import TestEngine
from .jobs import ContainerJobs, site_of


class TestCommand(BackendContract):
    """The contract, unchanged: Podman through its command."""


@pytest.fixture(scope="module")
def address(engine: TestEngine) -> Iterator[str]:
    """Let Podman listen on a socket, as Docker does."""
    with engine.service() as address:
        yield address


class TestSocket(BackendContract):
    """The contract, unchanged: Podman through its Docker-compatible socket and PyPI's client."""

    @pytest.fixture
    def site(
        self,
        engine: TestEngine,
        jobs: ContainerJobs,
        address: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Site:
        monkeypatch.setenv("DOCKER_HOST", address)
        return site_of(ContainerJobs(engine, jobs.local, "socket"))
