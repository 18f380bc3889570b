"""One look at a namespace, from which every job's state is read."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace

from ...jobs import attempts
from ...jobs.states import State
from ...paths import AttemptPaths
from ..base import JobRef, Observation
from . import handle, kueue, labels, objects, queues, reasons, record, status, sweep
from .client import Json
from .cluster import Cluster
from .manifest import KILLED

#: How long a Job may be without a pod, or a pod without a running container, before events are
#: asked why, in seconds.
_PATIENCE = 3.0
#: bash's exit code for a script that is not there.
_NOT_FOUND = 127


def _memory_used(ref: JobRef) -> str:
    """Say how much memory the newest attempt used, if it could still note that."""
    existing = ref.paths.existing_attempts()
    peak = attempts.record(existing[-1]).get("memory_peak") if existing else None
    return f" (it used {peak / 2**20:.0f}Mi)" if isinstance(peak, int) else ""


def _completed(ref: JobRef, seen: Observation, existing: Sequence[AttemptPaths]) -> Observation:
    """Complete a failure of which Kubernetes tells too little."""
    code = seen.exit_code
    if existing:
        # Its pod may be gone, and the exit code with it.
        kept = attempts.record(existing[-1]).get("exit_code")
        return replace(seen, exit_code=kept if code is None else code)
    if code == _NOT_FOUND:
        return replace(
            seen,
            reason=f"start.sh is not in the pod: what is mounted there is not the volume that "
            f"{ref.paths.root} is on here, or the image has no bash",
        )
    return seen


def _give_up(ref: JobRef, pod: Json) -> str:
    """Keep a job from being started again whose pod ran out of memory; return why, or "".

    Where the kernel kills a whole container (as it does with cgroup v2), Kubernetes takes that for
    a pod that was killed from outside, and starts the job again: until it is given up, and each
    time into the same wall. Its next attempt finds what is noted here, and ends at once.
    """
    end = status.terminated(pod)
    if end.get("reason") != "OOMKilled" or end.get("exitCode") != KILLED:
        return ""
    over = status.moment(end.get("finishedAt")) or 0.0
    for attempt in reversed(ref.paths.existing_attempts()):
        entry = attempts.record(attempt)
        if entry.get("started", over) >= over or entry.get("exit_code") is not None:
            continue  # of a later pod, or it could still tell itself how it ended
        why = reasons.out_of_memory(pod)
        with contextlib.suppress(OSError):
            attempt.hopeless.write_text(why)
            return why
    return ""


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
        self._absent: set[str] = set()
        self._sweeps: dict[str, tuple[sweep.Done, set[int]]] = {}
        self._positions: dict[str, dict[str, int]] = {}

    def at(self, ref: JobRef) -> Observation | None:
        """Return how one job stands; None if the cluster has no memory of it."""
        _, _, name, index = handle.parse(ref.handle)
        seen = self._at(ref, name, index)
        if seen is None:
            return None
        existing = ref.paths.existing_attempts()
        if seen.attempt is None:
            # Where the workspace is out of sight, pods are counted.
            number = existing[-1].number if existing else self._started(name, index)
            seen = replace(seen, attempt=number)
        if seen.state is State.FAILED and not seen.reason:
            return _completed(ref, seen, existing)
        return seen

    def _started(self, name: str, index: int | None) -> int:
        pods = self._pods.get(labels.run_key(name, index), [])
        return sum(status.has_started(pod) for pod in pods)

    def _at(self, ref: JobRef, name: str, index: int | None) -> Observation | None:
        key = labels.run_key(name, index)
        pods = self._pods.get(key, [])
        job = self._jobs.get(name) or self._get(name)
        if job is None:
            return self._gone(ref, pods, is_run=index is not None)
        if index is not None:
            done, withdrawn = self._sweep(job, ref)
            if index in withdrawn:
                # What Kubernetes starts of it from now on ends at once.
                ours = [pod for pod in pods if pod["metadata"].get("deletionTimestamp")]
                return self._gone(ref, ours, is_run=True)
            job = sweep.part(job, done, index, pods)
        if kueue.is_managed(job) and job["spec"].get("suspend"):
            return self._queued(job, pods)
        seen = reasons.observe(job, pods, self._events(job, pods))
        if seen.state is State.FAILED and reasons.is_out_of_memory(seen.reason):
            return replace(seen, reason=seen.reason + _memory_used(ref))
        if seen.state is State.PREEMPTED:
            seen = self._compare(ref, name, index, pods) or seen
        if seen.state is State.PREEMPTED and (why := _give_up(ref, pods[-1])):
            return replace(seen, state=State.RUNNING, reason=f"{why}; it is not tried again")
        return seen

    def _sweep(self, job: Json, ref: JobRef) -> tuple[sweep.Done, set[int]]:
        """Return which runs of a sweep have ended, and which were taken out."""
        name = job["metadata"]["name"]
        if name not in self._sweeps:
            self._sweeps[name] = sweep.Done.of(job), sweep.withdrawn(ref.paths, name)
        return self._sweeps[name]

    def _compare(
        self, ref: JobRef, name: str, index: int | None, pods: list[Json]
    ) -> Observation | None:
        """Make sure that a pod ends although its Job goes on: the Job's watch may be behind."""
        watch = self._cluster.watch(self._namespace)
        key, uid = labels.run_key(name, index), pods[-1]["metadata"]["uid"]
        if watch.compared.get(key) == uid:
            return None
        watch.compared[key] = uid
        job = self._get(name)
        if job is not None and index is not None:
            self._sweeps.pop(name, None)
            job = sweep.part(job, self._sweep(job, ref)[0], index, pods)
        return reasons.observe(job, pods) if job is not None else None

    def _get(self, name: str) -> Json | None:
        """Ask for a Job that the watch does not know: it may be younger than the last word."""
        if name in self._absent:
            return None
        job = objects.find(self._cluster, self._namespace, name)
        if job is None:
            self._absent.add(name)
            return None
        self._jobs[name] = job
        self._cluster.watch(self._namespace).jobs.put(job)
        return job

    def _gone(self, ref: JobRef, pods: list[Json], *, is_run: bool = False) -> Observation | None:
        """Return how a job stands whose Job is not there, or that was taken out of its sweep."""
        kept = record.read(ref.paths)
        if is_run and "own" in kept:
            return self._at(ref, kept["own"], None)
        alive = any(not status.is_gone(pod) for pod in pods)
        if "cancelled" in kept:
            if alive:
                return Observation(State.RUNNING, "being cancelled, within its grace period")
            return Observation(State.CANCELLED, "cancelled", since=kept["cancelled"])
        if "paused" in kept:
            if alive:
                return Observation(State.PAUSING, "stopping, within its grace period")
            return Observation(State.PAUSED, since=kept["paused"])
        if alive:
            return Observation(State.RUNNING, "somebody deleted its Job; it is stopping")
        return None

    def _queued(self, job: Json, pods: list[Json]) -> Observation:
        """Return how a job stands that Kueue holds back."""
        workload = self._cluster.workloads(self._namespace).get(job["metadata"]["uid"])
        alive = any(not status.is_gone(pod) for pod in pods)
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
            status.is_gone(newest) or status.container_status(newest).get("started")
        ):
            return []
        age = time.time() - (status.moment(item["metadata"]["creationTimestamp"]) or 0)
        if age < _PATIENCE:
            return []
        uid = item["metadata"]["uid"]
        return [
            event
            for event in self._cluster.warnings(self._namespace)
            if event["involvedObject"].get("uid") == uid
        ]
