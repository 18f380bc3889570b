"""From a JobSpec to a job that its backend has: what `JobService.prepare` and `submit` do."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._version import __version__
from ..backends.base import Bundle, Rendering, TakesMany
from ..bundle import writer
from ..errors import (
    PreflightError,
    SpecError,
    StoreError,
    UnsupportedError,
    WorkspaceError,
)
from ..notebook import environment, preflight, reader
from ..paths import JobPaths
from ..runtime import parameters as notebook_parameters
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


#: How many job directories are written at the same time.
_WRITERS = 8


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
    """Submit jobs together where the backend can take them so, else one after the other.

    Nothing is submitted if one of them is refused.
    """
    preparation = Preparation(service, content)
    prepared = [preparation.prepare(spec, origin, strict=True) for spec in specs]
    hidden = [_admit(one, force, secrets) for one in prepared]
    views: list[JobView] = []
    for together in _batches(service, prepared):
        views += _submit(service, [(prepared[at], hidden[at]) for at in together])
    return views


def write_rendered(service: JobService, spec: JobSpec, *, force: bool) -> tuple[Rendering, Path]:
    """Write a job directory for somebody to run by hand; see `JobService.write_rendered`."""
    prepared = Preparation(service).prepare(spec, None, strict=True)
    backend = service.backend(prepared.spec.backend)
    if not getattr(backend, "renders_whole", False):
        raise UnsupportedError(
            f"{backend.name}: what it renders cannot be run by hand; submit it instead."
        )
    if prepared.errors and not force:
        raise PreflightError(_count(prepared.errors), prepared.findings)
    new_id = partial(ids.new, prepared.spec.name or "")
    draft = writer.begin(prepared.spec, new_id, _contents(prepared, time.time()), listed=False)
    try:
        rendering = backend.render(Bundle(prepared.spec, draft.paths))
        draft.publish()
    except BaseException:
        draft.discard()
        raise
    return rendering, draft.paths.root


def _batches(service: JobService, prepared: Sequence[Prepared]) -> list[range]:
    """Return which of the jobs go to the backend in one call."""
    many = len(prepared) > 1 and isinstance(service.backend(prepared[0].spec.backend), TakesMany)
    if many and len({_kind(one.spec) for one in prepared}) == 1:
        return [range(len(prepared))]
    return [range(at, at + 1) for at in range(len(prepared))]


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
        fields["arguments"] = _others(paths.notebook, fields["arguments"])
    elif fields.get("parameters"):
        # The arguments say it all, and just as it was written.
        fields["parameters"] = {}
    merged = {**fields, **changes}
    if "parameters" in changes:
        merged["parameters"] = {**fields["parameters"], **changes["parameters"]}
    return JobSpec.checked(**merged), Origin(paths, row.id)


def _others(notebook: Path, arguments: Sequence[str]) -> list[str]:
    """Return what arguments say that is no parameter's value."""
    if "--" not in arguments:
        return []
    index, known = notebook_parameters.find(reader.load(notebook).node)
    return notebook_parameters.others(arguments, known) if index is not None else []


