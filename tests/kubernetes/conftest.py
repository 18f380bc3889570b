"""A cluster for all tests, and a namespace of its own for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.cluster import harness
from tests.cluster.harness import Kubernetes

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Kubernetes]:
    """A real Kubernetes; ``python -m tests.cluster build`` says what is missing for one."""
    if problem := harness.why_not():
        pytest.fail(f"no cluster: {problem}")
    with harness.kubernetes() as kubernetes:
        yield kubernetes


@pytest.fixture
def namespace(cluster: Kubernetes) -> Iterator[str]:
    """A namespace that is deleted with everything in it."""
    name = f"unattended-test-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
