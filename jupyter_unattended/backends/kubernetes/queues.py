"""Queues in front of the scheduler: Kueue, KAI and Run:ai, found by asking the API server."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ...errors import BackendError, SpecError
from ...spec import JobSpec
from .client import Api, ApiError, Json
from .options import KubernetesOptions

System = Literal["kueue", "kai", "runai"]

#: API group of each system, by which a cluster is known to have it.
_GROUPS: Final[dict[str, System]] = {
    "kueue.x-k8s.io": "kueue",
    "scheduling.run.ai": "kai",
    "run.ai": "runai",
}
_TITLES: Final[dict[System, str]] = {"kueue": "Kueue", "kai": "KAI", "runai": "Run:ai"}
_SCHEDULERS: Final[dict[System, str]] = {"kai": "kai-scheduler", "runai": "runai-scheduler"}
_LABELS: Final[dict[System, str]] = {
    "kueue": "kueue.x-k8s.io/queue-name",
    "kai": "kai.scheduler/queue",
    "runai": "runai/queue",
}
#: Kueue's labels on a Job.
KUEUE_QUEUE = _LABELS["kueue"]
KUEUE_PRIORITY = "kueue.x-k8s.io/priority-class"
KUEUE_TIME_LIMIT = "kueue.x-k8s.io/max-exec-time-seconds"
KUEUE_JOB_UID = "kueue.x-k8s.io/job-uid"
KUEUE = "/apis/kueue.x-k8s.io/v1beta2"
KUEUE_VISIBILITY = "/apis/visibility.kueue.x-k8s.io/v1beta2"


@dataclass(frozen=True)
class Queue:
    """A queue that a job waits in."""

    system: System
    name: str
    time_limit: float | None = None

    @property
    def scheduler(self) -> str | None:
        """The pod's scheduler, where it is not the cluster's default."""
        return _SCHEDULERS.get(self.system)

    def job_labels(self, options: KubernetesOptions) -> dict[str, str]:
        """Return the labels of the Job."""
        labels = {_LABELS[self.system]: self.name}
        if self.system == "kueue":
            if options.workload_priority:
                labels[KUEUE_PRIORITY] = options.workload_priority
            if self.time_limit:
                labels[KUEUE_TIME_LIMIT] = str(math.ceil(self.time_limit))
        return labels

    def pod_labels(self) -> dict[str, str]:
        """Return the labels of the pod; Kueue reads the Job's only."""
        return {} if self.system == "kueue" else {_LABELS[self.system]: self.name}


def systems(api: Api) -> set[System]:
    """Return the queueing systems that a cluster has."""
    groups = {group["name"] for group in api.get("/apis").get("groups", [])}
    found: set[System] = {_GROUPS[name] for name in groups if name in _GROUPS}
    if "runai" in found:
        found.discard("kai")  # Run:ai contains KAI; jobs go to the outer one
    return found


def names(api: Api, system: System, namespace: str) -> list[str]:
    """Return the queues that jobs of `namespace` can wait in; empty where that cannot be read."""
    with contextlib.suppress(ApiError):
        if system == "kueue":
            path = f"{KUEUE}/namespaces/{namespace}/localqueues"
        elif system == "kai":
            path = "/apis/scheduling.run.ai/v2/queues"
        else:
            return [namespace.removeprefix("runai-")] if namespace.startswith("runai-") else []
        return sorted(item["metadata"]["name"] for item in api.get(path).get("items", []))
    return []


def describe(found: Mapping[System, Sequence[str]]) -> str:
    """Say in a few words which queues there are in each system; empty without a system."""
    return "; ".join(
        f"{_TITLES[system]} ({', '.join(found[system]) or 'no queue readable'})"
        for system in sorted(found)
    )


def choose(
    api: Api | None,
    found: set[System] | None,
    spec: JobSpec,
    options: KubernetesOptions,
    namespace: str,
) -> Queue | None:
    """Return the queue that `options` mean.

    Parameters
    ----------
    api, found
        The cluster to ask and the systems that it has; None to go by `options` alone.
    spec
        The job.
    options
        The backend's options.
    namespace
        Where the job will be.

    Raises
    ------
    SpecError
        If the queue or its system does not exist, or it cannot be told which system is meant.
    """
    asked = options.queue_system
    if asked == "none" or (asked == "auto" and options.queue is None and api is None):
        return None
    system: System
    if asked == "auto":
        if options.queue is None:
            return _default(api, spec, namespace) if found and "kueue" in found else None
        if found is None or len(found) > 1:
            several = (
                f"the cluster has {', '.join(sorted(found))}" if found else "no cluster to ask"
            )
            raise SpecError(f"queue: say with --queue-system whose queue it is ({several})")
        if not found:
            raise SpecError("queue: this cluster has neither Kueue nor KAI nor Run:ai")
        system = next(iter(found))
    elif found is not None and asked not in found:
        raise SpecError(f"queue-system: this cluster does not have {_TITLES[asked]}")
    else:
        system = asked
    name = options.queue or (namespace.removeprefix("runai-") if system == "runai" else None)
    if name is None:
        raise SpecError(f"queue: name the queue of {_TITLES[system]} (--queue NAME)")
    if api is not None:
        existing = names(api, system, namespace)
        if existing and name not in existing:
            raise SpecError(
                f"queue: {_TITLES[system]} has no queue {name!r} for namespace {namespace}; "
                f"there are: {', '.join(existing)}"
            )
    return Queue(system, name, spec.time_limit)


def _default(api: Api | None, spec: JobSpec, namespace: str) -> Queue | None:
    """Return Kueue's queue called ``default``, which is meant for jobs that name none."""
    if api is not None and "default" in names(api, "kueue", namespace):
        return Queue("kueue", "default", spec.time_limit)
    return None


# -- Kueue's workloads -----------------------------------------------------------------------------


def workload(api: Api, namespace: str, job_uid: str) -> Json | None:
    """Return Kueue's Workload of a Job, if there is one yet."""
    path = f"{KUEUE}/namespaces/{namespace}/workloads"
    found = api.get(path, labelSelector=f"{KUEUE_JOB_UID}={job_uid}").get("items", [])
    return found[0] if found else None


def set_active(api: Api, namespace: str, workload_name: str, *, active: bool) -> None:
    """Deactivate a Workload (its job stops and stays so) or activate it again."""
    path = f"{KUEUE}/namespaces/{namespace}/workloads/{workload_name}"
    api.patch(path, {"spec": {"active": active}})


def positions(api: Api, namespace: str, queue: str) -> dict[str, int]:
    """Return the 0-based places of the Workloads that wait in `queue`, as far as one may know."""
    path = f"{KUEUE_VISIBILITY}/namespaces/{namespace}/localqueues/{queue}/pendingworkloads"
    try:
        items = api.get(path).get("items", [])
    except BackendError:
        return {}
    return {item["metadata"]["name"]: int(item["positionInLocalQueue"]) for item in items}
