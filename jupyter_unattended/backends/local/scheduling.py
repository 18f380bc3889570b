"""Which queued jobs start next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .machine import Resources

#: How many jobs of the same priority may start before one that has to wait for its resources.
PASSES = 4


@dataclass(frozen=True)
class Waiting:
    """A queued job, as the choice sees it; `passed` counts the jobs that started before it."""

    job_id: str
    priority: int
    needs: Resources
    passed: int = 0


@dataclass(frozen=True)
class Choice:
    """The jobs to start now, in order, and the one that was passed over by how many of them."""

    start: list[str]
    head: str | None = None
    passed_by: int = 0


def choose(queue: Sequence[Waiting], free: Resources) -> Choice:
    """Choose what starts now.

    The order of `queue` holds. When the next job does not fit, later ones may start in the gap:
    always if what they use leaves room for it, and, while its passes last, if they are of the same
    priority. So small jobs use idle cores, and a big one does not wait for ever.

    Parameters
    ----------
    queue
        Queued jobs, first one first.
    free
        What running jobs leave.
    """
    start: list[str] = []
    head: Waiting | None = None
    passed_by = 0
    for job in queue:
        if not free.holds(job.needs):
            if head is None:
                head = job
            continue
        if head is not None and not _leaves_room(free, job.needs, head.needs):
            if job.priority != head.priority or head.passed + passed_by >= PASSES:
                continue
            passed_by += 1
        free = free - job.needs
        start.append(job.job_id)
    return Choice(start, head.job_id if head else None, passed_by)


def _leaves_room(free: Resources, used: Resources, wanted: Resources) -> bool:
    """Whether using `used` takes nothing that `wanted` needs."""
    left = free - used
    return (
        (used.cpus == 0 or left.cpus + 1e-9 >= wanted.cpus)
        and (used.memory == 0 or left.memory >= wanted.memory)
        and (used.gpus == 0 or left.gpus >= wanted.gpus)
    )
