"""The form for one notebook, a preview of what it would submit, and the submit itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from .. import forms
from ..errors import InvalidInputError
from ..jobs.preparation import Prepared
from ..jobs.service import JobService
from ..jobs.view import JobView
from ..spec import JobSpec
from .base import UnattendedHandler, finding_dict, required
from .root import Root


class FormHandler(UnattendedHandler):
    """The form for a notebook as it is on disk, or for a clone of a job."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Return schema, values, findings and backends."""
        notebook = self.get_query_argument("notebook", "")
        job = self.get_query_argument("job", "")
        backend = self.get_query_argument("backend", "")
        service, root = self.service, self.root
        data = {"backend": backend} if backend else {}
        request = {"notebook": notebook} if notebook else {"job": job}

        def work() -> dict[str, Any]:
            prepared = prepare(service, root, request, data)
            form = forms.build(
                prepared.spec,
                prepared.parameters,
                forms.backend_choices(service, prepared.policy),
                requirements=prepared.requirements.text,
                candidates=prepared.candidates,
                policy=prepared.policy,
            )
            notebook_path = root.to_contents(prepared.spec.notebook)
            return {**form.to_dict(), **_about(prepared), "notebook_path": notebook_path}

        await self.answer(work, heavy=True)


class PreviewHandler(UnattendedHandler):
    """What would be submitted."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Return start.sh and what the backend would be given, and the findings."""
        body, service, root = self.body(), self.service, self.root

        def work() -> dict[str, Any]:
            prepared = prepare(service, root, body, required(body, "data", dict))
            rendering = prepared.rendering
            files = [_file("start.sh", "bash", prepared.start_script)]
            if rendering.text != prepared.start_script:
                files.append(_file(rendering.filename, rendering.language, rendering.text))
            if prepared.requirements.text.strip():
                files.append(_file("requirements.txt", "text", prepared.requirements.text))
            return {"files": files, **_about(prepared)}

        await self.answer(work, heavy=True)


def prepare(
    service: JobService, root: Root, request: Mapping[str, Any], data: Mapping[str, Any]
) -> Prepared:
    """Prepare what `request` names (``notebook`` or ``job``) with a form's values."""
    fields, _ = _fields(data)
    job = request.get("job")
    if isinstance(job, str) and job:
        return service.prepare_clone(job, **fields)
    return service.prepare(_spec(root, request, fields))


def submit(service: JobService, root: Root, request: Mapping[str, Any]) -> JobView:
    """Submit what `request` names (``notebook`` or ``job``) with a form's values."""
    fields, secrets = _fields(required(dict(request), "data", dict))
    force = request.get("force", False) is True
    job = request.get("job")
    if isinstance(job, str) and job:
        return service.clone(job, secrets=secrets, force=force, **fields)
    return service.submit(_spec(root, request, fields), force=force, secrets=secrets)


def _spec(root: Root, request: Mapping[str, Any], fields: Mapping[str, Any]) -> JobSpec:
    path = request.get("notebook")
    if not isinstance(path, str) or not path:
        raise InvalidInputError("notebook: which one to run is missing in the request.")
    return JobSpec.checked(**{**fields, "notebook": root.to_disk(path)})


def _fields(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    reserved = data.keys() & {"notebook", "schema_version", "secret_env"}
    if reserved:
        raise InvalidInputError(f"{', '.join(sorted(reserved))}: cannot be set in a form.")
    return forms.to_fields(data)


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


#: Path and handler of each endpoint.
ENDPOINTS: list[tuple[str, Any]] = [
    (r"/form", FormHandler),
    (r"/preview", PreviewHandler),
]
