"""The pod that this server runs in: finding it, and what of it a job's pod should have too."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import BackendUnavailableError
from .client import Api, ApiError, Json

#: Literal variables that are taken along. Everything else stays behind: hubs inject their secrets
#: as literals, and nobody can tell those from settings.
_ALLOWED_VARIABLES = re.compile(
    r"LANG|LANGUAGE|LC_[A-Z]+|TZ|HOME|PATH|LD_LIBRARY_PATH|PYTHONPATH|CONDA_DIR|CONDA_PREFIX"
    r"|XDG_CACHE_HOME|HF_HOME|HF_HUB_CACHE|TORCH_HOME|MPLBACKEND|JULIA_DEPOT_PATH|R_LIBS_USER"
    r"|(OMP|MKL|OPENBLAS|NUMEXPR)_[A-Z_]+|(CUDA|NVIDIA|NCCL)_[A-Z_]+"
)
#: Never taken along, not even as references.
_FORBIDDEN_VARIABLES = re.compile(r"JUPYTERHUB_.*|JPY_.*|NB_PREFIX|MEM_.*|CPU_.*|KUBERNETES_.*")
#: Containers that run a notebook server, as the hubs call them.
_CONTAINERS = ("notebook", "jupyter", "main")
#: What a volume may be made of and still be the same in another pod.
_SHARED = ("persistentVolumeClaim", "hostPath", "nfs", "cephfs", "csi", "azureFile", "glusterfs")


@dataclass(frozen=True)
class Mount:
    """One mount of a container, as its volumeMount, with the volume it is of."""

    mount: Json
    volume: Json

    @property
    def path(self) -> PurePosixPath:
        """Where it is mounted."""
        return PurePosixPath(self.mount["mountPath"])

    @property
    def claim(self) -> str | None:
        """Name of the claim, if it is one."""
        claim = self.volume.get("persistentVolumeClaim")
        return None if claim is None else str(claim["claimName"])

    @property
    def is_shared(self) -> bool:
        """Whether another pod sees the same files in it."""
        return any(kind in self.volume for kind in _SHARED)


@dataclass(frozen=True)
class Twin:
    """What a job's pod takes from the pod that submits it; empty outside a cluster."""

    namespace: str | None = None
    image: str | None = None
    image_pull_policy: str | None = None
    mounts: tuple[Mount, ...] = ()
    environment: tuple[Json, ...] = ()
    environment_from: tuple[Json, ...] = ()
    resources: Json = field(default_factory=dict)
    container_security: Json | None = None
    pod: Json = field(default_factory=dict)
    node: str | None = None


#: What is copied of a pod's spec as it is.
_POD_FIELDS = (
    "affinity",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "imagePullSecrets",
    "nodeSelector",
    "runtimeClassName",
    "securityContext",
    "tolerations",
)


def find(api: Api, environ: Mapping[str, str] = os.environ) -> Json:
    """Return the pod that this process runs in.

    Raises
    ------
    BackendUnavailableError
        If it cannot be found or read; the text says what to give instead.
    """
    api.connect()
    candidates = [environ.get("POD_NAME"), environ.get("MY_POD_NAME"), environ.get("HOSTNAME")]
    refused: ApiError | None = None
    for name in dict.fromkeys([*candidates, socket.gethostname()]):
        if not name or not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name):
            continue
        try:
            pod = api.get(f"/api/v1/namespaces/{api.namespace}/pods/{name}")
        except ApiError as error:
            if error.status == 403:
                refused = error
            elif error.status != 404:
                raise
        else:
            if _is_ours(pod):
                return pod
    uid = own_uid()
    if uid is not None:
        with contextlib.suppress(ApiError):
            for pod in api.get(f"/api/v1/namespaces/{api.namespace}/pods")["items"]:
                if pod["metadata"]["uid"] == uid:
                    found: Json = pod
                    return found
    if refused is not None:
        raise BackendUnavailableError(
            f"This server may not read its own pod in namespace {api.namespace}, so image and "
            "volumes cannot be taken from it: give --image and --volume, or ask your "
            "administrator for the right to `get pods`."
        )
    raise BackendUnavailableError(
        f"The pod of this server was not found in namespace {api.namespace} (its host name is not "
        "its pod's name): set POD_NAME from the downward API, or give --image and --volume."
    )


