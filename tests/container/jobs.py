"""Submitting jobs in containers, and looking at them from the engine's side."""

from __future__ import annotations

from typing import Any

from jupyter_unattended.jobs.view import JobView
from tests.integration.local_jobs import LocalJobs

from .engine import IMAGE, TestEngine


class ContainerJobs:
    """Submits scripts as jobs in containers.

    Parameters
    ----------
    engine
        The engine.
    local
        The same for jobs without containers.
    """

    def __init__(self, engine: TestEngine, local: LocalJobs) -> None:
        self.engine = engine
        self.local = local
        self.service = local.service
        self.workspace = local.workspace

    def submit(self, script: str, **fields: Any) -> JobView:
        """Submit a script in the notebook's place."""
        options = {"network": "none", **fields.pop("options", {})}
        fields = {"backend": "container", "image": IMAGE, **fields}
        return self.service.submit(self.local.spec(script, options=options, **fields), force=True)

    def end(self, job: JobView, timeout: float = 60.0) -> JobView:
        """Wait until a job has ended."""
        return self.local.end(job, timeout)

    def containers(self, job: JobView) -> list[dict[str, Any]]:
        """Return the job's containers, also ended ones."""
        return [
            found
            for found in self.engine.containers()
            if (found["Labels"] or {}).get("jupyter-unattended.job") == job.id
        ]

    def container(self, job: JobView) -> str:
        """Return the id of the job's only container."""
        (found,) = self.containers(job)
        return str(found["Id"])

    def stop(self, job: JobView) -> None:
        """Stop the container as somebody at the machine would."""
        self.engine.podman("kill", "--signal", "TERM", self.container(job))

    def kill(self, job: JobView) -> None:
        """Kill the container, as a failing machine would."""
        self.engine.podman("kill", "--signal", "KILL", self.container(job))
