"""From a JobSpec to a job that its backend has: what `JobService.prepare` and `submit` do."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .._version import __version__
from ..backends.base import Bundle, Rendering
from ..bundle import snapshot, startscript, writer
from ..bundle import workspace as workspaces
from ..errors import ArgumentsError, PreflightError, SpecError, StoreError, WorkspaceError
from ..notebook import environment, kernels, preflight, reader, requirements
from ..paths import JobPaths
from ..runtime import parameters as notebook_parameters
from ..runtime import travel
from ..spec import JobSpec, describe
from . import history, ids
from .discovery import read_record, write_handle
from .states import State
from .store import Row
from .view import JobView

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
        Preflight's findings.
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

    @property
    def errors(self) -> list[preflight.Finding]:
        """The findings that stop a submit unless it is forced."""
        return [finding for finding in self.findings if finding.severity == "error"]


@dataclass(frozen=True)
class _Origin:
    """Where a job is made from, if not from the notebook as it is now: another job."""

    paths: JobPaths
    job_id: str


# -- preparing -------------------------------------------------------------------------------------


def prepare(service: JobService, spec: JobSpec, origin: _Origin | None = None) -> Prepared:
    """Do all of a submit that has no side effects.

    A parameter that needs a value may lack it: forms are made from what this returns.
    """
    return _Preparation(service).prepare(spec, origin, strict=False)


def prepare_clone(service: JobService, row: Row, changes: Mapping[str, Any]) -> Prepared:
    """Do all of a clone that has no side effects."""
    return prepare(service, *_cloned(row, changes))


class _Preparation:
    """Prepares jobs; many of one notebook cost one reading of it."""

    def __init__(self, service: JobService, content: bytes | None = None) -> None:
        self._service = service
        self._content = content
        self._read: dict[Path, reader.Notebook] = {}
        self._checked: dict[object, tuple[requirements.Requirements, list[preflight.Finding]]] = {}

    def prepare(self, spec: JobSpec, origin: _Origin | None, *, strict: bool) -> Prepared:
        backend = self._service.backend(spec.backend)
        _check_options(backend, spec)
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
        return Prepared(
            spec=resolved,
            notebook=notebook,
            kernel=kernel,
            parameters=parameters,
            candidates=[] if index is not None else notebook_parameters.candidates(notebook.node),
            requirements=wanted,
            findings=findings,
            rendering=backend.render(Bundle(resolved, paths)),
            start_script=script,
            user_start_script=user_script,
            restarted_from=origin.job_id if origin else None,
            snapshot=_snapshot(resolved, notebook, wanted, workspace, origin),
        )

    def _notebook(self, path: Path, origin: _Origin | None) -> reader.Notebook:
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
        origin: _Origin | None,
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


def _user_start_script(notebook: reader.Notebook, origin: _Origin | None) -> bytes | None:
    file = notebook.directory / "start.sh" if origin is None else origin.paths.user_start_script
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkspaceError(f"{file} cannot be read ({error.strerror}).") from error


# -- submitting ------------------------------------------------------------------------------------


def submit_many(
    service: JobService,
    specs: Iterable[JobSpec],
    *,
    force: bool,
    secrets: Mapping[str, str],
    origin: _Origin | None = None,
    content: bytes | None = None,
) -> list[JobView]:
    """Submit jobs one after the other."""
    preparation = _Preparation(service, content)
    return [
        _submit(service, preparation.prepare(spec, origin, strict=True), force, secrets)
        for spec in specs
    ]


def resubmit(
    service: JobService, row: Row, changes: Mapping[str, Any], secrets: Mapping[str, str]
) -> JobView:
    """Submit a job's own notebook, as it was then, as a new job."""
    spec, origin = _cloned(row, changes)
    # It was submitted once, by force or without findings.
    return submit_many(service, [spec], force=True, secrets=secrets, origin=origin)[0]


def _cloned(row: Row, changes: Mapping[str, Any]) -> tuple[JobSpec, _Origin]:
    paths = JobPaths(Path(row.directory))
    record = read_record(paths)
    if record is None:
        raise WorkspaceError(f"{paths.spec} cannot be read, so {row.id} cannot be repeated.")
    fields: dict[str, Any] = dict(record["spec"])
    if "arguments" in changes:
        # New arguments are the whole of them; what is not given has its default again.
        fields["parameters"] = {}
    elif "parameters" in changes:
        fields["arguments"] = []
    elif fields.get("parameters"):
        # The arguments say it all, and just as it was written.
        fields["parameters"] = {}
    merged = {**fields, **changes}
    if "parameters" in changes:
        merged["parameters"] = {**fields["parameters"], **changes["parameters"]}
    return JobSpec.checked(**merged), _Origin(paths, row.id)


