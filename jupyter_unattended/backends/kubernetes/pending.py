"""Why a job does not start: what schedulers, kubelets and events say, in people's words."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from . import labels
from .client import Json
from .status import moment

#: Why a container waits that will not start by itself.
_WAITING = {
    "ErrImagePull": "the image {image} cannot be pulled: {message}",
    "ImagePullBackOff": "the image {image} cannot be pulled: {message}",
    "ErrImageNeverPull": "the image {image} is not on node {node}, and may not be pulled there",
    "InvalidImageName": "{image} is not a valid name of an image",
    "CreateContainerConfigError": "the container cannot be made: {message}",
    "CreateContainerError": "the container cannot be made: {message}",
    "RunContainerError": "the container cannot be started: {message}",
}
#: What the scheduler says that a node lacks, beside amounts: what to look for, and our words.
_LACKS = (
    ("didn't match Pod's node affinity/selector", "does not match the node selector"),
    ("were unschedulable", "is cordoned"),
    ("Too many pods", "has no room for one more pod"),
    ("volume node affinity conflict", "cannot reach the volume of a claim"),
    ("exceed max volume count", "cannot mount one more volume"),
    ("didn't find available persistent volumes", "has no volume for a claim"),
    (
        "ReadWriteOncePod",
        "a claim that one pod only can mount (ReadWriteOncePod) is held by another pod",
    ),
)
#: How KAI begins to count nodes by what each lacks.
_OF_KAI = "no nodes with enough resources were found: "
#: What a pod is refused for when it is created: what to look for, and our words.
_REFUSALS = (
    (r"exceeded quota: (\S+), requested: (.*), used: (.*), limited: (.*)",
     "the namespace's quota {0} is used up: asks for {1}, of {3} {2} is used"),
    (r"failed quota: (\S+): must specify (.*)",
     "the namespace's quota {0} wants the job to say {1}"),
    (r'violates PodSecurity "([^"]*)": (.*)',
     "the namespace does not allow such a pod (PodSecurity {0}): {1}"),
    (r"no PriorityClass with name (\S+) was found",
     "there is no PriorityClass {0!r}; check --priority-class"),
    (r'serviceaccounts? "([^"]+)" not found',
     "there is no service account {0!r} in this namespace; check --service-account"),
    (r'RuntimeClass "([^"]+)" not found',
     "there is no RuntimeClass {0!r}; check --runtime-class"),
    (r"forbidden: \[?((?:maximum|minimum) .*?)\]?$",
     "the namespace's limits forbid it: {0}"),
    (r'MountVolume.* : (secret|configmap) "([^"]+)" not found',
     "there is no {0} {1!r} in this namespace to mount"),
    (r"Multi-Attach error for volume",
     "a volume that one node only can mount (RWO) is still attached to another node"),
)  # fmt: skip
#: A pod that the scheduler has not spoken about for so long, in seconds, is not known to it.
_PATIENCE = 5.0
#: Length of a time stamp without fractions, which only some have.
_SECONDS = len("2026-01-01T10:00:00")
_GPU = re.compile(r"(^|[./-])gpu($|[./-])")


def unscheduled(pod: Json) -> str:
    """Say why no node has been chosen for a pod yet; empty where there is nothing to say."""
    conditions = pod.get("status", {}).get("conditions", [])
    scheduled: Json = next((c for c in conditions if c["type"] == "PodScheduled"), {})
    if scheduled.get("reason") == "SchedulingGated":
        gates = ", ".join(gate["name"] for gate in pod["spec"].get("schedulingGates", []))
        return f"held back until somebody opens the gate {gates}"
    if scheduled:
        return unschedulable(scheduled.get("message", ""), pod)
    created = moment(pod["metadata"]["creationTimestamp"])
    if created is None or time.time() - created < _PATIENCE:
        return ""
    return f"the scheduler {pod['spec'].get('schedulerName', '?')} has not looked at it yet"


def unschedulable(message: str, pod: Json) -> str:
    """Return the scheduler's reason in words; its own sentence where we know no better ones.

    The scheduler counts nodes by what each lacks: ``0/3 nodes are available: 1 Insufficient
    nvidia.com/gpu, 2 node(s) had untolerated taint {…}. preemption: …``.
    """
    if not message:
        return ""
    claim = re.search(r'persistentvolumeclaim "([^"]+)" not found', message)
    if claim:
        return f"there is no claim {claim[1]!r} in this namespace; check --volume"
    if "unbound immediate PersistentVolumeClaims" in message:
        return "a claim is not bound to a volume yet"
    queue = re.search(r"Queue '([^']+)' does not exist", message)
    if queue:
        return f"there is no queue {queue[1]!r}"
    if _OF_KAI in message:
        parts = re.split(r"\.\s+(?=\d+ )", message.partition(_OF_KAI)[2].rstrip(". "))
        return f"no node is free for it ({', '.join(_lack(part, pod) for part in parts)})"
    whole = re.match(r"\d+/(\d+) nodes are available: (.*?)(?:\.\s|\.$|$)", message)
    if whole is None:
        return message.partition(". preemption:")[0].rstrip(".")
    parts = [part.strip() for part in re.split(r",\s+(?=\d+ )", whole[2])]
    if len(parts) == 1 and (short := re.fullmatch(r"\d+ Insufficient (\S+)", parts[0])):
        return f"no node has {_amount(pod, short[1])} free"
    nodes = "the only node" if whole[1] == "1" else f"{whole[1]} nodes"
    return f"no node is free for it ({nodes}: {', '.join(_lack(part, pod) for part in parts)})"


def _lack(part: str, pod: Json) -> str:
    counted = re.match(r"(\d+) (.*)", part)
    if counted is None:
        return part
    number, what = counted[1], counted[2]
    short = re.match(r"Insufficient (\S+)", what)
    lacking = re.match(r"node\(s\) didn't have enough resources: (.*)", what)
    if short:
        what = f"does not have {_amount(pod, short[1])} free"
    elif lacking:
        what = f"does not have enough {lacking[1]} free"
    elif "untolerated taint" in what:
        taint = re.search(r"\{.*\}", what)  # newer versions do not say which
        what = "has a taint that is not tolerated" + (f": {taint[0]}" if taint else "")
    else:
        what = next((words for said, words in _LACKS if said in what), what)
    return f"{what} on {number}" if number != "1" else what


def _amount(pod: Json, resource: str) -> str:
    """Say how much of a resource a job asks for: ``2 GPUs (nvidia.com/gpu)``, ``1Gi of memory``."""
    wanted = _wanted(pod, resource)
    if not wanted:
        return f"enough {resource}"
    if resource == "memory":
        return f"{wanted} of memory"
    if resource == "cpu" and (cores := re.fullmatch(r"([\d.]+)(m?)", wanted)):
        number = float(cores[1]) / (1000 if cores[2] else 1)
        return f"{number:g} CPU core{'' if number == 1 else 's'}"
    if _GPU.search(resource):
        return f"{wanted} GPU{'' if wanted == '1' else 's'} ({resource})"
    return f"{wanted} {resource}"


def _wanted(pod: Json, resource: str) -> str:
    """Return how much of a resource the job asks for; empty if that is not known."""
    for container in pod["spec"]["containers"]:
        resources = container.get("resources", {})
        for amounts in (resources.get("requests", {}), resources.get("limits", {})):
            if container["name"] == labels.CONTAINER and resource in amounts:
                return str(amounts[resource])
    return ""


def not_started(pod: Json, events: Sequence[Json], since: str) -> str:
    """Say why a container of a pod that has had a node since `since` does not run yet."""
    status = pod.get("status", {})
    for entry in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = entry.get("state", {}).get("waiting", {})
        words = _WAITING.get(waiting.get("reason", ""))
        if words is not None:
            return words.format(
                image=entry.get("image") or _image(pod, entry["name"]),
                message=_plain_pull(waiting.get("message", "")) or waiting["reason"],
                node=pod["spec"].get("nodeName", "?"),
            )
    return warning(events, since)


def _image(pod: Json, container: str) -> str:
    for entry in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
        if entry["name"] == container:
            return str(entry["image"])
    return "?"


def _plain_pull(message: str) -> str:
    """Return a registry's message without the kubelet's and containerd's own words around it."""
    message = re.sub(r'^Back-off pulling image "[^"]*": ?', "", message)
    message = re.sub(r"^ErrImagePull: ", "", message)
    message = re.sub(r"rpc error: code = \w+ desc = ", "", message)
    return re.sub(r'failed to pull and unpack image "[^"]*": ', "", message)


def warning(events: Sequence[Json], since: str = "") -> str:
    """Return the newest warning in words; empty if there is none.

    Parameters
    ----------
    events
        Events about a Job and its newest pod.
    since
        A time stamp of the API: what was said before is over, such as why there was no node.
    """
    warnings = [event for event in events if event.get("type") == "Warning"]
    newest = max(warnings, key=_when, default=None)
    if newest is None or _when(newest) < since[:_SECONDS]:
        return ""
    message = str(newest.get("message", ""))
    for pattern, words in _REFUSALS:
        found = re.search(pattern, message)
        if found:
            return words.format(*found.groups())
    refused = re.match(r'Error creating: (?:pods "[^"]*" is forbidden: )?(.*)', message, re.DOTALL)
    return f"the cluster does not take its pod: {refused[1]}" if refused else message


def _when(event: Json) -> str:
    """Return when an event was last seen, to the second; its newer form says so elsewhere."""
    series = event.get("series") or {}
    seen = event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime")
    return str(seen or event.get("metadata", {}).get("creationTimestamp", ""))[:_SECONDS]
