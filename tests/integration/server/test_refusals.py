"""Whatever is asked, the answer is one that a person can act on: never a bare 500."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

HUGE = 10**30
#: Values that stand where something else is meant.
ODD = [
    None,
    True,
    -1,
    HUGE,
    1.5,
    "",
    "\0",
    "\ud800",
    "x" * 5000,
    "~nobody/x",
    [],
    [[]],
    {},
    {"a": None},
]
#: Fields of a form, each of which is given every odd value.
FIELDS = [
    *("name", "backend", "cpus", "memory", "gpus", "time_limit", "grace_period", "priority"),
    *("max_restarts", "kernel", "image", "workspace", "snapshot", "checkpoint_interval"),
    *("arguments", "parameters", "env", "options", "requirements", "sweep"),
]
PATHS = [
    "",
    "/",
    ".",
    "..",
    "\0",
    "a\0.ipynb",
    "x" * 5000,
    "x/" * 3000,
    "train.ipynb/x",
    ":",
    "RTC:",
]


@pytest.fixture
def refused(jp_fetch: Any) -> Any:
    """Return a function that asks, and asserts that the answer is no accident."""

    async def ask(method: str, path: str, body: Any = None, **query: object) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        response = await jp_fetch(
            *("jupyter-unattended/" + path).split("/"),
            method=method,
            body=raw,
            params={name: str(value) for name, value in query.items()},
            request_timeout=60,
            raise_error=False,
        )
        told = f"{method} {path} {body!r:.200} {query!r:.200}: {response.body!r:.500}"
        assert response.code < 500, told
        answer = json.loads(response.body) if response.body else None
        if response.code >= 400:
            assert response.code in (400, 404, 409), told
            assert len(answer["message"]) > 10, told
            assert "Traceback" not in answer["message"], told
        return response.code, answer

    return ask


async def test_values_of_every_kind(refused: Any, notebook: Any) -> None:
    path = notebook("print(n)", parameters="n = 1")
    odd = [(field, value) for field in FIELDS for value in ODD]
    odd += [("parameters", {"n": value}) for value in ODD]
    odd += [("env", [{"name": value, "value": "1"}]) for value in ODD]
    odd += [("env", [{"name": "A", "value": value}]) for value in ODD]

    odd += [
        ("sweep", text)
        for text in ("n", "n=", "=1", "n=1..x", "n=2..1", "n=[", "env A", "n=1\nn=2")
    ]

    async def preview(field: str, value: object) -> None:
        await refused("POST", "preview", {"notebook": path, "data": {field: value}})

    await asyncio.gather(*(preview(field, value) for field, value in odd))


async def test_notebooks_of_every_kind(refused: Any, notebook: Any, jp_root_dir: Any) -> None:
    notebook("1")
    (jp_root_dir / "folder.ipynb").mkdir()
    (jp_root_dir / "list.ipynb").write_text("[]")
    (jp_root_dir / "old.ipynb").write_text('{"nbformat": 2, "worksheets": []}')
    (jp_root_dir / "bytes.ipynb").write_bytes(b"\xff\xfe\0")
    for path in (*PATHS, "folder.ipynb", "list.ipynb", "old.ipynb", "bytes.ipynb"):
        for method, where, body in (
            ("POST", "preview", {"notebook": path, "data": {}}),
            ("POST", "jobs", {"notebook": path, "data": {}}),
        ):
            code, _ = await refused(method, where, body)
            assert code == 400, path
        code, _ = await refused("GET", "form", notebook=path)
        assert code == 400, path
    for value in (1, None, [], {"a": 1}, True):
        assert (await refused("POST", "jobs", {"notebook": value, "data": {}}))[0] == 400
        assert (await refused("POST", "jobs", {"notebook": "train.ipynb", "data": value}))[0] in (
            (400,) if not isinstance(value, dict) else (400, 201)
        )


async def test_bodies_that_are_none(refused: Any) -> None:
    for method, path in (("POST", "jobs"), ("POST", "preview"), ("PATCH", "jobs/x")):
        for body in (b"", b"{", b"\xff\xfe", b"[]", b"1", b"null", b'{"data": NaN}', b"[" * 5000):
            assert (await refused(method, path, body))[0] in (400, 404), (path, body[:20])


async def test_questions_about_a_job(refused: Any, notebook: Any, ask: Any, ended: Any) -> None:
    _, job = await ask("POST", "jobs", {"notebook": notebook("print(1)"), "data": {}})
    await ended(job["id"])
    here = f"jobs/{job['id']}"
    for value in ("-1", "0", "1.5", "x", "", "\0", str(HUGE), "-" + str(HUGE), "9" * 5000):
        for path, name in (
            ("jobs", "limit"),
            (f"{here}/log", "offset"),
            (f"{here}/log", "limit"),
            (f"{here}/log", "attempt"),
            (f"{here}/log", "wait"),
            (f"{here}/metrics", "offset"),
            (f"{here}/output", "seen"),
            (f"{here}/contents", "content"),
        ):
            await refused("GET", path, **{name: value})
    for value in ODD:
        await refused("PATCH", here, {"priority": value})
        await refused("PATCH", here, {"position": value})
        await refused("POST", "jobs", {"job": value, "data": {}})
    for name in ("%00", "%2e%2e", "x" * 3000, "%f0%9f%98%80", "a%2fb", "*", "%25"):
        for path in ("", "/log", "/metrics", "/output", "/contents", "/archive", "/files/start.sh"):
            assert (await refused("GET", f"jobs/{name}{path}"))[0] == 404, name + path
        assert (await refused("DELETE", f"jobs/{name}"))[0] == 404
        assert (await refused("POST", f"jobs/{name}/cancel", {}))[0] == 404
    for name in ("%00", "x" * 3000, "attempts", "attempts/9/log.txt", "start.sh/x"):
        assert (await refused("GET", f"{here}/files/{name}"))[0] == 404, name
    for name in ("%00", "x" * 3000, "start.sh/x"):
        assert (await refused("GET", f"{here}/contents/{name}"))[0] == 404, name


async def test_what_is_not_there_is_said_in_json(refused: Any) -> None:
    assert (await refused("GET", "nothing"))[0] == 404
    assert (await refused("POST", "jobs/x/explode", {}))[0] == 404


async def test_what_nobody_foresaw_is_said_too(
    jp_serverapp: Any, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_unattended.jobs.service import JobService

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(JobService, "list", broken)
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("jupyter-unattended", "jobs")
    assert caught.value.code == 500
    answer = json.loads(caught.value.response.body)
    assert "ZeroDivisionError: by nothing" in answer["message"]
    assert "log" in answer["message"]
