"""A cluster for all tests, and a namespace of its own for each."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import harness
from tests.cluster.harness import Kubernetes
from tests.on_cluster.jobs import Bench

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
    # Not the same in the next run: a cluster that is not ours goes on removing it for a while.
    name = f"unattended-test-{os.getpid()}-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def bench(cluster: Kubernetes, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A workspace and a backend, in a namespace of their own."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    # With what a shell, YAML and Kubernetes might each take for their own in its name.
    workspace = Path(tempfile.mkdtemp(prefix="work $(HOME) 'space' "))
    workspace.chmod(0o755)
    bench = Bench(cluster, namespace, workspace)
    yield bench
    bench.close()
    shutil.rmtree(workspace, ignore_errors=True)
