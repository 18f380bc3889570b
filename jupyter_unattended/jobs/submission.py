"""From a JobSpec to a job that its backend has: what `JobService.prepare` and `submit` do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..backends.base import Rendering
from ..runtime import parameters as notebook_parameters
from ..spec import JobSpec
from .store import Row
from .view import JobView

if TYPE_CHECKING:
    from .service import JobService


@dataclass(frozen=True)
class Prepared:
    """All that is known about a job before it is submitted.

    Parameters
    ----------
    spec
        The spec with everything filled in: absolute paths, workspace, name, kernel, arguments, and
        every parameter's value as the job will see it.
    content
        The notebook, byte for byte.
    notebook, kernel
        The notebook as read, and the kernel it will run with.
    parameters
        The notebook's parameters; empty without a tagged cell.
    candidates
        What could become parameters, where there is no tagged cell.
    requirements
        What start.sh will install.
    findings
        Preflight's findings.
    rendering
        What the backend would be given, as text.
    start_script
        The job's start.sh.
    """

    spec: JobSpec
    content: bytes
    notebook: Any
    kernel: Any
    parameters: list[notebook_parameters.Parameter]
    candidates: list[notebook_parameters.Parameter]
    requirements: Any
    findings: list[Any]
    rendering: Rendering
    start_script: str

    @property
    def errors(self) -> list[Any]:
        """The findings that stop a submit unless it is forced."""
        return [finding for finding in self.findings if finding.severity == "error"]


def prepare(service: JobService, spec: JobSpec) -> Prepared:
    """Do all of a submit that has no side effects."""
    raise NotImplementedError


def prepare_clone(service: JobService, row: Row, changes: Mapping[str, Any]) -> Prepared:
    """Do all of a clone that has no side effects."""
    raise NotImplementedError


def submit_many(
    service: JobService, specs: Iterable[JobSpec], *, force: bool, secrets: Mapping[str, str]
) -> list[JobView]:
    """Submit jobs one after the other."""
    raise NotImplementedError


def resubmit(
    service: JobService, row: Row, changes: Mapping[str, Any], secrets: Mapping[str, str]
) -> JobView:
    """Submit a job's own notebook, as it was then, as a new job."""
    raise NotImplementedError
