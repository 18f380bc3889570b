from __future__ import annotations

from ..contract import BatchContract


class TestSlurm(BatchContract):
    """The contract, unchanged."""