def _submit(
    service: JobService, prepared: Prepared, force: bool, secrets: Mapping[str, str]
) -> JobView:
    if prepared.errors and not force:
        raise PreflightError(_count(prepared.errors), prepared.findings)
    spec = prepared.spec
    hidden = _secrets(spec, secrets)
    spec = spec.model_copy(update={"secret_env": sorted(hidden)})
    backend = service.backend(spec.backend)
    submitted = time.time()
    rows: list[Row] = []

    def announce(paths: JobPaths) -> None:
        # Indexed before its directory appears: others would take it for a job nobody has.
        rows.append(_row(spec, paths, submitted, prepared.restarted_from))
        service.store.remember_workspace(str(spec.workspace))
        service.store.put(rows)

    try:
        new_id = partial(ids.new, spec.name or "")
        paths = writer.write(spec, new_id, _contents(prepared, submitted), announce)
        bundle = Bundle(spec, paths, hidden)
        try:
            handle = backend.submit(bundle)
        except BaseException:
            writer.remove(paths)
            raise
    except BaseException:
        # Nothing has the job now, so nothing of it may stay.
        with contextlib.suppress(StoreError):
            service.store.remove([row.id for row in rows])
        raise
    row = replace(rows[0], handle=handle, submitter=None)
    # The backend has the job: from here on nothing may make this a failed submit. If neither the
    # directory nor the index can take the handle, the backend still knows the job by its id.
    with contextlib.suppress(OSError):
        write_handle(paths, handle)
    with contextlib.suppress(StoreError):
        service.store.update({row.id: {"handle": handle, "submitter": None}})
    return row.view()


def _count(errors: list[preflight.Finding]) -> str:
    if len(errors) == 1:
        return f"Preflight found an error: {errors[0].message}"
    return f"Preflight found {len(errors)} errors, the first one: {errors[0].message}"


def _secrets(spec: JobSpec, given: Mapping[str, str]) -> dict[str, str]:
    values = {**{name: os.environ.get(name) for name in spec.secret_env}, **given}
    for name, value in values.items():
        if value is None:
            raise SpecError(
                f"secret-env: {name} has no value; set it in the environment of this command."
            )
    return {name: value for name, value in values.items() if value is not None}


def _snapshot(
    spec: JobSpec,
    notebook: reader.Notebook,
    wanted: requirements.Requirements,
    workspace: Path,
    origin: _Origin | None,
) -> snapshot.Snapshot:
    if not spec.snapshot:
        return snapshot.Snapshot()
    if origin is not None and origin.paths.files.is_dir():
        return snapshot.again(origin.paths.files)
    return snapshot.take(notebook, wanted.imports, workspace)


def _contents(prepared: Prepared, submitted: float) -> writer.Contents:
    kernel = prepared.kernel
    python_version, packages = None, {}
    if kernel.python is not None:
        inspected = environment.inspect(kernel)
        python_version, packages = inspected.python_version, dict(inspected.packages)
    scripts = {}
    if prepared.user_start_script is not None:
        scripts["user-start.sh"] = prepared.user_start_script
    return writer.Contents(
        notebook=prepared.notebook.content,
        requirements=prepared.requirements.text,
        start_script=prepared.start_script,
        record={
            "submitted": {
                "at": submitted,
                "by": _user(),
                "host": socket.gethostname(),
                "version": __version__,
            },
            "kernel": {
                "name": kernel.name,
                "language": kernel.language,
                "python": str(kernel.python) if kernel.python else None,
                "python_version": python_version,
                "runner": kernel.runner,
            },
            "packages": packages,
            "working_directory": str(prepared.notebook.directory),
            "restarted_from": prepared.restarted_from,
        },
        history=history.line(State.QUEUED, by="service", at=submitted),
        executables=scripts,
        install=[travel.install, prepared.snapshot.install],
    )


def _row(spec: JobSpec, paths: JobPaths, submitted: float, restarted_from: str | None) -> Row:
    return Row(
        id=paths.job_id,
        name=spec.name or paths.job_id,
        notebook=str(spec.notebook),
        workspace=str(spec.workspace),
        directory=str(paths.root),
        backend=spec.backend,
        state=State.QUEUED.value,
        created=submitted,
        since=submitted,
        priority=spec.priority,
        restarted_from=restarted_from,
        submitter=f"{socket.gethostname()}:{os.getpid()}",
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
