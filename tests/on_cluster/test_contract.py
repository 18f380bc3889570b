"""The contract of backends, on Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

        def pod(view: JobView) -> dict[str, Any]:
            handle = service._discovery.find(view.id).handle
            return bench.pods(JobRef(view.id, handle, JobPaths(Path(view.directory))))[-1]

        def kill(view: JobView) -> None:
            bench.kill(pod(view))

        def stop(view: JobView) -> None:
            name = str(pod(view)["metadata"]["name"])
            bench.cluster.kubectl("delete", "pod", name, "-n", bench.namespace, "--wait=false")

        fields = {"image": bench.cluster.image, "options": bench.options()}
        return Site(service, bench.workspace, "kubernetes", kill, stop, fields, patience=90)
