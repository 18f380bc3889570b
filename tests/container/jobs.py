"""Submitting jobs in containers, and looking at them from the engine's side."""

from __future__ import annotations

from typing import Any, Protocol

from jupyter_unattended.jobs.view import JobView
from tests.integration.backend_contract import Site
from tests.integration.local_jobs import LocalJobs

from .engine import IMAGE


class Engine(Protocol):
    """What the tests ask of an engine of their own."""

    def command(self, *words: str) -> str:
        """Run a command that Podman and Docker have alike."""
        ...

    def containers(self, label: str = ...) -> list[str]:
        """Return the ids of all containers with a label, also ended ones."""
        ...


class ContainerJobs:
    """Submits scripts as jobs in containers.

    Parameters
    ----------
    engine
        The engine.
    local
        The same for jobs without containers.
    choice
        The option ``--engine`` of the jobs.
    """

    def __init__(self, engine: Engine, local: LocalJobs, choice: str = "auto") -> None:
        self.engine = engine
        self.local = local
        self.service = local.service
        self.workspace = local.workspace
        self.options = {"network": "none", "engine": choice}

    def submit(self, script: str, **fields: Any) -> JobView:
        """Submit a script in the notebook's place."""
        options = {**self.options, **fields.pop("options", {})}
        fields = {"backend": "container", "image": IMAGE, **fields}
        return self.service.submit(self.local.spec(script, options=options, **fields), force=True)

    def end(self, job: JobView, timeout: float = 60.0) -> JobView:
        """Wait until a job has ended."""
        return self.local.end(job, timeout)

    def containers(self, job: JobView) -> list[str]:
        """Return the ids of the job's containers, also ended ones."""
        return self.engine.containers(f"jupyter-unattended.job={job.id}")

    def container(self, job: JobView) -> str:
        """Return the id of the job's only container."""
        (found,) = self.containers(job)
        return found

    def stop(self, job: JobView) -> None:
        """Stop the container as somebody at the machine would."""
        self.engine.command("kill", "--signal", "TERM", self.container(job))

    def kill(self, job: JobView) -> None:
        """Kill the container, as a failing machine would."""
        self.engine.command("kill", "--signal", "KILL", self.container(job))


def site_of(jobs: ContainerJobs) -> Site:
    """Return a place to run jobs in containers, for the contract of backends."""
    fields = {"image": IMAGE, "options": jobs.options}
    return Site(
        jobs.service, jobs.workspace, "container", jobs.kill, jobs.stop, fields, patience=60
    )
