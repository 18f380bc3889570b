"""One cluster as this user sees it: connection, own pod, claims, rights, watches, queues."""

from __future__ import annotations

import threading
import time

from ...errors import BackendError, BackendUnavailableError, SpecError
from ...spec import JobSpec
from . import labels, pod, queues
from .client import Api, ApiError, Json, in_cluster
from .manifest import Place
from .offers import Offers
from .options import KubernetesOptions
from .pod import Twin
from .rights import WORKLOADS, Rights
from .watch import Watch

#: How long what was read of claims, queues and events is good for, in seconds.
_GOOD_FOR = 30.0
_EVENTS_GOOD_FOR = 5.0
_LOGS_GOOD_FOR = 1.0


class Cluster:
    """A cluster and what is known of it.

    Parameters
    ----------
    context
        Context of the kubeconfig; None for this pod's own cluster, else the current context.
    """

    def __init__(self, context: str | None = None) -> None:
        self.api = Api(context)
        self.rights = Rights(self.api)
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._twin: Twin | None = None
        self._claims: dict[tuple[str, str], tuple[float, Json | None]] = {}
        self._events: dict[str, tuple[float, list[Json]]] = {}
        self._offers: dict[str, tuple[float, Offers]] = {}
        self._logs: dict[tuple[str, str, object], tuple[float, bytes]] = {}
        self._systems: tuple[float, set[queues.System]] = (0.0, set())
        self._workloads: dict[str, tuple[float, dict[str, Json]]] = {}

    @property
    def context(self) -> str:
        """The kubeconfig's context; empty in the own cluster of a pod."""
        self.api.connect()
        return self.api.context or ""

    def namespace(self, options: KubernetesOptions) -> str:
        """Return the namespace that a job will be in."""
        self.api.connect()
        return options.namespace or self.api.namespace

    def systems(self) -> set[queues.System]:
        """Return the queueing systems that the cluster has."""
        asked, found = self._systems
        if not asked or time.monotonic() - asked > 10 * _GOOD_FOR:
            found = queues.systems(self.api)
            self._systems = (time.monotonic(), found)
        return found

    def offers(self, namespace: str) -> Offers:
        """Return what jobs of a namespace can choose from, as far as it can be read."""
        asked, found = self._offers.get(namespace, (0.0, Offers()))
        if not asked or time.monotonic() - asked > _GOOD_FOR:
            found = Offers.ask(self.api, self.systems(), namespace)
            self._offers[namespace] = (time.monotonic(), found)
        return found

    @property
    def known_offers(self) -> Offers | None:
        """What there is for this user's own namespace as last read; None before; asks nobody."""
        asked, found = self._offers.get(self.api.namespace, (0.0, Offers()))
        return found if asked else None

    @property
    def has_kueue(self) -> bool:
        """Whether the cluster is known to have Kueue; asks nobody."""
        return "kueue" in self._systems[1]

    def watch(self, namespace: str) -> Watch:
        """Return the watch of a namespace, made once."""
        with self._lock:
            found = self._watches.get(namespace)
            if found is None:
                found = self._watches[namespace] = Watch(self.api, namespace)
            return found

    def close(self) -> None:
        """End all watches."""
        with self._lock:
            watches, self._watches = list(self._watches.values()), {}
        for watch in watches:
            watch.close()

    # -- before a submit ---------------------------------------------------------------------------

    def twin(self) -> Twin:
        """Return what a job takes from this server's pod; nothing outside a cluster.

        Raises
        ------
        BackendUnavailableError
            If the own pod cannot be found or read.
        """
        if self._twin is None:
            self.api.connect()
            if in_cluster() and not self.api.context:
                self._twin = pod.twin(pod.find(self.api))
            else:
                self._twin = Twin(namespace=self.api.namespace)
        return self._twin

    def place(self, spec: JobSpec, options: KubernetesOptions) -> Place:
        """Return where a job will run, with what its claims demand.

        Raises
        ------
        SpecError
            If a claim or queue does not exist, or a claim cannot be shared with the job.
        """
        try:
            twin = self.twin()
        except BackendUnavailableError:
            if not (spec.image and options.volume):
                raise
            twin = Twin(namespace=self.api.namespace)
        namespace = self.namespace(options)
        inherited = [mount.claim for mount in twin.mounts if mount.claim]
        asked = [claim.name for claim in options.claims()]
        pin = None
        for name in dict.fromkeys([*inherited, *asked]):
            if self._binds_to_node(namespace, name, held=name in inherited):
                pin = twin.node
        return Place(
            namespace, twin, queues.choose(self.api, self.systems(), spec, options, namespace), pin
        )

    def _binds_to_node(self, namespace: str, name: str, *, held: bool) -> bool:
        """Whether a claim can be mounted on one node only, on which this server holds it."""
        claim = self._claim(namespace, name)
        if claim is None:
            return False
        modes = claim["spec"].get("accessModes", [])
        if modes == ["ReadWriteOncePod"] and held:
            raise SpecError(
                f"volume: the claim {name} can be mounted by one pod only (ReadWriteOncePod), and "
                "this server holds it; the job needs a claim that can be shared"
            )
        return held and not {"ReadWriteMany", "ReadOnlyMany"} & set(modes)

    def _claim(self, namespace: str, name: str) -> Json | None:
        """Return a claim; None if it may not be read."""
        asked, found = self._claims.get((namespace, name), (0.0, None))
        if not asked or time.monotonic() - asked > _GOOD_FOR:
            try:
                found = self.api.get(
                    f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
                )
            except ApiError as error:
                if error.status == 404:
                    raise SpecError(
                        f"volume: there is no claim {name!r} in namespace {namespace}"
                    ) from error
                if error.status != 403:
                    raise
                found = None
            self._claims[namespace, name] = (time.monotonic(), found)
        return found

    # -- while jobs run ----------------------------------------------------------------------------

    def warnings(self, namespace: str) -> list[Json]:
        """Return the namespace's warnings, one request for all jobs; empty if not readable."""
        asked, found = self._events.get(namespace, (0.0, []))
        if not asked or time.monotonic() - asked > _EVENTS_GOOD_FOR:
            try:
                path = f"/api/v1/namespaces/{namespace}/events"
                found = self.api.get(path, fieldSelector="type=Warning", limit=2000)["items"]
            except ApiError as error:
                if error.status != 403:
                    raise
                found = []
            self._events[namespace] = (time.monotonic(), found)
        return found

    def log(self, namespace: str, pod: str, version: object) -> bytes:
        """Return what a pod of ours wrote, as of a moment ago and no older than `version`."""
        key = (namespace, pod, version)
        asked, found = self._logs.get(key, (0.0, b""))
        if not asked or time.monotonic() - asked > _LOGS_GOOD_FOR:
            path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
            found = self.api.read(path, container=labels.CONTAINER)
            self._logs = {key: (time.monotonic(), found)}
        return found

    def workloads(self, namespace: str) -> dict[str, Json]:
        """Return Kueue's Workloads by the uid of their Job, one request for all jobs."""
        asked, found = self._workloads.get(namespace, (0.0, {}))
        if not asked or time.monotonic() - asked > 1.0:
            items = self.api.get(f"{queues.KUEUE}/namespaces/{namespace}/workloads")["items"]
            found = {
                item["metadata"].get("labels", {}).get(queues.KUEUE_JOB_UID, ""): item
                for item in items
            }
            self._workloads[namespace] = (time.monotonic(), found)
        return found

    def may_pause_workloads(self, namespace: str) -> bool:
        """Whether a job under Kueue can be paused without deleting it."""
        try:
            return not self.rights.missing(namespace, WORKLOADS)
        except BackendError:
            return False
