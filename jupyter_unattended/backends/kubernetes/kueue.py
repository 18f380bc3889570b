"""Jobs under Kueue: how they stand, and pausing them."""

from __future__ import annotations

import re

from ...errors import SpecError
from ...jobs.states import State
from ..base import Observation
from . import queues, status
from .client import Json
from .cluster import Cluster


def is_managed(job: Json) -> bool:
    """Whether Kueue decides when a Job runs."""
    return queues.KUEUE_QUEUE in job["metadata"].get("labels", {})


def observe(job: Json, alive: bool, workload: Json | None) -> Observation:
    """Return how a suspended Job under Kueue stands: waiting, preempted or paused.

    Parameters
    ----------
    job
        The Job.
    alive
        Whether a pod of it still runs.
    workload
        Kueue's Workload for it, if there is one yet.
    """
    if workload is None:
        since = status.moment(job["metadata"]["creationTimestamp"])
        queue = job["metadata"]["labels"][queues.KUEUE_QUEUE]
        return Observation(State.QUEUED, f"waiting for queue {queue} to take note", since=since)
    if workload["spec"].get("active") is False:
        if alive:
            return Observation(State.PAUSING, "stopping, within its grace period")
        return Observation(State.PAUSED)
    conditions = {
        entry["type"]: entry for entry in workload.get("status", {}).get("conditions", [])
    }
    evicted = conditions.get("Evicted", {})
    if evicted.get("status") == "True":
        why = _eviction(evicted, conditions.get("Preempted", {}))
        if alive:
            return Observation(State.PREEMPTED, f"{why}; it is stopping, within its grace period")
        return Observation(State.PREEMPTED, why, since=status.moment(evicted["lastTransitionTime"]))
    waiting = conditions.get("QuotaReserved", {})
    if waiting.get("status") == "True":
        return Observation(State.STARTING, "admitted, about to start")
    since = status.moment(waiting.get("lastTransitionTime"))
    return Observation(State.QUEUED, _waiting(waiting.get("message", "")), since=since)


def _eviction(evicted: Json, preempted: Json) -> str:
    reason = evicted.get("reason", "")
    if preempted.get("status") == "True" or reason == "Preempted":
        return "preempted: the queue gave its resources to a job that goes before it"
    if reason == "PodsReadyTimeout":
        return "sent back to the queue because its pod did not get ready in time"
    if reason == "Deactivated" or reason.startswith("Deactivated"):
        return "stopped by an administrator of the queue"
    return f"sent back to the queue: {evicted.get('message') or reason}"


def _waiting(message: str) -> str:
    """Return Kueue's reason for waiting in words."""
    short = re.search(
        r"insufficient (?:unused )?quota for (\S+) in flavor (\S+?),? (\S+) more needed", message
    )
    if short:
        return f"waiting for quota: {short[3]} more {short[1]} needed in flavor {short[2]}"
    return message


def pause(cluster: Cluster, namespace: str, job: Json) -> bool:
    """Deactivate the Workload of a Job; False where one may not, or there is none yet."""
    return _set_active(cluster, namespace, job, active=False)


def resume(cluster: Cluster, namespace: str, job: Json) -> bool:
    """Activate the Workload of a Job again; False where one may not."""
    return _set_active(cluster, namespace, job, active=True)


def _set_active(cluster: Cluster, namespace: str, job: Json, *, active: bool) -> bool:
    if not cluster.may_pause_workloads(namespace):
        return False
    workload = queues.workload(cluster.api, namespace, job["metadata"]["uid"])
    if workload is None:
        return False
    queues.set_active(cluster.api, namespace, workload["metadata"]["name"], active=active)
    return True


def priority_class(cluster: Cluster, priority: int) -> str:
    """Return the name of the WorkloadPriorityClass of this value.

    Raises
    ------
    SpecError
        If there is none; the text lists those there are.
    """
    items = cluster.api.get(f"{queues.KUEUE}/workloadpriorityclasses")["items"]
    values: dict[str, int] = {item["metadata"]["name"]: int(item["value"]) for item in items}
    for name, value in values.items():
        if value == priority:
            return name
    known = ", ".join(f"{value} ({name})" for name, value in sorted(values.items())) or "none"
    raise SpecError(
        f"priority: Kueue has no WorkloadPriorityClass of {priority}; there are: {known}"
    )
