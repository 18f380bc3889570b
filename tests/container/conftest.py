"""Fixtures of the tests with a real Podman, one for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.integration.backend_contract")

from tests.integration.backend_contract import Site  # noqa: E402
from tests.integration.conftest import local, service, state_dir, workspace  # noqa: E402
from tests.integration.local_jobs import LocalJobs  # noqa: E402

from .docker import TestDocker, running  # noqa: E402
from .engine import TestEngine, started  # noqa: E402
from .jobs import ContainerJobs, site_of  # noqa: E402

__all__ = ["local", "service", "state_dir", "workspace"]


@pytest.fixture(scope="session")
def engine() -> Iterator[TestEngine]:
    """Return a Podman of the tests' own, and use it for everything."""
    with started() as found, pytest.MonkeyPatch.context() as environment:
        for name, value in found.env.items():
            environment.setenv(name, value)
        yield found


@pytest.fixture(scope="session")
def docker(engine: TestEngine) -> Iterator[TestDocker]:
    """Return a Docker of the tests' own."""
    with running(engine) as found:
        yield found


@pytest.fixture
def jobs(engine: TestEngine, local: LocalJobs) -> Iterator[ContainerJobs]:
    """Return a way to submit jobs in containers and to look at what the engine has of them."""
    yield ContainerJobs(engine, local)
    local.kill_agent()
    engine.clear()


@pytest.fixture
def site(jobs: ContainerJobs) -> Site:
    """Return a place to run jobs in containers."""
    return site_of(jobs)
