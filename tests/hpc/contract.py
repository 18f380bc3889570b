"""The contract of backends, on a batch scheduler."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from integration.backend_contract import BackendContract, Site

from jupyter_unattended.backends.batch.backend import BatchBackend
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.view import JobView
from jupyter_unattended.paths import JobPaths


class BatchContract(BackendContract):
    """Jobs run as root: it is the service in this process that submits them."""

    @pytest.fixture
    def site(
        self,
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

        return Site(service, workspace, backend.name, kill, stop, patience=60, slots=cluster.slots)
