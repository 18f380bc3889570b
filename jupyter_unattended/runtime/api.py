"""What a notebook's code may call: metrics, progress, stopping.

Imports nothing heavy; outside a job every function is a cheap no-op.
"""

from __future__ import annotations

from collections.abc import Callable


def report(*, step: int | None = None, **values: float) -> None:
    """Record metrics of the run, for example ``report(step=10, loss=0.3)``."""


def progress(done: float, total: float | None = None) -> None:
    """Say how far the run is, for example ``progress(3, 10)``."""


def on_stop(callback: Callable[[], object]) -> None:
    """Have `callback` called when the job is asked to stop."""


def stop_requested() -> bool:
    """Return whether the job was asked to stop."""
    return False
