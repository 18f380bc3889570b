"""Stopping jobs and letting them go on: cancel, pause, resume, priority, forget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...errors import BackendError, ConflictError, UnattendedError, UnsupportedError, WorkspaceError
from ...jobs.discovery import read_record
from ...jobs.states import State
from ...spec import JobSpec
from ..base import Bundle, JobRef
from . import handle, kueue, objects, queues, record, sweep
from .cluster import Cluster
from .look import Look

FIXED_PRIORITY = (
    "Kubernetes fixes a pod's priority when the job is submitted; choose --priority-class then, or "
    "use a Kueue queue."
)


@dataclass(frozen=True)
class Home:
    """Where a job's Job is.

    Parameters
    ----------
    job
        The job.
    cluster, namespace, name
        Its Job.
    index
        Which run of that Job it is, where the Job is a sweep's.
    """

    job: JobRef
    cluster: Cluster
    namespace: str
    name: str
    index: int | None

    @classmethod
    def of(cls, job: JobRef, cluster_of: Callable[[str | None], Cluster]) -> Home:
        """Find out by what is known here; asks nobody."""
        context, namespace, name, index = handle.parse(job.handle)
        if index is not None:
            own = record.read(job.paths).get("own")
            if own:
                name, index = own, None  # it left its sweep when it was resumed
        return cls(job, cluster_of(context or None), namespace, name, index)


def cancel(home: Home) -> None:
    """Delete the Job; its pod gets SIGTERM and its grace period."""
    # Noted first: a Job that is gone and was not cancelled would be a lost one.
    _take_away(home, "cancelled")


def pause(home: Home) -> None:
    """Suspend the Job; what cannot be suspended alone is taken away and kept here.

    Under Kueue the Workload is deactivated, where this user may do so.
    """
    cluster, namespace, name = home.cluster, home.namespace, home.name
    record.note_pause(home.job.paths)
    if home.index is not None:
        _take_away(home, "paused")
        return
    found = objects.get(cluster, namespace, name)
    if not kueue.is_managed(found):
        objects.change(cluster, namespace, name, {"spec": {"suspend": True}})
    elif not kueue.pause(cluster, namespace, found):
        _take_away(home, "paused")


def resume(home: Home) -> None:
    """Let the Job go on, or create it again where pausing had to take it away.

    Raises
    ------
    BackendError
        If only somebody with more rights can let it go on.
    """
    if "paused" in record.read(home.job.paths):
        _bring_back(home)
        return
    cluster, namespace, name = home.cluster, home.namespace, home.name
    found = objects.get(cluster, namespace, name)
    if not kueue.is_managed(found):
        objects.change(cluster, namespace, name, {"spec": {"suspend": False}})
    elif not kueue.resume(cluster, namespace, found):
        raise BackendError(
            "Only Kueue's Workload can be made active again, and this user may not change "
            "Workloads; ask your administrator for the right to patch them."
        )


def set_priority(home: Home, priority: int) -> None:
    """Under Kueue, give the job the WorkloadPriorityClass of this value.

    Raises
    ------
    UnsupportedError
        If it is in no queue of Kueue.
    """
    cluster, namespace, name = home.cluster, home.namespace, home.name
    if not kueue.is_managed(objects.get(cluster, namespace, name)):
        raise UnsupportedError(FIXED_PRIORITY)
    label = kueue.priority_class(cluster, priority)
    changes = {"metadata": {"labels": {queues.KUEUE_PRIORITY: label}}}
    objects.change(cluster, namespace, name, changes)


def forget(home: Home) -> None:
    """Delete the Job, if Kubernetes still keeps it; a sweep's with its last run."""
    cluster, namespace, paths = home.cluster, home.namespace, home.job.paths
    if home.index is None:
        objects.delete(cluster, namespace, home.name)
        if "paused" in record.read(paths):
            objects.delete_secret(cluster, namespace, home.name)
    _, _, sweep_name, index = handle.parse(home.job.handle)
    if index is not None and sweep.is_last(paths, sweep_name):
        objects.delete(cluster, namespace, sweep_name)
        sweep.remove(paths, sweep_name)


def _take_away(home: Home, why: Literal["cancelled", "paused"]) -> None:
    """Delete a job's Job, or take it out of its sweep, and note why."""
    cluster, namespace, name, paths = home.cluster, home.namespace, home.name, home.job.paths
    was_away = "paused" in record.read(paths)
    record.update(paths, **{why: time.time()})
    try:
        if home.index is not None:
            sweep.withdraw(cluster, namespace, name, home.index, paths)
            return
        if why == "paused":
            objects.keep_secret(cluster, namespace, name)
        objects.delete(cluster, namespace, name)
        if was_away:
            objects.delete_secret(cluster, namespace, name)
    except UnattendedError:
        record.update(paths, **{why: None})
        raise


def _bring_back(home: Home) -> None:
    """Create the Job of a job that was paused by taking it away."""
    cluster, namespace, job = home.cluster, home.namespace, home.job
    seen = Look(cluster, namespace).at(job)
    if seen is not None and seen.state is State.PAUSING:
        raise ConflictError(f"{job.job_id} is still stopping; resume it when it is paused.")
    if home.index is not None:
        record.update(job.paths, manifest=sweep.alone(_bundle(job), home.name))
    manifest = record.read(job.paths)["manifest"]
    name = manifest["metadata"]["name"]
    if home.index is not None:
        record.update(job.paths, own=name)
    if objects.find(cluster, namespace, name) is None:
        created = objects.create(cluster, namespace, manifest, {})
        objects.give_secret(cluster, namespace, created)
    record.update(job.paths, paused=None)


def _bundle(job: JobRef) -> Bundle:
    kept = read_record(job.paths)
    if kept is None:
        raise WorkspaceError(f"{job.paths.spec} cannot be read, so this run cannot go on.")
    return Bundle(JobSpec.checked(**kept["spec"]), job.paths)
