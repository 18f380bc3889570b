"""Sweeps: many runs of one notebook as one Indexed Job.

Each run has a job directory of its own. Which run has which index is in a file beside the job
directories, one id a line. One run is stopped by taking it out of the sweep: another file has the
indexes that are to end at once when Kubernetes starts them again. A run that is resumed gets a Job
of its own, made from the sweep's.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import BackendError, WorkspaceError
from ...paths import JobPaths
from ..base import Bundle
from . import labels, manifest, objects, status
from .client import Json
from .cluster import Cluster
from .manifest import KILLED, Place
from .merge import merge
from .options import KubernetesOptions
from .rights import PODS

#: Ends at once if its index was taken out, else becomes the start.sh of its run.
_COMMAND = """\
list=$1/.sweeps/$2
mapfile -t runs <"$list"
if [[ -e $list.withdrawn ]]; then
  while read -r index; do
    if [[ $index == "$JOB_COMPLETION_INDEX" ]]; then echo "taken out of the sweep"; exit 1; fi
  done <"$list.withdrawn"
fi
exec bash "$1/${runs[JOB_COMPLETION_INDEX]}/start.sh"
"""


def is_possible(bundles: Sequence[Bundle], options: KubernetesOptions, place: Place) -> bool:
    """Whether these runs can be one Job.

    Queues admit a Job as a whole, a Secret would have to outlive the sweep, and without the
    workspace a pod sees the directory of its own run only.
    """
    spec = bundles[0].spec
    return (
        len(bundles) > 1
        and place.queue is None
        and not spec.secret_env
        and options.code == "workspace"
        and not options.git
    )


def name(bundles: Sequence[Bundle]) -> str:
    """Return the name of the Job."""
    return f"{labels.name(bundles[0].job_id)}-sweep"


def build(
    bundles: Sequence[Bundle], options: KubernetesOptions, place: Place, job_name: str
) -> Json:
    """Return the Indexed Job of all `bundles`."""
    first = bundles[0]
    environments = [bundle.spec.env for bundle in bundles]
    # What differs from run to run is set by each run's start.sh.
    same = {k: v for k, v in first.spec.env.items() if all(e.get(k) == v for e in environments)}
    differs = {variable for environment in environments for variable in environment} - same.keys()
    twin = replace(
        place.twin,
        environment=tuple(e for e in place.twin.environment if e["name"] not in differs),
    )
    spec = first.spec.model_copy(update={"env": same, "arguments": []})
    job = manifest.compose(replace(first, spec=spec), options, replace(place, twin=twin), job_name)
    details = job["spec"]
    details.update(
        completionMode="Indexed",
        completions=len(bundles),
        parallelism=min(options.at_once or len(bundles), len(bundles)),
        backoffLimitPerIndex=details.pop("backoffLimit"),
    )
    for rule in details["podFailurePolicy"]["rules"]:
        if rule["action"] == "FailJob":
            rule["action"] = "FailIndex"
    (container,) = details["template"]["spec"]["containers"]
    words = [_COMMAND, "sweep", str(first.paths.root.parent), job_name]
    container["command"] = ["bash", "-c", *(manifest.literal(word) for word in words)]
    merged: Json = merge(job, options.patch_object())
    return merged


def alone(bundle: Bundle, job_name: str) -> Json:
    """Return the Job for a run that left its sweep; one more like the sweep's, for this run only.

    Raises
    ------
    WorkspaceError
        If the sweep's Job is not known any more.
    """
    file = _file(bundle.paths, job_name, ".json")
    try:
        job: Json = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"{file} cannot be read, so this run cannot go on.") from error
    job = copy.deepcopy(job)
    metadata, details = job["metadata"], job["spec"]
    metadata["name"] = labels.name(bundle.job_id)
    metadata["annotations"][labels.DIRECTORY] = str(bundle.paths.root)
    for marks in (metadata["labels"], details["template"]["metadata"]["labels"]):
        marks[labels.JOB] = labels.value(bundle.job_id)
    details.update(completions=1, parallelism=1, backoffLimit=details.pop("backoffLimitPerIndex"))
    del details["completionMode"]
    for rule in details["podFailurePolicy"]["rules"]:
        if rule["action"] == "FailIndex":
            rule["action"] = "FailJob"
    container = details["template"]["spec"]["containers"][0]
    container["command"] = ["bash", str(bundle.paths.start_script)]  # which knows its arguments
    return job


# -- the files of a sweep --------------------------------------------------------------------------


def _file(paths: JobPaths, job_name: str, suffix: str = "") -> Path:
    return paths.root.parent / ".sweeps" / f"{job_name}{suffix}"


def write(bundles: Sequence[Bundle], job: Json) -> None:
    """Write which run has which index, and the Job.

    Raises
    ------
    WorkspaceError
        If it cannot be written.
    """
    paths, job_name = bundles[0].paths, job["metadata"]["name"]
    file = _file(paths, job_name)
    try:
        file.parent.mkdir(exist_ok=True)
        _file(paths, job_name, ".json").write_text(json.dumps(job))
        file.write_text("".join(f"{bundle.job_id}\n" for bundle in bundles))
    except OSError as error:
        raise WorkspaceError(f"{file} cannot be written ({error.strerror}).") from error


def remove(paths: JobPaths, job_name: str) -> None:
    """Remove the files of a sweep that is no more."""
    for suffix in ("", ".json", ".withdrawn"):
        _file(paths, job_name, suffix).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        _file(paths, job_name).parent.rmdir()  # where that was the last one


def withdrawn(paths: JobPaths, job_name: str) -> set[int]:
    """Return the indexes that were taken out."""
    try:
        words = _file(paths, job_name, ".withdrawn").read_text().split()
    except OSError:
        return set()
    return {int(word) for word in words if word.isdecimal()}


def is_last(paths: JobPaths, job_name: str) -> bool:
    """Whether no other run of the sweep has a job directory any more."""
    try:
        runs = _file(paths, job_name).read_text().split()
    except OSError:
        return True
    return not any((paths.root.parent / run).exists() for run in runs if run != paths.job_id)


def withdraw(cluster: Cluster, namespace: str, job_name: str, index: int, paths: JobPaths) -> None:
    """Take one run out of its sweep, and stop its pod.

    Raises
    ------
    BackendError
        If this user may not delete pods.
    """
    job = objects.find(cluster, namespace, job_name)
    if job is None:
        return
    if cluster.rights.missing(namespace, PODS):
        raise BackendError(
            f"This user may not delete pods in namespace {namespace}, so one run of a sweep "
            "cannot be stopped alone; ask your administrator for that right."
        )
    file = _file(paths, job_name, ".withdrawn")
    try:
        with file.open("a") as stream:
            stream.write(f"{index}\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise WorkspaceError(
            f"{file} cannot be written ({error.strerror}), so nothing was changed."
        ) from error
    for pod in cluster.watch(namespace).look()[1].get(labels.run_key(job_name, index), []):
        if not status.is_gone(pod):
            objects.delete_pod(cluster, namespace, pod["metadata"]["name"])
    done = Done.of(job)
    if withdrawn(paths, job_name) | done.succeeded | done.failed >= set(range(done.total)):
        objects.delete(cluster, namespace, job_name)


# -- looking at one run ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """The runs of a sweep that have ended, and how many there are."""

    succeeded: frozenset[int]
    failed: frozenset[int]
    total: int

    @classmethod
    def of(cls, job: Json) -> Done:
        """Read it from an Indexed Job."""
        told = job.get("status", {})
        return cls(
            _indexes(told.get("completedIndexes", "")),
            _indexes(told.get("failedIndexes", "")),
            int(job["spec"].get("completions") or 0),
        )


def part(job: Json, done: Done, index: int, pods: Sequence[Json]) -> Json:
    """Return one run of an Indexed Job as if it were a Job of its own."""
    kept = {"Suspended", "Failed", "FailureTarget"}
    conditions = [c for c in job.get("status", {}).get("conditions", []) if c["type"] in kept]
    ended = status.terminated(pods[-1]) if pods else {}
    verdict = {"status": "True", "lastTransitionTime": ended.get("finishedAt")}
    if index in done.succeeded:
        conditions = [{"type": "Complete", **verdict}]
    elif index in done.failed:
        killed = ended.get("exitCode") == KILLED
        reason = "BackoffLimitExceeded" if killed else "PodFailurePolicy"
        conditions = [{"type": "Failed", "reason": reason, **verdict}]
    spec = {**job["spec"], "backoffLimit": job["spec"].get("backoffLimitPerIndex", 0)}
    return {**job, "spec": spec, "status": {"conditions": conditions} if conditions else {}}


def _indexes(text: str) -> frozenset[int]:
    """Read ``0-3,5``."""
    found: set[int] = set()
    for piece in filter(None, text.split(",")):
        first, _, last = piece.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
