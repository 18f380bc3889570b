"""Kueue's Workloads, as they were seen under Kueue 0.20 on Kubernetes 1.36."""

from __future__ import annotations

from typing import Any

from jupyter_unattended.backends.kubernetes.kueue import is_managed, observe
from jupyter_unattended.jobs.states import State

TIME = "2026-01-01T10:00:00Z"
JOB = {
    "metadata": {
        "creationTimestamp": TIME,
        "labels": {"kueue.x-k8s.io/queue-name": "team"},
        "uid": "u",
    }
}


def workload(*conditions: tuple[str, str, str, str], **spec: Any) -> dict[str, Any]:
    """A Workload with conditions (type, status, reason, message)."""
    return {
        "metadata": {"name": "job-j"},
        "spec": spec,
        "status": {
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastTransitionTime": TIME,
                }
                for kind, status, reason, message in conditions
            ]
        },
    }


def test_a_job_is_managed_by_its_label() -> None:
    assert is_managed(JOB)
    assert not is_managed({"metadata": {"labels": {}}})


def test_waiting_for_quota() -> None:
    message = (
        "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in "
        "flavor d, 1 more needed"
    )
    seen = observe(JOB, False, workload(("QuotaReserved", "False", "WaitingForQuota", message)))
    assert seen.state is State.QUEUED
    assert seen.reason == "waiting for quota: 1 more nvidia.com/gpu needed in flavor d"
    unseen = observe(JOB, False, None)
    assert (unseen.state, unseen.reason) == (
        State.QUEUED,
        "waiting for queue team to take note",
    )


def test_preempted_by_the_queue() -> None:
    evicted = workload(
        ("Evicted", "True", "Preempted", "Preempted to accommodate a higher priority Workload"),
        ("Preempted", "True", "InClusterQueue", ""),
        ("QuotaReserved", "False", "Pending", ""),
    )
    assert observe(JOB, True, evicted).reason.endswith("it is stopping, within its grace period")
    seen = observe(JOB, False, evicted)
    assert seen.state is State.PREEMPTED
    assert seen.reason.startswith("preempted: the queue gave its resources")


def test_what_was_evicted_once_is_not_evicted_for_ever() -> None:
    back = workload(
        ("Evicted", "False", "QuotaReserved", "Previously: Preempted to accommodate …"),
        ("Preempted", "False", "QuotaReserved", "Previously: …"),
        ("QuotaReserved", "True", "QuotaReserved", ""),
    )
    assert observe(JOB, False, back).state is State.STARTING


def test_pausing_is_deactivating() -> None:
    inactive = workload(("Evicted", "True", "Deactivated", ""), active=False)
    assert observe(JOB, True, inactive).state is State.PAUSING
    assert observe(JOB, False, inactive).state is State.PAUSED
