"""Install Podman and make the tests' images, so that no test waits for that."""

from __future__ import annotations

from .engine import started

with started() as engine:
    print(engine.podman("version"), end="")
