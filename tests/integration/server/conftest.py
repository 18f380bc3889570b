"""A Jupyter server in this process, with real jobs on the local backend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 - fixtures, and the hooks for async tests
from tornado.httpclient import HTTPClientError, HTTPResponse

from .api import Contract, Endpoint


@pytest.fixture
def jp_server_config(state_dir: Path) -> dict[str, Any]:
    """Load the extension; `state_dir` ends whatever a test leaves running."""
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_unattended": True}},
        "UnattendedApp": {"poll_interval": 0.2},
    }


@pytest.fixture(scope="session")
def contract() -> Contract:
    """Return what openapi.yaml promises."""
    return Contract()


@pytest.fixture
def ask(jp_fetch: Any, contract: Contract) -> Callable[..., Awaitable[tuple[int, Any]]]:
    """Return a function that makes a request; whatever comes back must be as openapi.yaml says."""

    async def request(
        method: str, path: str, body: object = None, **query: object
    ) -> tuple[int, Any]:
        send = None if method in ("GET", "DELETE") else json.dumps(body or {})
        response: HTTPResponse
        try:
            response = await jp_fetch(
                *("jupyter-unattended/" + path).split("/"),
                method=method,
                body=send,
                params={name: str(value) for name, value in query.items()},
                request_timeout=60,
            )
        except HTTPClientError as error:
            if error.response is None:
                raise
            response = error.response
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        answer = json.loads(response.body) if is_json else response.body
        contract.check(Endpoint(method, "/" + path), response.code, answer)
        return response.code, answer

    return request


@pytest.fixture
def notebook(jp_root_dir: Path) -> Callable[..., str]:
    """Return a function that writes a notebook into the root and returns its Contents path."""

    def write(*cells: str, path: str = "train.ipynb", parameters: str | None = None) -> str:
        made = [nbformat.v4.new_code_cell(cell) for cell in cells]
        if parameters is not None:
            made.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        node = nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": spec})
        target = jp_root_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(node, target)
        return path

    return write


@pytest.fixture
def ended(ask: Any) -> Callable[[str], Awaitable[dict[str, Any]]]:
    """Return a function that waits until a job has ended and returns it."""

    async def wait(job_id: str) -> dict[str, Any]:
        while True:
            _, answer = await ask("GET", f"jobs/{job_id}")
            job: dict[str, Any] = answer["job"]
            if job["state"] in ("succeeded", "failed", "cancelled"):
                return job
            await asyncio.sleep(0.1)

    return wait
