"""Work that takes long: reading and checking a notebook, writing a job directory.

Plain functions of plain data, so that they can run in another process (see ``workers``); nothing
here knows Jupyter Server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InvalidInputError
from ..jobs.service import JobService
from .root import Root
from .view import Describe

if TYPE_CHECKING:
    from ..jobs.preparation import Prepared

T = TypeVar("T")


class UnforeseenError(Exception):
    """A task ended with an error that is none of ours; the text has its kind and message."""


@dataclass
class Context:
    """What all tasks need, made where they run.

    Parameters
    ----------
    state_dir
        Where the index of jobs is.
    root
        The directory that the file browser shows.
    """

    state_dir: Path | None
    root: Root

    @cached_property
    def service(self) -> JobService:
        """The one door to jobs."""
        return JobService(self.state_dir)

    @cached_property
    def describe(self) -> Describe:
        """Turns a job's view into what is sent to browsers."""
        return Describe(self.root)


def form(context: Context, notebook: str, job: str, backend: str) -> dict[str, Any]:
    """Return the form for a notebook as it is on disk, or for a clone of a job."""
    from .. import forms

    request = {"notebook": notebook} if notebook else {"job": job}
    prepared = _prepare(context, request, {"backend": backend} if backend else {})
    made = forms.build(
        prepared.spec,
        prepared.parameters,
        forms.backend_choices(context.service, prepared.policy),
        requirements=prepared.requirements.text,
        candidates=prepared.candidates,
        policy=prepared.policy,
        sweeps=bool(notebook),
    )
    notebook_path = context.root.to_contents(prepared.spec.notebook)
    return {**made.to_dict(), **_about(prepared), "notebook_path": notebook_path}


def preview(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return start.sh, what the backend would be given, and the findings."""
    prepared = _prepare(context, request, required(request, "data", dict))
    rendering = prepared.rendering
    files = [_file("start.sh", "bash", prepared.start_script)]
    if rendering.text != prepared.start_script:
        files.append(_file(rendering.filename, rendering.language, rendering.text))
    if prepared.requirements.text.strip():
        files.append(_file("requirements.txt", "text", prepared.requirements.text))
    return {"files": files, **_about(prepared)}


def submit(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Submit what `request` names (``notebook`` or ``job``) with a form's values.

    Returns the job, or the first one of several ``runs``.
    """
    from .. import form_values

    data = required(request, "data", dict)
    refuse_reserved(data)
    force = request.get("force", False) is True
    service = context.service
    job = request.get("job")
    if isinstance(job, str) and job:
        fields, secrets = form_values.to_fields(data)
        views = [service.clone(job, secrets=secrets, force=force, **fields)]
    else:
        specs, secrets = form_values.to_specs(notebook_of(context.root, request), data)
        views = service.submit_many(specs, force=force, secrets=secrets)
    return {**context.describe(views[0]), "runs": len(views)}


def rerun(context: Context, ref: str) -> dict[str, Any]:
    """Submit a job once more."""
    return context.describe(context.service.rerun(ref))


def finding_dict(finding: Any) -> dict[str, Any]:
    """Return a preflight finding as plain data."""
    return {
        name: getattr(finding, name)
        for name in ("code", "severity", "cell", "line", "message", "fix")
    }


def encode(result: Any) -> bytes | None:
    """Return JSON; done where the work is done, because a long list takes a while."""
    if result is None or isinstance(result, bytes):
        return result
    return json.dumps(result, ensure_ascii=False).encode()


def required(body: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """Return a field of the request's body, or say that it is missing or of the wrong type."""
    value = body.get(name)
    if not isinstance(value, kind):
        raise InvalidInputError(
            f"{name}: expected {_KINDS.get(kind, kind.__name__)} in the request."
        )
    return value


_KINDS: dict[type, str] = {str: "a text", dict: "an object", bool: "true or false", int: "a number"}


def _prepare(context: Context, request: Mapping[str, Any], data: Mapping[str, Any]) -> Prepared:
    """Prepare what a form's values ask for; of several runs, the first."""
    from .. import form_values

    refuse_reserved(data)
    job = request.get("job")
    if isinstance(job, str) and job:
        return context.service.prepare_clone(job, **form_values.to_fields(data)[0])
    specs, _ = form_values.to_specs(notebook_of(context.root, request), data)
    return context.service.prepare(specs[0])


def notebook_of(root: Root, request: Mapping[str, Any]) -> Path:
    """Return the notebook that a request names."""
    path = request.get("notebook")
    if not isinstance(path, str) or not path:
        raise InvalidInputError("notebook: which one to run is missing in the request.")
    return root.to_disk(path)


def refuse_reserved(data: Mapping[str, Any]) -> None:
    """Refuse what no form can set."""
    reserved = data.keys() & {"notebook", "schema_version", "secret_env"}
    if reserved:
        raise InvalidInputError(f"{', '.join(sorted(reserved))}: cannot be set in a form.")


def _file(filename: str, language: str, text: str) -> dict[str, str]:
    return {"filename": filename, "language": language, "text": text}


def _about(prepared: Prepared) -> dict[str, Any]:
    return {
        "findings": [finding_dict(finding) for finding in prepared.findings],
        "requirements": {
            "source": prepared.requirements.source,
            "unmapped": [item.module for item in prepared.requirements.unmapped],
        },
    }
