from __future__ import annotations

from ..contract import BatchContract


class TestGridEngine(BatchContract):
    """The contract, unchanged."""
