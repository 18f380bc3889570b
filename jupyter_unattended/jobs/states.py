"""Job states and the changes between them.

A state is only ever shown when it was observed; who observed it and why is kept in the job's
``history.jsonl``.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(str, Enum):
    """Where a job is in its life."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    PREEMPTED = "preempted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: The scheduler does not answer; the reason says since when and what was last known.
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value

    @property
    def is_final(self) -> bool:
        """Whether no attempt will follow unless a person asks for one."""
        return self in FINAL

    @property
    def is_active(self) -> bool:
        """Whether an attempt exists right now, or is being started or stopped."""
        return self in ACTIVE


FINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
ACTIVE: Final = frozenset({State.STARTING, State.RUNNING, State.PAUSING})
