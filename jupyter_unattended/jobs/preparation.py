"""All of a submit that has no side effects: what forms, previews and ``check`` show."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..backends.base import Bundle, Rendering
from ..bundle import snapshot, startscript
from ..bundle import workspace as workspaces
from ..errors import ArgumentsError, SpecError, WorkspaceError
from ..notebook import kernels, preflight, reader, requirements
from ..paths import JobPaths
from ..policy import Policy
from ..runtime import parameters as notebook_parameters
from ..spec import JobSpec, describe
from . import ids

if TYPE_CHECKING:
    from ..backends.base import Backend
    from .service import JobService


@dataclass(frozen=True)
class Prepared:
    """All that is known about a job before it is submitted.

    Parameters
    ----------
    spec
        The spec with everything filled in: absolute paths, workspace, name, kernel, arguments, and
        every parameter's value as the job will see it.
    notebook, kernel
        The notebook as read, and the kernel it will run with.
    parameters
        The notebook's parameters; empty without a tagged cell.
    candidates
        What could become parameters, where there is no tagged cell.
    requirements
        What start.sh will install.
    findings
        Preflight's findings, what the policy forbids, and what the backend says of its plan.
    rendering
        What the backend would be given, as text.
    start_script
        The job's start.sh.
    user_start_script
        The start.sh that the user wrote, which runs in the notebook's place; None if there is none.
    restarted_from
        The id of the job that this one repeats.
    snapshot
        The workspace files that are taken along, if that was asked for.
    policy
        What the administrator allows; forms show no more than that.
    """

    spec: JobSpec
    notebook: reader.Notebook
    kernel: kernels.Kernel
    parameters: list[notebook_parameters.Parameter]
    candidates: list[notebook_parameters.Parameter]
    requirements: requirements.Requirements
    findings: list[preflight.Finding]
    rendering: Rendering
    start_script: str
    user_start_script: bytes | None = field(default=None, repr=False)
    restarted_from: str | None = None
    snapshot: snapshot.Snapshot = field(default_factory=snapshot.Snapshot)
    policy: Policy = field(default_factory=Policy)

    @property
    def errors(self) -> list[preflight.Finding]:
        """The findings that stop a submit unless it is forced."""
        return [finding for finding in self.findings if finding.severity == "error"]


@dataclass(frozen=True)
class Origin:
    """Where a job is made from, if not from the notebook as it is now: another job."""

    paths: JobPaths
    job_id: str


class Preparation:
    """Prepares jobs; many of one notebook cost one reading of it."""

    def __init__(self, service: JobService, content: bytes | None = None) -> None:
        self._service = service
        self._content = content
        self._policy = Policy.load()
        self._read: dict[Path, reader.Notebook] = {}
        self._checked: dict[object, tuple[requirements.Requirements, list[preflight.Finding]]] = {}

    def prepare(self, spec: JobSpec, origin: Origin | None, *, strict: bool) -> Prepared:
        """Prepare one job.

        `strict` refuses parameters that need a value and have none, and what the policy forbids:
        forms show both.
        """
        spec = self._policy.apply(spec)
        backend = self._service.backend(spec.backend)
        _check_options(backend, spec)
        spec = self._policy.apply(spec, backend.options_model())
        if strict:
            self._policy.check(spec, backend.options_model())
        notebook = self._notebook(spec.notebook, origin)
        workspace = workspaces.resolve(notebook.path, spec.workspace)
        kernel = kernels.resolve(spec.kernel, notebook)
        index, parameters = notebook_parameters.find(notebook.node)
        arguments, values = _arguments(spec, parameters, tagged=index is not None, strict=strict)
        wanted, findings = self._check(notebook, kernel, spec, workspace, origin)
        resolved = spec.model_copy(
            update={
                "notebook": notebook.path,
                "workspace": workspace,
                "name": spec.name or ids.printable(notebook.path.stem),
                "kernel": kernel.name,
                "arguments": arguments,
                "parameters": values,
            }
        )
        # What runs in the notebook's place knows nothing of other content than the file's.
        user_script = _user_start_script(notebook, origin) if self._content is None else None
        script = startscript.render(
            notebook=notebook.path.name,
            working_directory=str(notebook.directory),
            python=str(kernel.python) if kernel.python else None,
            arguments=arguments,
            environment={**kernel.env, **spec.env},
            grace_period=spec.grace_period,
            user_script=user_script is not None,
        )
        paths = JobPaths.in_workspace(workspace, ids.new(resolved.name or ""))
        rendering = backend.render(Bundle(resolved, paths))
        plan = [preflight.Finding("plan", "info", None, None, note) for note in rendering.notes]
        return Prepared(
            spec=resolved,
            notebook=notebook,
            kernel=kernel,
            parameters=parameters,
            candidates=[] if index is not None else notebook_parameters.candidates(notebook.node),
            requirements=wanted,
            findings=[*self._forbidden(spec, backend), *findings, *plan],
            rendering=rendering,
            start_script=script,
            user_start_script=user_script,
            restarted_from=origin.job_id if origin else None,
            snapshot=_snapshot(resolved, notebook, wanted, workspace, origin),
            policy=self._policy,
        )

    def _forbidden(self, spec: JobSpec, backend: Backend) -> list[preflight.Finding]:
        problems = self._policy.problems(spec, backend.options_model())
        return [preflight.Finding("policy", "error", None, None, text) for text in problems]

    def _notebook(self, path: Path, origin: Origin | None) -> reader.Notebook:
        path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - keeps symbolic links
        source = path if origin is None else origin.paths.notebook
        if source not in self._read:
            self._read[source] = reader.load(source, self._content)
        return replace(self._read[source], path=path)

    def _check(
        self,
        notebook: reader.Notebook,
        kernel: kernels.Kernel,
        spec: JobSpec,
        workspace: Path,
        origin: Origin | None,
    ) -> tuple[requirements.Requirements, list[preflight.Finding]]:
        file = spec.requirements
        if file is None and origin is not None:
            file = origin.paths.requirements
        key = (id(notebook.node), kernel.name, file, spec.requirements_text, workspace)
        if key not in self._checked:
            found = requirements.collect(notebook, kernel, file, workspace)
            if spec.requirements_text is not None:
                found = replace(found, text=spec.requirements_text, source="file")
            findings = preflight.check(notebook, kernel, found, workspace)
            self._checked[key] = (found, findings)
        return self._checked[key]


def _check_options(backend: Backend, spec: JobSpec) -> None:
    try:
        backend.options_model().model_validate(spec.options)
    except ValidationError as error:
        raise SpecError(f"{spec.backend}: {describe(error)}") from error
    reason = backend.capabilities().image if spec.image is not None else None
    if reason is not None:
        raise SpecError(f"image: {reason.rstrip('.')}; leave it out, or choose another backend.")


def _arguments(
    spec: JobSpec,
    parameters: list[notebook_parameters.Parameter],
    *,
    tagged: bool,
    strict: bool,
) -> tuple[list[str], dict[str, Any]]:
    """Return start.sh's arguments, and the value of every parameter that is known now."""
    if not tagged:
        if spec.parameters:
            name = next(iter(spec.parameters))
            raise ArgumentsError(
                f"{name}: the notebook has no cell tagged 'parameters', so it has no parameter "
                "to set; tag the cell with the defaults."
            )
        return list(spec.arguments), {}
    try:
        arguments = list(spec.arguments)
        if spec.parameters:
            arguments = notebook_parameters.to_arguments(spec.parameters, parameters) + arguments
        given = notebook_parameters.parse(arguments, parameters, partial=not strict)
    except notebook_parameters.ParametersError as error:
        raise ArgumentsError(str(error)) from error
    defaults = {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.has_default and not parameter.default_source
    }
    return arguments, {**defaults, **given}


def _user_start_script(notebook: reader.Notebook, origin: Origin | None) -> bytes | None:
    file = notebook.directory / "start.sh" if origin is None else origin.paths.user_start_script
    try:
        script = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkspaceError(f"{file} cannot be read ({error.strerror}).") from error
    # What `convert` wrote for another notebook of this directory would run that one instead.
    return script if startscript.is_for(script, notebook.path.name) else None


def _snapshot(
    spec: JobSpec,
    notebook: reader.Notebook,
    wanted: requirements.Requirements,
    workspace: Path,
    origin: Origin | None,
) -> snapshot.Snapshot:
    if not spec.snapshot:
        return snapshot.Snapshot()
    if origin is not None and origin.paths.files.is_dir():
        return snapshot.again(origin.paths.files)
    return snapshot.take(notebook, wanted.imports, workspace)
