"""The contract of backends, on Kubernetes."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from jupyter_unattended.backends.base import JobRef
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.view import JobView
from jupyter_unattended.paths import JobPaths
from tests.integration.backend_contract import BackendContract, Site
from tests.on_cluster.jobs import Bench


@pytest.mark.timeout(180)
class TestKubernetes(BackendContract):
    """Jobs in a namespace of their own, submitted from outside the cluster."""

    @pytest.fixture
    def site(self, bench: Bench, tmp_path: Path) -> Site:
        service = JobService(tmp_path / "state")
        service._backends["kubernetes"] = bench.backend

        def pod(view: JobView) -> dict[str, object]:
            handle = service._discovery.find(view.id).handle
            return bench.pods(JobRef(view.id, handle, JobPaths(Path(view.directory))))[-1]

        def kill(view: JobView) -> None:
            if not bench.cluster.is_ours:
                pytest.skip("KUBECONFIG names a cluster whose nodes' processes cannot be killed")
            (status,) = pod(view)["status"]["containerStatuses"]  # type: ignore[index]
            container = status["containerID"].rpartition("/")[2]
            for file in Path("/sys/fs/cgroup").glob(
                f"**/unattended-test/**/{container}/cgroup.procs"
            ):
                for pid in file.read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)

        def stop(view: JobView) -> None:
            name = str(pod(view)["metadata"]["name"])  # type: ignore[index]
            bench.cluster.kubectl("delete", "pod", name, "-n", bench.namespace, "--wait=false")

        fields = {"image": bench.cluster.image, "options": bench.options()}
        return Site(service, bench.workspace, "kubernetes", kill, stop, fields, patience=90)