def own_uid(mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the uid of the pod that this process runs in, if the kubelet's mounts tell it.

    A kubelet mounts files of its own into every container (/etc/hosts, the termination log) from a
    directory named after the pod's uid.
    """
    try:
        text = mounts.read_text()
    except OSError:
        return None
    found = re.search(r"/pods/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/", text)
    return found[1] if found else None


def _is_ours(pod: Json) -> bool:
    """Whether a pod of the right name is the one we are in."""
    uid = own_uid()
    if uid is not None:
        return bool(pod["metadata"]["uid"] == uid)
    return bool(pod.get("status", {}).get("phase") == "Running")


def twin(pod: Json, environ: Mapping[str, str] = os.environ) -> Twin:
    """Return what of `pod` a job's pod should have too."""
    spec = pod["spec"]
    container = _container(pod)
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    mounts = [
        Mount(_plain_mount(mount, environ), volumes[mount["name"]])
        for mount in container.get("volumeMounts", [])
        if mount["name"] in volumes and not _is_token(volumes[mount["name"]])
    ]
    kept = {name: spec[name] for name in _POD_FIELDS if spec.get(name)}
    kept["tolerations"] = [
        toleration
        for toleration in spec.get("tolerations", [])
        # Kubernetes adds these to every pod by itself.
        if not str(toleration.get("key", "")).startswith("node.kubernetes.io/")
    ]
    return Twin(
        namespace=pod["metadata"]["namespace"],
        image=_image(pod, container),
        image_pull_policy=container.get("imagePullPolicy"),
        mounts=tuple(mounts),
        environment=tuple(entry for entry in container.get("env", []) if _may_travel(entry)),
        environment_from=tuple(container.get("envFrom", [])),
        resources=container.get("resources", {}),
        container_security=container.get("securityContext"),
        pod={name: value for name, value in kept.items() if value},
        node=spec.get("nodeName"),
    )


def _container(pod: Json) -> Json:
    """Return the container that this server runs in, not a sidecar."""
    containers: list[Json] = pod["spec"]["containers"]
    annotation = pod["metadata"].get("annotations", {})
    wanted = [annotation.get("kubectl.kubernetes.io/default-container"), *_CONTAINERS]
    labels = pod["metadata"].get("labels", {})
    wanted.insert(1, labels.get("notebook-name"))
    for name in wanted:
        for container in containers:
            if name is not None and container["name"] == name:
                return container
    return containers[0]


def _image(pod: Json, container: Json) -> str:
    """Return the image, by digest where the node says which one it runs."""
    image = str(container["image"])
    for status in pod.get("status", {}).get("containerStatuses", []):
        running = str(status.get("imageID", "")).removeprefix("docker-pullable://")
        if status["name"] == container["name"] and re.fullmatch(r".+@sha256:[0-9a-f]{64}", running):
            return running
    return image


def _is_token(volume: Json) -> bool:
    """Whether a volume holds credentials that Kubernetes or the hub made for this pod."""
    name = str(volume["name"])
    sources = volume.get("projected", {}).get("sources", [])
    return name.startswith(("kube-api-access-", "jupyterhub-internal")) or any(
        "serviceAccountToken" in source for source in sources
    )


def _plain_mount(mount: Json, environ: Mapping[str, str]) -> Json:
    """Return a mount with its subPathExpr resolved as it was for this container."""
    plain = {key: value for key, value in mount.items() if key != "subPathExpr"}
    expression = mount.get("subPathExpr")
    if expression:
        plain["subPath"] = re.sub(
            r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", lambda found: environ.get(found[1], ""), expression
        )
    return plain


def _may_travel(entry: Json) -> bool:
    if _FORBIDDEN_VARIABLES.fullmatch(entry["name"]):
        return False
    if "valueFrom" in entry:
        # References are resolved anew; what describes this very pod would be wrong there.
        return bool({"secretKeyRef", "configMapKeyRef"} & set(entry["valueFrom"]))
    return _ALLOWED_VARIABLES.fullmatch(entry["name"]) is not None


def covering(mounts: tuple[Mount, ...], path: Path) -> Mount | None:
    """Return the mount that `path` lies in: the one mounted deepest."""
    found = [mount for mount in mounts if path.is_relative_to(mount.path)]
    return max(found, key=lambda mount: len(mount.path.parts), default=None)


def gpu_resource(resources: Any) -> str | None:
    """Return the name of the GPU resource that a container asks for, if it asks for one."""
    for amounts in (resources.get("limits", {}), resources.get("requests", {})):
        for name in amounts:
            if "gpu" in name.rpartition("/")[2]:
                return str(name)
    return None
