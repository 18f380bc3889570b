"""A real registry on the loopback interface, which gives nothing to strangers."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hpc.daemons import Daemon, free_ports, install, wait_for, which

from .engine import TestEngine

#: Debian's package, which is called as its program is.
PACKAGES = ("docker-registry",)
_USER, _PASSWORD = "ada", "open sesame"
#: The password as a registry keeps it (bcrypt).
_HASH = "$2b$04$eLNwi1O579kV8vHujgIvtOodXhAbiQ9kA7MkA9W/VyQ9R4vMuxDKu"


@dataclass(frozen=True)
class Registry:
    """A registry.

    Parameters
    ----------
    address
        Where it listens: what names of its images begin with.
    login
        A file that lets its owner in, for ``REGISTRY_AUTH_FILE``.
    """

    address: str
    login: Path

    def push(self, engine: TestEngine, image: str, name: str) -> str:
        """Put an image that `engine` has into the registry; return what it is called there."""
        target = f"{self.address}/{name}"
        words = ("--tls-verify=false", "--authfile", str(self.login), "--quiet")
        compressed = ("--compression-format", "zstd", "--format", "oci")
        engine.podman("push", *words, *compressed, image, target, timeout=200)
        return target


@contextmanager
def served(directory: Path) -> Iterator[Registry]:
    """Yield a registry with nothing in it, which Podman may ask without encryption."""
    install(PACKAGES, PACKAGES)
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    (directory / "users").write_text(f"{_USER}:{_HASH}\n")
    (directory / "config.yml").write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
        f"http: {{addr: '{address}'}}\n"
        f"auth: {{htpasswd: {{realm: tests, path: {directory}/users}}}}\n"
    )
    login = directory / "login.json"
    secret = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
    login.write_text(json.dumps({"auths": {address: {"auth": secret}}}))
    with trusted(directory, address):
        daemon = Daemon(
            [which("docker-registry"), "serve", str(directory / "config.yml")], directory / "log"
        )
        try:
            wait_for(lambda: _listens(port), 30, "an answer of the registry")
            yield Registry(address, login)
        finally:
            daemon.stop()


@contextmanager
def trusted(directory: Path, address: str) -> Iterator[None]:
    """Let Podman ask the registry at an address without encryption."""
    settings = directory / "registries.conf"
    settings.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
    stranger = directory / "stranger.json"
    stranger.write_text("{}")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))
        environment.setenv("REGISTRY_AUTH_FILE", str(stranger))
        yield


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