def _admit(prepared: Prepared, force: bool, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the job's secrets, or raise why it cannot be submitted."""
    if not force:
        refuse_errors(prepared)
    return _secrets(prepared.spec, secrets)


def _submit(service: JobService, jobs: Sequence[tuple[Prepared, dict[str, str]]]) -> list[JobView]:
    """All or nothing: when this raises, the backend has none of the jobs."""
    backend = service.backend(jobs[0][0].spec.backend)
    written = _write(service, jobs)
    bundles = [bundle for _, bundle in written]
    try:
        if len(bundles) > 1:
            assert isinstance(backend, TakesMany)
            handles = backend.submit_many(bundles)
        else:
            handles = [backend.submit(bundles[0])]
    except BaseException as error:
        _undo(service, written, error)
        raise
    return _submitted(service, written, handles)


def _write(
    service: JobService, jobs: Sequence[tuple[Prepared, dict[str, str]]]
) -> list[tuple[Row, Bundle]]:
    """Make the job directories and enter the jobs into the index."""
    now = time.time()

    def begin(place: int) -> _Begun:
        prepared, hidden = jobs[place]
        submitted = now + place * 1e-6  # no two at one time, so that their order is kept
        spec = prepared.spec.model_copy(update={"secret_env": sorted(hidden)})
        new_id = partial(ids.new, spec.name or "")
        draft = writer.begin(spec, new_id, _contents(prepared, submitted))
        row = _row(spec, draft.paths, submitted, prepared.restarted_from)
        return _Begun(row, Bundle(spec, draft.paths, hidden), draft)

    begun = _side_by_side(begin, len(jobs))
    rows = [one.row for one in begun]
    try:
        # Indexed before their directories appear: others would take them for jobs nobody has.
        for workspace in {row.workspace for row in rows}:
            service.store.remember_workspace(workspace)
            _sweep_once(Path(workspace))
        service.store.put(rows)
        for one in begun:
            one.draft.publish()
    except BaseException:
        for one in begun:
            one.draft.discard()
        with contextlib.suppress(StoreError):
            service.store.remove([row.id for row in rows])
        raise
    return [(one.row, one.bundle) for one in begun]


class _Begun(NamedTuple):
    """A job whose directory is written but not there yet."""

    row: Row
    bundle: Bundle
    draft: writer.Draft


def _side_by_side(begin: Callable[[int], _Begun], count: int) -> list[_Begun]:
    """Begin many jobs; most of the time is spent waiting for the disk to have their files."""
    if count == 1:
        return [begin(0)]
    pool = ThreadPoolExecutor(_WRITERS)
    futures = [pool.submit(begin, place) for place in range(count)]
    try:
        return [future.result() for future in futures]
    except BaseException:
        pool.shutdown(cancel_futures=True)
        for future in futures:
            if not future.cancelled() and future.exception() is None:
                future.result().draft.discard()
        raise
    finally:
        pool.shutdown()


def _undo(service: JobService, written: Sequence[tuple[Row, Bundle]], error: BaseException) -> None:
    with contextlib.suppress(StoreError):
        if isinstance(error, Exception):
            # The backend does not have the jobs, so nothing of them may stay.
            for _, bundle in written:
                writer.remove(bundle.paths)
            service.store.remove([row.id for row, _ in written])
        else:
            # Interrupted: whether the backend has the jobs, only it can tell.
            service.store.update({row.id: {"submitter": None} for row, _ in written})


def _submitted(
    service: JobService, written: Sequence[tuple[Row, Bundle]], handles: Sequence[str]
) -> list[JobView]:
    """Note the handles.

    The backend has the jobs: from here on nothing may make this a failed submit. If neither a
    directory nor the index can take a handle, the backend still knows the job by its id.
    """
    views = []
    changes = {}
    for (row, bundle), handle in zip(written, handles, strict=True):
        with contextlib.suppress(OSError):
            write_handle(bundle.paths, handle)
        changes[row.id] = {"handle": handle, "submitter": None}
        views.append(replace(row, handle=handle, submitter=None).view())
    with contextlib.suppress(StoreError):
        service.store.update(changes)
    return views


@cache
def _sweep_once(workspace: Path) -> None:
    """Remove what killed submitters left in a workspace, once in the life of this process."""
    writer.sweep(workspace)


def refuse_errors(prepared: Prepared) -> None:
    """Raise `PreflightError` if preflight found errors."""
    if prepared.errors:
        raise PreflightError(_count(prepared.errors), prepared.findings)


def _count(errors: list[preflight.Finding]) -> str:
    if len(errors) == 1:
        return f"The check found an error: {errors[0].message}"
    return f"The check found {len(errors)} errors, the first one: {errors[0].message}"


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
