"""Jobs and Secrets of the API server: finding, creating and deleting them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from ...errors import BackendError, BackendUnavailableError, SpecError, UnattendedError
from ...spec import JobSpec
from . import labels
from .client import ApiError, Json
from .cluster import Cluster
from .rights import NEEDED, SECRETS

#: Without a word about propagation, a Job's pods would stay and go on running.
_WITH_PODS = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}


def jobs(namespace: str) -> str:
    """Return the path of a namespace's Jobs."""
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def find(cluster: Cluster, namespace: str, name: str) -> Json | None:
    """Return a Job, or None if there is none."""
    try:
        return cluster.api.get(f"{jobs(namespace)}/{name}")
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def get(cluster: Cluster, namespace: str, name: str) -> Json:
    """Return a Job that must be there."""
    found = find(cluster, namespace, name)
    if found is None:
        raise BackendError(f"Kubernetes has no Job {name} in namespace {namespace} any more.")
    return found


def change(cluster: Cluster, namespace: str, name: str, changes: Json) -> None:
    """Change fields of a Job."""
    changed = cluster.api.patch(f"{jobs(namespace)}/{name}", changes)
    cluster.watch(namespace).jobs.put(changed)


def delete(cluster: Cluster, namespace: str, name: str) -> None:
    """Delete a Job with its pods; they get SIGTERM and their grace period."""
    cluster.api.delete(f"{jobs(namespace)}/{name}", _WITH_PODS)
    cluster.watch(namespace).jobs.remove(name)


def delete_pod(cluster: Cluster, namespace: str, name: str) -> None:
    """Delete a pod; it gets SIGTERM and its grace period."""
    pod = cluster.api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")
    if pod is not None and pod.get("kind") == "Pod":
        cluster.watch(namespace).pods.put(pod)


def create(cluster: Cluster, namespace: str, job: Json, secrets: Mapping[str, str]) -> Json:
    """Create a Job and return it, and before it the Secret that it needs; all or nothing."""
    name = job["metadata"]["name"]
    if secrets:
        cluster.api.create(_secrets(namespace), _secret(job, secrets))
    try:
        try:
            created = cluster.api.create(jobs(namespace), job)
        except ApiError as error:
            # A request whose answer was lost is sent again: this may be our own Job.
            found = find(cluster, namespace, name) if error.status == 409 else None
            if found is None or not _is_same(found, job):
                raise
            created = found
        if secrets:
            give_secret(cluster, namespace, created)
    except BackendError as error:
        if not (isinstance(error, ApiError) and error.reason == "AlreadyExists"):
            with contextlib.suppress(BackendError):
                delete(cluster, namespace, name)
        if secrets:
            delete_secret(cluster, namespace, name)
        raise
    cluster.watch(namespace).jobs.put(created)
    return created


def give_secret(cluster: Cluster, namespace: str, job: Json) -> None:
    """Let a Job's Secret, if it has one, end with the Job."""
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
    }
    if _has_secret(job):
        path = f"{_secrets(namespace)}/{owner['name']}"
        cluster.api.patch(path, {"metadata": {"ownerReferences": [owner]}})


def keep_secret(cluster: Cluster, namespace: str, name: str) -> None:
    """Let a Job's Secret, if it has one, outlive the Job."""
    job = find(cluster, namespace, name)
    if job is not None and _has_secret(job):
        path = f"{_secrets(namespace)}/{name}"
        cluster.api.patch(path, {"metadata": {"ownerReferences": None}})


def delete_secret(cluster: Cluster, namespace: str, name: str) -> None:
    """Delete the Secret of a Job, if there is one and this user may."""
    with contextlib.suppress(BackendError):
        cluster.api.delete(f"{_secrets(namespace)}/{name}")


def _has_secret(job: Json) -> bool:
    """Whether we made a Secret for a Job: it is called like the Job."""
    names = {
        entry.get("valueFrom", {}).get("secretKeyRef", {}).get("name")
        for container in job["spec"]["template"]["spec"]["containers"]
        for entry in container.get("env", [])
    }
    return job["metadata"]["name"] in names


def refused(cluster: Cluster, namespace: str, error: ApiError, spec: JobSpec) -> UnattendedError:
    """Return the error for a Job that was refused, in words."""
    if error.status == 403:
        with contextlib.suppress(BackendError):
            needed = (*NEEDED, *SECRETS) if spec.secret_env else NEEDED
            missing = cluster.rights.missing(namespace, needed)
            if missing:
                return BackendUnavailableError(cluster.rights.explain(namespace, missing))
    if error.status == 404:
        return SpecError(f"namespace: there is no namespace {namespace!r}")
    return error


def _secret(job: Json, values: Mapping[str, str]) -> Json:
    metadata = {"name": job["metadata"]["name"], "labels": job["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(values)}


def _is_same(found: Json, job: Json) -> bool:
    """Whether a Job that is there is the one that was to be created."""
    there = found["metadata"].get("annotations", {})
    return bool(there.get(labels.NONCE) == job["metadata"]["annotations"][labels.NONCE])
