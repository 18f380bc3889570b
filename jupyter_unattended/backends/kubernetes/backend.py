"""The backend ``kubernetes``: Jobs that run this server's image with this server's volumes."""

from __future__ import annotations

import contextlib
import secrets as random
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

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
from . import (
    git,
    handle,
    labels,
    manifest,
    objects,
    queues,
    record,
    remember,
    status,
    steering,
    sweep,
)
from .client import ApiError, Json, may_be_configured
from .cluster import Cluster
from .look import Look
from .manifest import Place
from .options import KubernetesOptions
from .steering import FIXED_PRIORITY, Home
from .text import to_yaml

if TYPE_CHECKING:
    from pydantic import BaseModel

_NO_ORDER = "Kubernetes' scheduler keeps no queue that can be reordered."


class KubernetesBackend:
    """Jobs on Kubernetes, plain or under Kueue, KAI or Run:ai."""

    name: ClassVar[str] = "kubernetes"
    title: ClassVar[str] = "Kubernetes: this server's image and volumes, on the cluster's machines"
    keeps_history: ClassVar[bool] = False
    #: What is rendered can be applied by somebody else.
    renders_whole: ClassVar[bool] = True

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
        return Capabilities(priority=None if has_kueue else FIXED_PRIORITY, move=_NO_ORDER)

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
            found = queues.describe(cluster.offers(namespace).queues)
        except UnattendedError as error:
            return Availability(False, str(error))
        return Availability(
            True, f"Namespace {namespace}." + (f" Queues: {found}." if found else "")
        )

    def narrowed(self) -> Mapping[str, Mapping[str, Any]]:
        """Return which queues and classes there are: a form offers no others."""
        cluster = self._clusters.get(None)
        offers = cluster.known_offers if cluster is not None else None
        return {} if offers is None else offers.narrow()

    # -- submitting --------------------------------------------------------------------------------

    def render(self, bundle: Bundle) -> Rendering:
        """Show the Job; image and volumes being given, without rights and without a cluster."""
        options = self._options(bundle.spec)
        if may_be_configured():
            with contextlib.suppress(BackendUnavailableError):
                bundle, options = self._recalled(bundle, options, self._cluster(options.context))
        place = self._place_to_show(bundle.spec, options)
        job = manifest.build(bundle, options, place)
        text = to_yaml(job, _notes(bundle, options, place, job["metadata"]["name"]))
        return Rendering(text, f"{bundle.job_id}.yaml", "yaml")

    def submit(self, bundle: Bundle) -> str:
        """Create the Job, and a Secret for its secret variables."""
        options = self._pinned(self._options(bundle.spec))
        cluster = self._cluster(options.context)
        bundle, options = self._recalled(bundle, options, cluster)
        place = cluster.place(bundle.spec, options)
        name = labels.name(bundle.job_id)
        while True:
            job = manifest.build(bundle, options, place, name)
            record.update(
                bundle.paths, context=cluster.context, namespace=place.namespace, manifest=job
            )
            if self._create(cluster, job, bundle):
                break
            # Another user's job of the same id, to the second.
            name = f"{labels.name(bundle.job_id)}-{random.token_hex(2)}"
        self._remember(cluster, bundle.spec, options)
        return handle.make(cluster.context, job["metadata"]["namespace"], name)

    def submit_many(self, bundles: Sequence[Bundle]) -> list[str]:
        """Create one Indexed Job for all runs of a notebook, where that can be."""
        options = self._pinned(self._options(bundles[0].spec))
        cluster = self._cluster(options.context)
        recalled = [self._recalled(bundle, options, cluster) for bundle in bundles]
        bundles, options = [bundle for bundle, _ in recalled], recalled[0][1]
        place = cluster.place(bundles[0].spec, options)
        if not sweep.is_possible(bundles, options, place):
            return self._one_by_one(bundles)
        name = sweep.name(bundles)
        while True:
            job = sweep.build(bundles, options, place, name)
            sweep.write(bundles, job)
            created = False
            try:
                created = self._create(cluster, job, bundles[0])
            finally:
                if not created:
                    sweep.remove(bundles[0].paths, name)
            if created:
                break
            name = f"{labels.name(bundles[0].job_id)}-{random.token_hex(2)}"
        self._remember(cluster, bundles[0].spec, options)
        namespace = job["metadata"]["namespace"]
        return [handle.make(cluster.context, namespace, name, n) for n in range(len(bundles))]

    def _one_by_one(self, bundles: Sequence[Bundle]) -> list[str]:
        """Create a Job for each; all or nothing."""
        handles: list[str] = []
        try:
            for bundle in bundles:
                handles.append(self.submit(bundle))  # noqa: PERF401 - needed when one is refused
        except BaseException:
            for one in handles:
                context, namespace, name, _ = handle.parse(one)
                with contextlib.suppress(UnattendedError):
                    objects.delete(self._cluster(context or None), namespace, name)
            raise
        return handles

    @staticmethod
    def _create(cluster: Cluster, job: Json, bundle: Bundle) -> bool:
        """Create a Job; False if there is one of that name."""
        namespace = job["metadata"]["namespace"]
        try:
            objects.create(cluster, namespace, job, bundle.secrets)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return False
            raise objects.refused(cluster, namespace, error, bundle.spec) from error
        return True

    @staticmethod
    def _pinned(options: KubernetesOptions) -> KubernetesOptions:
        if not options.git:
            return options
        return options.model_copy(update={"git": git.pin(options.git)})

    def _remember(self, cluster: Cluster, spec: JobSpec, options: KubernetesOptions) -> None:
        if spec.image and options.volume:
            remember.remember(self.state_dir, cluster.context, spec.image, options.volume)

    # -- looking -----------------------------------------------------------------------------------

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Observation]:
        """Ask about all jobs: of each namespace its Jobs and pods, however many there are."""
        groups: dict[tuple[str, str], list[JobRef]] = {}
        for job in jobs:
            if not job.handle:
                continue  # never handed over
            context, namespace, _, _ = handle.parse(job.handle)
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

    def read_log(self, job: JobRef) -> tuple[int, bytes]:
        """Return what the job's newest pod wrote, as Kubernetes keeps it."""
        home = self._home(job)
        cluster, namespace = home.cluster, home.namespace
        jobs, pods = cluster.watch(namespace).look()
        ours = pods.get(labels.run_key(home.name, home.index), [])
        started = [pod for pod in ours if status.has_started(pod)]
        if not started:
            return 0, b""
        newest = started[-1]["metadata"]
        # Whoever has seen the end gets the end of the log.
        versions = [
            one["metadata"]["resourceVersion"] for one in (jobs.get(home.name), started[-1]) if one
        ]
        return len(started), cluster.log(namespace, newest["name"], tuple(versions))

    # -- steering ----------------------------------------------------------------------------------

    def cancel(self, job: JobRef) -> None:
        """Delete the Job; its pod gets SIGTERM and its grace period."""
        steering.cancel(self._home(job))

    def pause(self, job: JobRef) -> None:
        """Suspend the Job, or what comes nearest to that where it cannot be suspended."""
        steering.pause(self._home(job))

    def resume(self, job: JobRef) -> None:
        """Let the Job go on, or create it again where pausing had to take it away."""
        steering.resume(self._home(job))

    def set_priority(self, job: JobRef, priority: int) -> None:
        """Under Kueue, give the job the WorkloadPriorityClass of this value."""
        steering.set_priority(self._home(job), priority)

    def move(self, job: JobRef, position: int) -> None:
        """Kubernetes keeps no queue of its own that can be reordered."""
        raise UnsupportedError(_NO_ORDER)

    def forget(self, job: JobRef) -> None:
        """Delete the Job, if Kubernetes still keeps it; a sweep's with its last run."""
        steering.forget(self._home(job))

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

    def _home(self, job: JobRef) -> Home:
        return Home.of(job, self._cluster)

    def _recalled(
        self, bundle: Bundle, options: KubernetesOptions, cluster: Cluster
    ) -> tuple[Bundle, KubernetesOptions]:
        """Outside a cluster, fill in the image and volumes that were last given."""
        if not cluster.context:
            return bundle, options
        return remember.recall(self.state_dir, cluster.context).fill_in(bundle, options)

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


def _notes(bundle: Bundle, options: KubernetesOptions, place: Place, name: str) -> list[str]:
    """Say what a Job does not say by itself."""
    notes = []
    if bundle.spec.secret_env:
        keys = ", ".join(bundle.spec.secret_env)
        notes.append(f"Needs a Secret called {name} with the keys: {keys}")
    if options.git and not git.is_pinned(options.git):
        notes.append("The branch or tag of --git is replaced by its commit at submit")
    if place.pin:
        gpus = ", with the GPUs that are there" if bundle.spec.gpus else ""
        notes.append(f"Runs on node {place.pin}, because a claim is mounted there (RWO){gpus}")
    else:
        notes += [
            f"What is at {mount.path} is of the node that it runs on, which may be another one"
            for mount in place.twin.mounts
            if "hostPath" in mount.volume
        ]
    return notes
