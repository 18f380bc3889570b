"""The Job: this server's pod without the server in it, with start.sh as its command."""

from __future__ import annotations

import getpass
import math
import os
import secrets as random
from dataclasses import dataclass, field

from ...errors import SpecError
from ...spec import JobSpec
from ..base import Bundle
from . import labels, mounts
from .client import Json
from .merge import merge
from .options import KubernetesOptions, parse_toleration
from .pod import Twin, gpu_resource
from .queues import Queue

#: start.sh's exit code for "stopped from outside before the end: run me again".
STOPPED = 75
#: What the container runtime reports of a container that it killed.
KILLED = 137
#: What start.sh leaves with here when the notebook's process alone was killed (out of memory):
#: 137 would look like a container that was killed from outside, and be tried again.
PROCESS_KILLED = 1


@dataclass(frozen=True)
class Place:
    """Where and as what a job will run: everything that a Job says about its cluster.

    Parameters
    ----------
    namespace
        Its namespace; None for whatever the one who applies it is in.
    twin
        What to take from this server's pod.
    queue
        The queue to wait in.
    pin
        Name of the node that the job must run on, because a volume is there.
    """

    namespace: str | None = None
    twin: Twin = field(default_factory=Twin)
    queue: Queue | None = None
    pin: str | None = None


def build(
    bundle: Bundle, options: KubernetesOptions, place: Place, name: str | None = None
) -> Json:
    """Return the Job, with the patch that the options have.

    Parameters
    ----------
    bundle
        The job; its directory need not exist.
    options
        The backend's options.
    place
        Where it will run.
    name
        Its name. Default: the job's id.

    Raises
    ------
    SpecError
        If there is no image, or the job would not see its workspace.
    """
    job = compose(bundle, options, place, name or labels.name(bundle.job_id))
    merged: Json = merge(job, options.patch_object())
    return merged


def compose(bundle: Bundle, options: KubernetesOptions, place: Place, name: str) -> Json:
    """Return the Job without the options' patch; parameters as for `build`."""
    spec = bundle.spec
    queue = place.queue
    marks = {
        "app.kubernetes.io/managed-by": "jupyter-unattended",
        labels.JOB: labels.value(bundle.job_id),
        labels.USER: labels.value(user()),
    }
    job_labels = {**marks, **options.label, **(queue.job_labels(options) if queue else {})}
    pod_labels = {
        **marks,
        "sidecar.istio.io/inject": "false",
        **options.label,
        **(queue.pod_labels() if queue else {}),
    }
    job: Json = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": job_labels,
            "annotations": {
                labels.DIRECTORY: str(bundle.paths.root),
                labels.NONCE: random.token_hex(8),
                **options.annotation,
            },
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            # A failure that is not ignored and no user error counts: a pod that was deleted and did
            # not stop in its grace period.
            "backoffLimit": spec.max_restarts,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules(clones=options.git is not None)},
            "ttlSecondsAfterFinished": math.ceil(options.keep_for),
            "template": {
                "metadata": {
                    "labels": pod_labels,
                    "annotations": {"sidecar.istio.io/inject": "false", **options.annotation},
                },
                "spec": _pod(bundle, options, place, name),
            },
        },
    }
    if place.namespace:
        job["metadata"]["namespace"] = place.namespace
    return job


def _failure_rules(*, clones: bool) -> list[Json]:
    exit_codes = {"containerName": labels.CONTAINER}
    failed = {"operator": "NotIn", "values": [STOPPED, KILLED]}
    rules: list[Json] = [
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
        {"action": "Ignore", "onExitCodes": {**exit_codes, "operator": "In", "values": [STOPPED]}},
        {"action": "FailJob", "onExitCodes": {**exit_codes, **failed}},
    ]
    if clones:
        cloning = {"containerName": labels.CLONE, **failed}
        rules.append({"action": "FailJob", "onExitCodes": cloning})
    return rules


def _pod(bundle: Bundle, options: KubernetesOptions, place: Place, name: str) -> Json:
    spec, twin = bundle.spec, place.twin
    image = spec.image or twin.image
    if not image:
        raise SpecError("image: give the container image that the job runs in (--image)")
    mounted = mounts.all_mounts(bundle, options, twin)
    script = [str(bundle.paths.start_script), *spec.arguments]
    container: Json = {
        "name": labels.CONTAINER,
        "image": image,
        "command": ["bash", *(literal(word) for word in script)],
        "env": _environment(spec, options, twin, name),
        "resources": _resources(spec, options, twin),
        "volumeMounts": [mount.mount for mount in mounted],
    }
    policy = options.image_pull_policy or (None if spec.image else twin.image_pull_policy)
    if policy:
        container["imagePullPolicy"] = policy
    sources = [
        *twin.environment_from,
        *(
            {"secretRef": {"name": secret.name}}
            for secret in options.secrets()
            if secret.path is None and secret.key is None
        ),
    ]
    if sources:
        container["envFrom"] = sources
    if twin.container_security:
        container["securityContext"] = twin.container_security
    pod: Json = {
        **twin.pod,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": math.ceil(spec.grace_period),
        "automountServiceAccountToken": options.service_account is not None,
        "enableServiceLinks": False,
        "containers": [container],
        "volumes": list({mount.volume["name"]: mount.volume for mount in mounted}.values()),
    }
    _choose_nodes(pod, options, place)
    if options.git:
        pod["initContainers"] = [_clone(spec, options, container)]
    return pod


