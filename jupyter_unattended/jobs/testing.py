"""A job as a quick test of itself: a few steps, a small time limit, one stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..spec import JobSpec

_STEPS = 4
_SECONDS = 300.0


def as_test(spec: JobSpec) -> JobSpec:
    """Return `spec` as a quick test of the whole circle."""
    return spec.model_copy(
        update={
            "name": f"test-{spec.name or spec.notebook.stem}"[:200],
            "env": {**spec.env, "UNATTENDED_TEST_STEPS": str(_STEPS)},
            "time_limit": min(spec.time_limit or _SECONDS, _SECONDS),
            "max_restarts": max(1, min(spec.max_restarts, 3)),
            "checkpoint_interval": 0.0 if spec.checkpoints else None,
        }
    )
