"""From a JobSpec to a job that its backend has: what `JobService.prepare` and `submit` do."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..backends.base import Bundle, TakesMany
from ..bundle import writer
from ..errors import PreflightError, SpecError, StoreError, WorkspaceError
from ..notebook import environment, preflight
from ..paths import JobPaths
from ..runtime import travel
from ..spec import JobSpec
from . import history, ids
from .discovery import read_record, write_handle
from .preparation import Origin, Preparation, Prepared
from .states import State
from .store import Row
from .view import JobView

if TYPE_CHECKING:
    from .service import JobService


def prepare(service: JobService, spec: JobSpec, origin: Origin | None = None) -> Prepared:
    """Do all of a submit that has no side effects.

    A parameter that needs a value may lack it: forms are made from what this returns.
    """
    return Preparation(service).prepare(spec, origin, strict=False)


def prepare_clone(service: JobService, row: Row, changes: Mapping[str, Any]) -> Prepared:
    """Do all of a clone that has no side effects."""
    return prepare(service, *_cloned(row, changes))


def submit_many(
    service: JobService,
    specs: Iterable[JobSpec],
    *,
    force: bool,
    secrets: Mapping[str, str],
    origin: Origin | None = None,
    content: bytes | None = None,
) -> list[JobView]:
    """Submit jobs one after the other, or together where the backend can take them so."""
    preparation = Preparation(service, content)
    specs = list(specs)
    prepared: Iterable[Prepared] = (
        preparation.prepare(spec, origin, strict=True) for spec in specs
    )
    if len(specs) > 1 and isinstance(service.backend(specs[0].backend), TakesMany):
        everything = list(prepared)
        if len({_kind(one.spec) for one in everything}) == 1:
            return _submit_together(service, everything, force, secrets)
        prepared = everything
    return [_submit(service, one, force, secrets) for one in prepared]


def _kind(spec: JobSpec) -> str:
    """Everything in which jobs that are submitted together must agree."""
    return spec.model_dump_json(exclude={"name", "arguments", "parameters", "env"})


def resubmit(
    service: JobService, row: Row, changes: Mapping[str, Any], secrets: Mapping[str, str]
) -> JobView:
    """Submit a job's own notebook, as it was then, as a new job."""
    spec, origin = _cloned(row, changes)
    # It was submitted once, by force or without findings.
    return submit_many(service, [spec], force=True, secrets=secrets, origin=origin)[0]


def _cloned(row: Row, changes: Mapping[str, Any]) -> tuple[JobSpec, Origin]:
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
    return JobSpec.checked(**merged), Origin(paths, row.id)


def _submit(
    service: JobService, prepared: Prepared, force: bool, secrets: Mapping[str, str]
) -> JobView:
    backend = service.backend(prepared.spec.backend)
    row, bundle = _write(service, prepared, force, secrets)
    try:
        handle = backend.submit(bundle)
    except BaseException as error:
        _undo(service, [(row, bundle.paths)], error)
        raise
    return _submitted(service, row, bundle.paths, handle)


def _submit_together(
    service: JobService, prepared: Sequence[Prepared], force: bool, secrets: Mapping[str, str]
) -> list[JobView]:
    """All or nothing: when this raises, the backend has none of the jobs."""
    backend = service.backend(prepared[0].spec.backend)
    assert isinstance(backend, TakesMany)
    written: list[tuple[Row, Bundle]] = []
    try:
        written += (_write(service, one, force, secrets) for one in prepared)
        handles = backend.submit_many([bundle for _, bundle in written])
    except BaseException as error:
        _undo(service, [(row, bundle.paths) for row, bundle in written], error)
        raise
    return [
        _submitted(service, row, bundle.paths, handle)
        for (row, bundle), handle in zip(written, handles, strict=True)
    ]


def _write(
    service: JobService, prepared: Prepared, force: bool, secrets: Mapping[str, str]
) -> tuple[Row, Bundle]:
    if prepared.errors and not force:
        raise PreflightError(_count(prepared.errors), prepared.findings)
    spec = prepared.spec
    hidden = _secrets(spec, secrets)
    spec = spec.model_copy(update={"secret_env": sorted(hidden)})
    submitted = time.time()
    rows: list[Row] = []

    def announce(paths: JobPaths) -> None:
        # Indexed before its directory appears: others would take it for a job nobody has.
        rows.append(_row(spec, paths, submitted, prepared.restarted_from))
        service.store.remember_workspace(str(spec.workspace))
        _sweep_once(paths.root.parent.parent)
        service.store.put(rows)

    try:
        new_id = partial(ids.new, spec.name or "")
        paths = writer.write(spec, new_id, _contents(prepared, submitted), announce)
    except BaseException:
        with contextlib.suppress(StoreError):
            service.store.remove([row.id for row in rows])
        raise
    return rows[0], Bundle(spec, paths, hidden)


def _undo(
    service: JobService, written: Sequence[tuple[Row, JobPaths]], error: BaseException
) -> None:
    with contextlib.suppress(StoreError):
        if isinstance(error, Exception):
            # The backend does not have the jobs, so nothing of them may stay.
            for _, paths in written:
                writer.remove(paths)
            service.store.remove([row.id for row, _ in written])
        else:
            # Interrupted: whether the backend has the jobs, only it can tell.
            service.store.update({row.id: {"submitter": None} for row, _ in written})


def _submitted(service: JobService, row: Row, paths: JobPaths, handle: str) -> JobView:
    row = replace(row, handle=handle, submitter=None)
    # The backend has the job: from here on nothing may make this a failed submit. If neither the
    # directory nor the index can take the handle, the backend still knows the job by its id.
    with contextlib.suppress(OSError):
        write_handle(paths, handle)
    with contextlib.suppress(StoreError):
        service.store.update({row.id: {"handle": handle, "submitter": None}})
    return row.view()


@cache
def _sweep_once(workspace: Path) -> None:
    """Remove what killed submitters left in a workspace, once in the life of this process."""
    writer.sweep(workspace)


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
