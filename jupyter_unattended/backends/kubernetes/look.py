"""One look at a namespace, from which every job's state is read."""

from __future__ import annotations

import time
from dataclasses import replace

from ...jobs import attempts
from ...jobs.states import State
from ..base import JobRef, Observation
from . import kueue, queues, reasons, record
from .client import ApiError, Json
from .cluster import Cluster

#: How long a Job may be without a pod, or a pod without a running container, before events are
#: asked why, in seconds.
_PATIENCE = 3.0


def _memory_used(ref: JobRef) -> str:
    """Say how much memory the newest attempt used, if it could still note that."""
    existing = ref.paths.existing_attempts()
    peak = attempts.record(existing[-1]).get("memory_peak") if existing else None
    return f" (it used {peak / 2**20:.0f}Mi)" if isinstance(peak, int) else ""


class Look:
    """How all jobs of a namespace stand at one moment.

    Parameters
    ----------
    cluster
        The cluster.
    namespace
        The namespace.

    Raises
    ------
    BackendError
        If the API server does not answer.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._jobs, self._pods = cluster.watch(namespace).look()
        self._positions: dict[str, dict[str, int]] = {}

    def at(self, ref: JobRef) -> Observation | None:
        """Return how one job stands; None if the cluster has no memory of it."""
        name = ref.handle.rpartition("/")[2]
        pods = self._pods.get(name, [])
        job = self._jobs.get(name) or self._get(name)
        if job is None:
            seen = self._gone(ref, pods)
        elif kueue.is_managed(job) and job["spec"].get("suspend"):
            seen = self._queued(job, pods)
        else:
            seen = reasons.observe(job, pods, self._events(job, pods))
            if seen.state is State.FAILED and reasons.is_out_of_memory(seen.reason):
                seen = replace(seen, reason=seen.reason + _memory_used(ref))
            if seen.state is State.PREEMPTED:
                seen = self._compare(name, pods) or seen
        if seen is None or seen.attempt is not None:
            return seen
        existing = ref.paths.existing_attempts()
        return replace(seen, attempt=existing[-1].number if existing else 0)

    def _compare(self, name: str, pods: list[Json]) -> Observation | None:
        """Make sure that a pod ends although its Job goes on: the Job's watch may be behind."""
        watch = self._cluster.watch(self._namespace)
        uid = pods[-1]["metadata"]["uid"]
        if watch.compared.get(name) == uid:
            return None
        watch.compared[name] = uid
        job = self._get(name)
        return reasons.observe(job, pods) if job is not None else None

    def _get(self, name: str) -> Json | None:
        """Ask for a Job that the watch does not know: it may be younger than the last word."""
        try:
            job = self._cluster.api.get(f"/apis/batch/v1/namespaces/{self._namespace}/jobs/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        self._cluster.watch(self._namespace).jobs.put(job)
        return job

    @staticmethod
    def _gone(ref: JobRef, pods: list[Json]) -> Observation | None:
        """Return how a job stands whose Job is not there."""
        kept = record.read(ref.paths)
        alive = any(not reasons.is_gone(pod) for pod in pods)
        if "cancelled" in kept:
            if alive:
                return Observation(State.RUNNING, "being cancelled, within its grace period")
            return Observation(State.CANCELLED, "cancelled", since=kept["cancelled"])
        if "paused" in kept:
            if alive:
                return Observation(State.PAUSING, "stopping, within its grace period")
            return Observation(State.PAUSED, since=kept["paused"])
        return None

    def _queued(self, job: Json, pods: list[Json]) -> Observation:
        """Return how a job stands that Kueue holds back."""
        workload = self._cluster.workloads(self._namespace).get(job["metadata"]["uid"])
        alive = any(not reasons.is_gone(pod) for pod in pods)
        seen = kueue.observe(job, alive, workload)
        if workload is None or seen.state is not State.QUEUED:
            return seen
        queue = job["metadata"]["labels"][queues.KUEUE_QUEUE]
        if queue not in self._positions:
            self._positions[queue] = queues.positions(self._cluster.api, self._namespace, queue)
        return replace(seen, position=self._positions[queue].get(workload["metadata"]["name"]))

    def _events(self, job: Json, pods: list[Json]) -> list[Json]:
        """Return warnings about a job that does not get on; asked for only if there is one."""
        if job["spec"].get("suspend"):
            return []
        newest = pods[-1] if pods else None
        item = job if newest is None else newest
        if newest is not None and (
            reasons.is_gone(newest) or reasons.container_status(newest).get("started")
        ):
            return []
        age = time.time() - (reasons.moment(item["metadata"]["creationTimestamp"]) or 0)
        if age < _PATIENCE:
            return []
        uid = item["metadata"]["uid"]
        return [
            event
            for event in self._cluster.warnings(self._namespace)
            if event["involvedObject"].get("uid") == uid
        ]
