"""The contract of backends, on a batch scheduler."""

from __future__ import annotations

from integration.backend_contract import BackendContract


class BatchContract(BackendContract):
    """Jobs run as root: it is the service in this process that submits them."""