def _choose_nodes(pod: Json, options: KubernetesOptions, place: Place) -> None:
    """Say where the pod may run, and under whose name."""
    scheduler = options.scheduler or (place.queue.scheduler if place.queue else None)
    for key, value in (
        ("schedulerName", scheduler),
        ("priorityClassName", options.priority_class),
        ("runtimeClassName", options.runtime_class),
        ("serviceAccountName", options.service_account),
    ):
        if value:
            pod[key] = value
    if options.node_selector:
        pod["nodeSelector"] = {**pod.get("nodeSelector", {}), **options.node_selector}
    tolerations = [parse_toleration(text) for text in options.toleration]
    if tolerations:
        pod["tolerations"] = [*pod.get("tolerations", []), *tolerations]
    if options.image_pull_secret:
        names = [
            *pod.get("imagePullSecrets", []),
            *({"name": n} for n in options.image_pull_secret),
        ]
        pod["imagePullSecrets"] = names
    if place.pin:
        pod["affinity"] = _pinned(pod.get("affinity", {}), place.pin)


def _pinned(affinity: Json, node: str) -> Json:
    """Return `affinity` with every alternative narrowed to `node` (never nodeName: no queue)."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    on_node = affinity.get("nodeAffinity", {})
    required = on_node.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms") or [{}]
    pinned = [{**term, "matchFields": [*term.get("matchFields", []), field]} for term in terms]
    return {
        **affinity,
        "nodeAffinity": {
            **on_node,
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": pinned},
        },
    }


def _environment(spec: JobSpec, options: KubernetesOptions, twin: Twin, name: str) -> list[Json]:
    entries = {entry["name"]: entry for entry in twin.environment}
    for secret in options.secrets():
        if secret.variable is not None:
            entries[secret.variable] = _from_secret(secret.variable, secret.name, secret.key or "")
    literals = {
        "UNATTENDED_GRACE_PERIOD": f"{spec.grace_period:g}",
        "UNATTENDED_PROCESS_KILLED": str(PROCESS_KILLED),
        # Kubernetes counts no pod that it ignores, so a job that is always stopped had no end.
        "UNATTENDED_MAX_RESTARTS": str(spec.max_restarts),
        **spec.env,
    }
    if twin.image is None or spec.image not in (None, twin.image):
        # In another image, this server's interpreter is likely to be somewhere else.
        literals.setdefault("UNATTENDED_PYTHON", "python3")
    if spec.time_limit is not None:
        literals["UNATTENDED_TIME_LIMIT"] = f"{spec.time_limit:g}"
    for variable, value in literals.items():
        entries[variable] = {"name": variable, "value": literal(value)}
    for variable in spec.secret_env:
        entries[variable] = _from_secret(variable, name, variable)
    return list(entries.values())


def _from_secret(variable: str, secret: str, key: str) -> Json:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _resources(spec: JobSpec, options: KubernetesOptions, twin: Twin) -> Json:
    memory = mounts.quantity(spec.memory) if spec.memory else None
    if memory is None:
        for amounts in (twin.resources.get("limits", {}), twin.resources.get("requests", {})):
            memory = memory or amounts.get("memory")
    requests, limits = {"cpu": f"{spec.cpus:g}"}, {}
    if memory is not None:
        requests["memory"] = limits["memory"] = memory
    if spec.gpus:
        name = options.gpu_resource or gpu_resource(twin.resources) or "nvidia.com/gpu"
        limits[name] = str(spec.gpus)
    return {"requests": requests, **({"limits": limits} if limits else {})}


def _clone(spec: JobSpec, options: KubernetesOptions, job: Json) -> Json:
    """Return the init container that puts a commit of the repository where the workspace was.

    Parameters
    ----------
    spec, options
        What was asked for.
    job
        The container of the job: this one has the same image, user and amounts.
    """
    repository, _, commit = str(options.git).rpartition("@")
    script = (
        'set -e; cd "$1"; git init -q .; '
        'fetch() { git -c credential.helper="$helper" fetch -q --depth 1 "$1" "$2"; }; '
        'fetch "$2" "$3" || { sleep 3; fetch "$2" "$3"; }; '
        "git checkout -q --detach FETCH_HEAD"
    )
    helper = '!f() { echo "username=$GIT_USERNAME"; echo "password=$GIT_PASSWORD"; }; f'
    environment: list[Json] = [
        {"name": "helper", "value": literal(helper) if options.git_secret else ""},
        {"name": "GIT_TERMINAL_PROMPT", "value": "0"},
    ]
    if options.git_secret:
        environment += [
            _from_secret("GIT_USERNAME", options.git_secret, "username"),
            _from_secret("GIT_PASSWORD", options.git_secret, "password"),
        ]
    workspace = str(spec.workspace)
    amounts = {
        kind: {name: value for name, value in found.items() if name in ("cpu", "memory")}
        for kind, found in job["resources"].items()
    }
    same = ("image", "imagePullPolicy", "securityContext")
    return {
        "name": labels.CLONE,
        **{name: job[name] for name in same if name in job},
        "command": ["bash", "-c", literal(script), "clone"]
        + [literal(word) for word in (workspace, repository, commit)],
        "env": environment,
        "resources": {kind: found for kind, found in amounts.items() if found},
        "volumeMounts": [{"name": mounts.CLONE, "mountPath": workspace}],
        # So that the pod's status tells why git failed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def literal(text: str) -> str:
    """Keep Kubernetes from expanding ``$(NAME)`` in commands and variables."""
    return text.replace("$", "$$")


def user() -> str:
    """Return who submits: the hub's name of the user, else the system's."""
    named = os.environ.get("JUPYTERHUB_USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a pod's user often has no name
        return f"uid-{os.getuid()}"
