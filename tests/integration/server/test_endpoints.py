"""Who may ask, and that openapi.yaml tells the truth."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from jupyter_server.auth.authorizer import Authorizer
from tornado.httpclient import HTTPClientError

from jupyter_unattended._version import __version__
from jupyter_unattended.server import files, forms, images, jobs, logs, status
from jupyter_unattended.server.base import RESOURCE, UnattendedHandler

from .api import Contract

ENDPOINTS = [
    pair for module in (status, jobs, logs, files, forms, images) for pair in module.ENDPOINTS
]
METHODS = ("get", "post", "put", "patch", "delete")


def methods(handler: type) -> list[str]:
    return [name for name in METHODS if name in vars(handler)]


def described(pattern: str) -> str:
    """Return a pattern as openapi.yaml writes it."""
    return re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"{\1}", pattern)


def concrete(pattern: str) -> str:
    values = {"ref": "some-job", "path": "/start.sh", "action": "cancel"}
    path = described(pattern)
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    return path.replace("//", "/")


def test_openapi_has_every_endpoint_and_no_other(contract: Contract) -> None:
    there = {(described(p), m.upper()) for p, handler in ENDPOINTS for m in methods(handler)}
    assert contract.endpoints() == there


def test_openapi_has_the_version(contract: Contract) -> None:
    assert contract.document["info"]["version"] == __version__


def test_no_endpoint_is_outside_of_the_lists() -> None:
    listed = {handler for _, handler in ENDPOINTS}
    made = {
        value
        for module in (status, jobs, logs, files, forms, images)
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, UnattendedHandler)
        and value is not UnattendedHandler
    }
    assert made == listed


OPERATIONS = [(p, m) for p, handler in ENDPOINTS for m in methods(handler)]


@pytest.mark.parametrize(("pattern", "method"), OPERATIONS)
async def test_nobody_without_a_token_gets_in(
    pattern: str, method: str, jp_serverapp: Any, http_server_client: Any, jp_base_url: str
) -> None:
    url = jp_base_url.rstrip("/") + "/jupyter-unattended" + concrete(pattern)
    body = None if method in ("get", "delete") else "{}"
    with pytest.raises(HTTPClientError) as caught:
        await http_server_client.fetch(
            url, method=method.upper(), body=body, follow_redirects=False
        )
    assert caught.value.code in (302, 403)


class _Nobody(Authorizer):
    """Refuses everything, and keeps what was asked."""

    asked: list[tuple[str, str]]

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return False


@pytest.mark.parametrize(("pattern", "method"), OPERATIONS)
async def test_nobody_without_the_right_gets_in(
    pattern: str, method: str, jp_serverapp: Any, jp_fetch: Any
) -> None:
    authorizer = _Nobody(parent=jp_serverapp)
    authorizer.asked = []
    jp_serverapp.web_app.settings["authorizer"] = authorizer
    body = None if method in ("get", "delete") else "{}"
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch(
            *("jupyter-unattended" + concrete(pattern)).split("/"),
            method=method.upper(),
            body=body,
        )
    assert caught.value.code == 403
    assert authorizer.asked == [("read" if method == "get" else "write", RESOURCE)]


async def test_a_cookie_without_its_xsrf_token_is_not_enough(
    jp_serverapp: Any, http_server_client: Any, jp_base_url: str, jp_auth_header: Any
) -> None:
    login = await http_server_client.fetch(
        jp_base_url + "api/status?token=" + jp_serverapp.identity_provider.token
    )
    cookies = "; ".join(c.split(";")[0] for c in login.headers.get_list("Set-Cookie"))
    assert "username" in cookies
    with pytest.raises(HTTPClientError) as caught:
        await http_server_client.fetch(
            jp_base_url + "jupyter-unattended/jobs",
            method="POST",
            body="{}",
            headers={"Cookie": cookies},
        )
    assert caught.value.code == 403
    assert "_xsrf" in caught.value.response.body.decode()
