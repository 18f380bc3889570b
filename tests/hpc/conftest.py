"""Real schedulers, one for the whole session."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.batch.backend import BatchBackend
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.view import JobView
from jupyter_unattended.paths import JobPaths

pytest.register_assert_rewrite(
    "hpc.bundles",
    "hpc.jobs",
    "hpc.chains",
    "hpc.commands",
    "hpc.arrays",
    "hpc.digits",
    "hpc.pages",
    "hpc.remote",
    "integration.backend_contract",
)

from integration.backend_contract import Site  # noqa: E402

from . import bundles  # noqa: E402
from .bundles import Run  # noqa: E402
from .daemons import scratch  # noqa: E402
from .shell import Shell  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests more time: that of the first and last one of a worker includes the daemons'."""
    for item in items:
        if "hpc" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def workspace() -> Iterator[Path]:
    """Return an empty workspace that an ordinary user may enter and write."""
    path = scratch("unattended-workspace-")
    path.chmod(0o777)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """Keep away from the user's own state and site profiles."""
    path = tmp_path / "state"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("UNATTENDED_STATE_DIR", str(path))
        environment.setenv("UNATTENDED_SITE_PROFILE", str(tmp_path / "site.toml"))
        environment.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        environment.delenv("UNATTENDED_WORKSPACE", raising=False)
        yield path


@pytest.fixture
def submit(backend: BatchBackend, workspace: Path) -> Callable[..., Run]:
    """Submit a shell script in the place of a notebook."""

    def submit(script: str, **fields: Any) -> Run:
        return Run(backend, bundles.make(workspace, script, backend=backend.name, **fields))

    return submit


@pytest.fixture
def site(
    cluster: Any,
    backend: BatchBackend,
    workspace: Path,
    state_dir: Path,
) -> Site:
    """Return a place to run jobs."""
    (workspace / ".unattended").mkdir()
    service = JobService(state_dir)

    def handle(job: JobView) -> str:
        ids = JobPaths(Path(job.directory)).root / "batch" / "ids"
        return ids.read_text().split()[-1]

    def kill(job: JobView) -> None:
        for pid in cluster.processes(handle(job)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(job: JobView) -> None:
        cluster.preempt(handle(job))

    return Site(service, workspace, backend.name, kill, stop, patience=120, slots=cluster.slots)


@pytest.fixture
def shell(cluster: Any, workspace: Path) -> Iterator[Shell]:
    """Return the command line in a workspace of the user's own; nothing is left in the queue."""
    yield Shell(cluster, workspace)
    cluster.clear()
