"""The backend ``kubernetes``: Jobs that run this server's image with this server's volumes."""

from __future__ import annotations

import contextlib
import secrets as random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import ValidationError

from ...errors import (
    BackendError,
    BackendUnavailableError,
    SpecError,
    UnattendedError,
    UnsupportedError,
)
from ...jobs.states import State
from ...spec import JobSpec, describe
from ..base import Availability, Bundle, Capabilities, JobRef, Observation, Rendering
from . import git, kueue, labels, manifest, queues, record, remember
from .client import ApiError, Json, may_be_configured
from .cluster import Cluster
from .look import Look
from .manifest import Place
from .options import KubernetesOptions
from .rights import NEEDED, SECRETS
from .text import to_yaml

if TYPE_CHECKING:
    from pydantic import BaseModel

_FIXED_PRIORITY = (
    "Kubernetes fixes a pod's priority when the job is submitted; choose --priority-class then, or "
    "use a Kueue queue."
)
_NO_ORDER = "Kubernetes' scheduler keeps no queue that can be reordered."


class KubernetesBackend:
    """Jobs on Kubernetes, plain or under Kueue, KAI or Run:ai."""

    name: ClassVar[str] = "kubernetes"
    title: ClassVar[str] = "Kubernetes: this server's image and volumes, on the cluster's machines"
    keeps_history: ClassVar[bool] = False

    def __init__(self) -> None:
        #: Where what was last given outside a cluster is remembered; set by the registry.
        self.state_dir: Path | None = None
        self._lock = threading.Lock()
        self._clusters: dict[str | None, Cluster] = {}

    def options_model(self) -> type[BaseModel]:
        """Return the model of the options."""
        return KubernetesOptions

    def capabilities(self) -> Capabilities:
        """Return what Kubernetes can do."""
        has_kueue = any(cluster.has_kueue for cluster in self._clusters.values())
        return Capabilities(priority=None if has_kueue else _FIXED_PRIORITY, move=_NO_ORDER)

    def availability(self) -> Availability:
        """Say whether there is a cluster that takes jobs from here, and which queues it has."""
        if not may_be_configured():
            return Availability(
                False, "No cluster: this is no pod with a service account, and no kubeconfig."
            )
        try:
            cluster = self._cluster(None)
            namespace = cluster.namespace(KubernetesOptions())
            missing = cluster.rights.missing(namespace)
            if missing:
                return Availability(False, cluster.rights.explain(namespace, missing))
            found = queues.describe(cluster.api, cluster.systems(), namespace)
        except UnattendedError as error:
            return Availability(False, str(error))
        return Availability(
            True, f"Namespace {namespace}." + (f" Queues: {found}." if found else "")
        )

    # -- submitting --------------------------------------------------------------------------------

    def render(self, bundle: Bundle) -> Rendering:
        """Show the Job; image and volumes being given, without rights and without a cluster."""
        options = self._options(bundle.spec)
        if may_be_configured():
            with contextlib.suppress(BackendUnavailableError):
                bundle, options = self._recalled(bundle, options, self._cluster(options.context))
        place = self._place_to_show(bundle.spec, options)
        job = manifest.build(bundle, options, place)
        notes = []
        if bundle.spec.secret_env:
            keys = ", ".join(bundle.spec.secret_env)
            notes.append(f"Needs a Secret called {job['metadata']['name']} with the keys: {keys}")
        if options.git and not git.is_pinned(options.git):
            notes.append("The branch or tag of --git is replaced by its commit at submit")
        if place.pin:
            notes.append(f"Runs on node {place.pin}, because a claim is mounted there (RWO)")
        return Rendering(to_yaml(job, notes), f"{bundle.job_id}.yaml", "yaml")

    def submit(self, bundle: Bundle) -> str:
        """Create the Job, and a Secret for its secret variables."""
        options = self._options(bundle.spec)
        if options.git:
            options = options.model_copy(update={"git": git.pin(options.git)})
        cluster = self._cluster(options.context)
        bundle, options = self._recalled(bundle, options, cluster)
        place = cluster.place(bundle.spec, options)
        namespace = place.namespace or "default"
        name = None
        while True:
            job = manifest.build(bundle, options, place, name)
            name = job["metadata"]["name"]
            record.update(bundle.paths, context=cluster.context, namespace=namespace, manifest=job)
            try:
                created = self._create(cluster, namespace, job, bundle.secrets)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise self._refused(cluster, namespace, error, bundle.spec) from error
                # Another user's job of the same id, to the second.
                name = f"{labels.name(bundle.job_id)}-{random.token_hex(2)}"
            else:
                cluster.watch(namespace).jobs.put(created)
                if bundle.spec.image and options.volume:
                    remember.remember(
                        self.state_dir, cluster.context, bundle.spec.image, options.volume
                    )
                return _handle(cluster.context, namespace, name)

    def _create(
        self, cluster: Cluster, namespace: str, job: Json, secrets: Mapping[str, str]
    ) -> Json:
        """Create the Job, and before it the Secret that it needs; all or nothing."""
        name = job["metadata"]["name"]
        if secrets:
            cluster.api.create(_secrets(namespace), _secret(job, secrets))
        try:
            try:
                created = cluster.api.create(_jobs(namespace), job)
            except ApiError as error:
                # A request whose answer was lost is sent again: this may be our own Job.
                found = self._find(cluster, namespace, name) if error.status == 409 else None
                if found is None or not _is_same(found, job):
                    raise
                created = found
            if secrets:
                owner = {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": name,
                    "uid": created["metadata"]["uid"],
                }
                path = f"{_secrets(namespace)}/{name}"
                cluster.api.patch(path, {"metadata": {"ownerReferences": [owner]}})
        except BackendError as error:
            if not (isinstance(error, ApiError) and error.reason == "AlreadyExists"):
                with contextlib.suppress(BackendError):
                    self._delete(cluster, namespace, name)
            if secrets:
                with contextlib.suppress(BackendError):
                    cluster.api.delete(f"{_secrets(namespace)}/{name}")
            raise
        return created

    @staticmethod
    def _refused(
        cluster: Cluster, namespace: str, error: ApiError, spec: JobSpec
    ) -> UnattendedError:
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

    # -- looking -----------------------------------------------------------------------------------

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Observation]:
        """Ask about all jobs: of each namespace its Jobs and pods, however many there are."""
        groups: dict[tuple[str, str], list[JobRef]] = {}
        for job in jobs:
            if not job.handle:
                continue  # never handed over
            context, namespace, _ = _parse(job.handle)
            groups.setdefault((context, namespace), []).append(job)
        answer: dict[str, Observation] = {}
        failures: list[BackendError | BackendUnavailableError] = []
        for (context, namespace), group in groups.items():
            try:
                look = Look(self._cluster(context or None), namespace)
                answer.update({job.job_id: seen for job in group if (seen := look.at(job))})
            except (BackendError, BackendUnavailableError) as error:  # noqa: PERF203 - a handful
                failures.append(error)
                unknown = Observation(State.UNKNOWN, str(error))
                answer.update({job.job_id: unknown for job in group})
        if failures and len(failures) == len(groups):
            raise failures[0]
        return answer

    # -- steering ----------------------------------------------------------------------------------

    def cancel(self, job: JobRef) -> None:
        """Delete the Job; its pod gets SIGTERM and its grace period."""
        cluster, namespace, name = self._where(job)
        # Noted first: a Job that is gone and was not cancelled would be a lost one.
        record.update(job.paths, cancelled=time.time())
        self._delete(cluster, namespace, name)

    def pause(self, job: JobRef) -> None:
        """Suspend the Job; under Kueue deactivate its Workload, else delete the Job and keep it."""
        cluster, namespace, name = self._where(job)
        found = self._get(cluster, namespace, name)
        record.note_pause(job.paths)
        if not kueue.is_managed(found):
            self._suspend(cluster, namespace, name, suspended=True)
        elif not kueue.pause(cluster, namespace, found):
            record.update(job.paths, paused=time.time())
            self._delete(cluster, namespace, name)

    def resume(self, job: JobRef) -> None:
        """Let the Job go on, or create it again where pausing had to delete it."""
        cluster, namespace, name = self._where(job)
        kept = record.read(job.paths)
        if "paused" in kept:
            if self._find(cluster, namespace, name) is None:
                created = cluster.api.create(_jobs(namespace), kept["manifest"])
                cluster.watch(namespace).jobs.put(created)
            record.update(job.paths, paused=None)
            return
        found = self._get(cluster, namespace, name)
        if not kueue.is_managed(found):
            self._suspend(cluster, namespace, name, suspended=False)
        elif not kueue.resume(cluster, namespace, found):
            raise BackendError(
                "Only Kueue's Workload can be made active again, and this user may not change "
                "Workloads; ask your administrator for the right to patch them."
            )

    def set_priority(self, job: JobRef, priority: int) -> None:
        """Under Kueue, give the job the WorkloadPriorityClass of this value."""
        cluster, namespace, name = self._where(job)
        found = self._get(cluster, namespace, name)
        if not kueue.is_managed(found):
            raise UnsupportedError(_FIXED_PRIORITY)
        label = kueue.priority_class(cluster, priority)
        changes = {"metadata": {"labels": {queues.KUEUE_PRIORITY: label}}}
        cluster.watch(namespace).jobs.put(cluster.api.patch(f"{_jobs(namespace)}/{name}", changes))

    def move(self, job: JobRef, position: int) -> None:
        """Kubernetes keeps no queue of its own that can be reordered."""
        raise UnsupportedError(_NO_ORDER)

    def forget(self, job: JobRef) -> None:
        """Delete the Job, if Kubernetes still keeps it."""
        cluster, namespace, name = self._where(job)
        self._delete(cluster, namespace, name)

    def close(self) -> None:
        """End all watches; jobs go on."""
        for cluster in self._clusters.values():
            cluster.close()

    # -- inside ------------------------------------------------------------------------------------

    def _cluster(self, context: str | None) -> Cluster:
        """Return the cluster of a context; the current one is the same by its name and by None."""
        with self._lock:
            found = self._clusters.get(context)
            if found is None:
                found = Cluster(context)
                if context is None and found.context:
                    found = self._clusters.setdefault(found.context, found)
                self._clusters[context] = found
            return found

    def _where(self, job: JobRef) -> tuple[Cluster, str, str]:
        context, namespace, name = _parse(job.handle)
        return self._cluster(context or None), namespace, name

    def _recalled(
        self, bundle: Bundle, options: KubernetesOptions, cluster: Cluster
    ) -> tuple[Bundle, KubernetesOptions]:
        """Outside a cluster, fill in the image and volumes that were last given."""
        if not cluster.context:
            return bundle, options
        last = remember.recall(self.state_dir, cluster.context)
        if last.image and not bundle.spec.image:
            bundle = replace(bundle, spec=bundle.spec.model_copy(update={"image": last.image}))
        if last.volumes and not options.volume:
            options = options.model_copy(update={"volume": list(last.volumes)})
        return bundle, options

    @staticmethod
    def _options(spec: JobSpec) -> KubernetesOptions:
        try:
            return KubernetesOptions.model_validate(spec.options)
        except ValidationError as error:
            raise SpecError(describe(error)) from error

    def _place_to_show(self, spec: JobSpec, options: KubernetesOptions) -> Place:
        """Return where a job would run, as far as that can be known from here."""
        enough = spec.image is not None and bool(options.volume)
        if may_be_configured():
            try:
                return self._cluster(options.context).place(spec, options)
            except (BackendError, BackendUnavailableError):
                if not enough:
                    raise
        queue = queues.choose(None, None, spec, options, options.namespace or "")
        return Place(options.namespace, queue=queue)

    @staticmethod
    def _find(cluster: Cluster, namespace: str, name: str) -> Json | None:
        try:
            return cluster.api.get(f"{_jobs(namespace)}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _get(self, cluster: Cluster, namespace: str, name: str) -> Json:
        found = self._find(cluster, namespace, name)
        if found is None:
            raise BackendError(f"Kubernetes has no Job {name} in namespace {namespace} any more.")
        return found

    @staticmethod
    def _suspend(cluster: Cluster, namespace: str, name: str, *, suspended: bool) -> None:
        path = f"{_jobs(namespace)}/{name}"
        cluster.watch(namespace).jobs.put(cluster.api.patch(path, {"spec": {"suspend": suspended}}))

    @staticmethod
    def _delete(cluster: Cluster, namespace: str, name: str) -> None:
        # Without a word about propagation, a Job's pods would stay and go on running.
        how = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        cluster.api.delete(f"{_jobs(namespace)}/{name}", how)
        cluster.watch(namespace).jobs.remove(name)


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _secret(job: Json, values: Mapping[str, str]) -> Json:
    metadata = {"name": job["metadata"]["name"], "labels": job["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(values)}


def _is_same(found: Json, job: Json) -> bool:
    """Whether a Job that is there is the one that was to be created."""
    there = found["metadata"].get("annotations", {})
    return bool(there.get(labels.NONCE) == job["metadata"]["annotations"][labels.NONCE])


def _handle(context: str, namespace: str, name: str) -> str:
    return f"{context}:{namespace}/{name}"


def _parse(handle: str) -> tuple[str, str, str]:
    """Return context, namespace and name of a handle; a context may have colons and slashes."""
    context, _, rest = handle.rpartition(":")
    namespace, _, name = rest.partition("/")
    return context, namespace, name
