"""openapi.yaml as something that answers can be held against."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

import jupyter_unattended.server

FILE = Path(jupyter_unattended.server.__file__).with_name("openapi.yaml")
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str


class Contract:
    """What openapi.yaml promises."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = yaml.safe_load(FILE.read_text())

    def endpoints(self) -> set[tuple[str, str]]:
        return {
            (path, method.upper())
            for path, item in self.document["paths"].items()
            for method in item
            if method in METHODS
        }

    def check(self, endpoint: Endpoint, status: int, answer: Any) -> None:
        """Assert that an answer is one of those described for its endpoint."""
        operation = self._operation(endpoint)
        described = operation["responses"]
        assert str(status) in described or status >= 400, f"{endpoint}: {status} is not described"
        response = self._resolve(described.get(str(status), described["default"]))
        content = response.get("content")
        if content is None:
            assert answer in (b"", None), endpoint
            return
        if "application/json" in content:
            schema = {
                **content["application/json"]["schema"],
                "components": self.document["components"],
            }
            Draft202012Validator(schema).validate(answer)

    def _operation(self, endpoint: Endpoint) -> dict[str, Any]:
        found = []
        for path, item in self.document["paths"].items():
            pattern = re.escape(path).replace(r"\{path\}", ".*")
            pattern = re.sub(r"\\\{(\w+)\\\}", "[^/]+", pattern)
            if endpoint.method.lower() in item and re.fullmatch(pattern, endpoint.path):
                found.append((pattern.count("[^/]+"), item[endpoint.method.lower()]))
        assert found, f"{endpoint} is not in openapi.yaml"
        # The most special one, as the server's own order has it.
        operation: dict[str, Any] = min(found, key=lambda pair: pair[0])[1]
        return operation

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node
