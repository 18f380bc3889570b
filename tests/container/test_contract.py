"""The contract of backends, on the container backend."""

from __future__ import annotations

from tests.integration.backend_contract import BackendContract


class TestContainer(BackendContract):
    """The contract, unchanged: Podman through its command."""
