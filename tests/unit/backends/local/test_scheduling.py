from __future__ import annotations

from jupyter_unattended.backends.local.machine import Resources
from jupyter_unattended.backends.local.scheduling import PASSES, Waiting, choose


def job(name: str, cpus: float = 1, *, priority: int = 0, passed: int = 0, **more: int) -> Waiting:
    return Waiting(
        name, priority, Resources(cpus, more.get("memory", 0), more.get("gpus", 0)), passed
    )


def test_jobs_start_in_order_while_there_is_room() -> None:
    choice = choose([job("a"), job("b"), job("c")], Resources(2, 100, 0))
    assert choice.start == ["a", "b"]
    assert (choice.head, choice.passed_by) == ("c", 0)


def test_an_empty_queue_starts_nothing() -> None:
    assert choose([], Resources(2, 100, 0)).start == []


def test_a_small_job_uses_the_gap_before_a_big_one() -> None:
    choice = choose([job("big", cpus=4), job("small")], Resources(2, 100, 0))
    assert choice.start == ["small"]
    assert (choice.head, choice.passed_by) == ("big", 1)


def test_a_big_job_is_not_passed_for_ever() -> None:
    queue = [job("big", cpus=4, passed=PASSES), job("small")]
    assert choose(queue, Resources(2, 100, 0)).start == []


def test_a_job_of_less_priority_does_not_pass() -> None:
    queue = [job("big", cpus=4, priority=5), job("small", priority=0)]
    assert choose(queue, Resources(2, 100, 0)).start == []


def test_who_takes_nothing_that_the_first_needs_always_may() -> None:
    queue = [job("gpu", gpus=1, priority=9, passed=99), job("cpu"), job("another")]
    choice = choose(queue, Resources(2, 100, 0))
    # One core is left for the one that waits for a GPU.
    assert choice.start == ["cpu"]
    assert choice.passed_by == 0


def test_memory_counts() -> None:
    queue = [job("a", memory=60), job("b", memory=60), job("c", memory=0)]
    assert choose(queue, Resources(8, 100, 0)).start == ["a", "c"]


def test_fractions_of_cores_add_up() -> None:
    queue = [job(str(n), cpus=0.1) for n in range(12)]
    assert len(choose(queue, Resources(1, 100, 0)).start) == 10
