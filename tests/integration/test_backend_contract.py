"""The contract of backends, on the local backend."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from jupyter_unattended.jobs.view import JobView

from .backend_contract import BackendContract, Site
from .local_jobs import LocalJobs


class TestLocal(BackendContract):
    """The local backend, with an agent of its own."""

    @pytest.fixture
    def site(self, local: LocalJobs) -> Site:
        def kill(job: JobView) -> None:
            for pid in local.processes(job):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        def stop(job: JobView) -> None:
            os.kill(local.start_script(job), signal.SIGTERM)

        return Site(local.service, local.workspace, "local", kill, stop)
