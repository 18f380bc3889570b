"""Install the engines and make the tests' images, so that no test waits for that."""

from __future__ import annotations

from tests.hpc.daemons import install

from .docker import running
from .engine import started
from .registry import PACKAGES

install(PACKAGES, PACKAGES)
with started() as podman, running(podman) as docker:
    print(podman.podman("version"), end="")
    print(docker.command("version"), end="")
