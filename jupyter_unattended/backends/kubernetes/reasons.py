"""What Kubernetes says about a job, in the words of the person who submitted it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import datetime

from ...jobs.states import State
from ..base import Observation
from . import labels
from .client import Json
from .manifest import KILLED, STOPPED

_OUT_OF_MEMORY = "out of memory (OOMKilled)"
#: Why a container waits that will not start by itself, and what to do.
_WAITING = {
    "ErrImagePull": "the image {image} cannot be pulled: {message}",
    "ImagePullBackOff": "the image {image} cannot be pulled: {message}",
    "ErrImageNeverPull": "the image {image} is not on node {node}, and may not be pulled there",
    "InvalidImageName": "{image} is not a valid name of an image",
    "CreateContainerConfigError": "the container cannot be made: {message}",
    "CreateContainerError": "the container cannot be made: {message}",
    "RunContainerError": "the container cannot be started: {message}",
}
#: Reasons of the condition DisruptionTarget.
_DISRUPTIONS = {
    "PreemptionByScheduler": "preempted by a job of higher priority",
    "EvictionByEvictionAPI": "evicted from its node",
    "DeletionByTaintManager": "its node was tainted or lost",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node was short of memory, disk or was shut down",
}


def moment(text: str | None) -> float | None:
    """Return a time stamp of the API as seconds since the epoch.

    The API cuts off fractions. What is returned is never before the true moment, nor after now, so
    that what was observed in between stays in order.
    """
    if not text:
        return None
    return min(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() + 1, time.time())


def condition(item: Json | None, kind: str) -> Json | None:
    """Return an object's condition of a kind if it is true."""
    for entry in (item or {}).get("status", {}).get("conditions", []):
        if entry["type"] == kind and entry["status"] == "True":
            found: Json = entry
            return found
    return None


def container_status(pod: Json) -> Json:
    """Return the status of the container that runs start.sh; empty before there is one."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == labels.CONTAINER:
            found: Json = status
            return found
    return {}


def terminated(pod: Json) -> Json:
    """Return how the container ended; empty while it has not."""
    found: Json = container_status(pod).get("state", {}).get("terminated") or {}
    return found


def has_started(pod: Json) -> bool:
    """Whether a pod's container runs or has run."""
    return bool({"running", "terminated"} & set(container_status(pod).get("state", {})))


def is_gone(pod: Json) -> bool:
    """Whether nothing of a pod runs any more."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def observe(job: Json, pods: Sequence[Json], events: Sequence[Json] = ()) -> Observation:
    """Return what a Job, its pods (oldest first) and events about it say together.

    Events are those about the Job and the newest pod, which tell what conditions do not: quota, and
    volumes that cannot be mounted.
    """
    ending = _ending(job, pods)
    if ending is not None:
        return ending
    alive = [pod for pod in pods if not is_gone(pod)]
    if job["spec"].get("suspend"):
        if alive:
            return Observation(State.PAUSING, "stopping, within its grace period")
        return Observation(State.PAUSED)
    if alive:
        return _alive(alive[-1], pods, events)
    if pods and not _was_resumed(job, pods[-1]):
        return _between(pods[-1])
    since = None if job["status"].get("conditions") else job["metadata"]["creationTimestamp"]
    return Observation(State.QUEUED, _latest(events), since=moment(since))


def _was_resumed(job: Json, pod: Json) -> bool:
    """Whether a pod ended because the Job was suspended, which is over."""
    for entry in job.get("status", {}).get("conditions", []):
        if entry["type"] == "Suspended":
            changed = str(entry["lastTransitionTime"])
            return bool(entry["status"] == "True" or changed > pod["metadata"]["creationTimestamp"])
    return False


def _ending(job: Json, pods: Sequence[Json]) -> Observation | None:
    done = condition(job, "Complete")
    if done is not None:
        return Observation(State.SUCCEEDED, since=moment(done["lastTransitionTime"]), exit_code=0)
    failed = condition(job, "Failed") or condition(job, "FailureTarget")
    if failed is None:
        return None
    last = pods[-1] if pods else None
    code = terminated(last).get("exitCode") if last is not None else None
    since = moment(failed["lastTransitionTime"])
    return Observation(State.FAILED, _why_failed(job, failed, last), since=since, exit_code=code)


def _why_failed(job: Json, failed: Json, pod: Json | None) -> str:
    reason = failed.get("reason")
    if pod is not None and (problem := _why_not_cloned(pod)):
        return problem
    if pod is not None and terminated(pod).get("reason") == "OOMKilled":
        return out_of_memory(pod)
    if reason == "DeadlineExceeded":
        return "stopped because it was over its time limit"
    if reason == "BackoffLimitExceeded":
        restarts = job["spec"].get("backoffLimit", 0)
        what = f": {_how_it_ended(pod)}" if pod is not None else ""
        return f"given up after {restarts} restart{'' if restarts == 1 else 's'}{what}"
    if reason == "PodFailurePolicy":
        return ""  # its own exit code: the job directory tells more than Kubernetes
    return str(failed.get("message") or reason or "")


def _why_not_cloned(pod: Json) -> str:
    """Say why the repository could not be cloned; empty if it could."""
    end = _cloning(pod).get("terminated", {})
    if not end.get("exitCode"):
        return ""
    last = (str(end.get("message", "")).strip().splitlines() or [f"exit code {end['exitCode']}"])[
        -1
    ]
    return f"the repository could not be cloned: {last}"


def _cloning(pod: Json) -> Json:
    """Return the state of the container that clones a repository; empty if there is none."""
    for status in pod.get("status", {}).get("initContainerStatuses", []):
        if status["name"] == labels.CLONE:
            found: Json = status.get("state", {})
            return found
    return {}


def _alive(pod: Json, pods: Sequence[Json], events: Sequence[Json]) -> Observation:
    """Return what a pod that has not ended says."""
    status = pod.get("status", {})
    state = container_status(pod).get("state", {})
    if pod["metadata"].get("deletionTimestamp"):
        why = disruption(pod) or "its pod was deleted"
        return Observation(State.PREEMPTED, f"{why}; it is stopping, within its grace period")
    if "running" in state:
        return Observation(State.RUNNING, since=moment(state["running"].get("startedAt")))
    if "terminated" in state:
        return Observation(State.RUNNING, "ending")
    scheduled: Json = next(
        (c for c in status.get("conditions", []) if c["type"] == "PodScheduled"), {}
    )
    again = f"; before: {_how_it_ended(pods[-2])}" if len(pods) > 1 else ""
    if scheduled.get("status") != "True":
        since = moment(pod["metadata"]["creationTimestamp"])
        reason = unschedulable(scheduled.get("message", ""), pod) + again
        return Observation(State.QUEUED, reason.lstrip("; "), since=since)
    since = moment(scheduled.get("lastTransitionTime"))
    return Observation(State.STARTING, _why_not_started(pod, events), since=since)


def _why_not_started(pod: Json, events: Sequence[Json]) -> str:
    status = pod.get("status", {})
    if "running" in _cloning(pod):
        return "cloning the repository"
    for entry in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = entry.get("state", {}).get("waiting", {})
        words = _WAITING.get(waiting.get("reason", ""))
        if words is not None:
            return words.format(
                image=entry.get("image") or _image(pod, entry["name"]),
                message=_plain_pull(waiting.get("message", "")) or waiting["reason"],
                node=pod["spec"].get("nodeName", "?"),
            )
    return _latest(events)


def _image(pod: Json, container: str) -> str:
    for entry in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
        if entry["name"] == container:
            return str(entry["image"])
    return "?"


def _between(pod: Json) -> Observation:
    """Return what the last pod of a Job says, of which the Job has not drawn its conclusion yet."""
    if not disruption(pod) and terminated(pod).get("exitCode") not in (None, STOPPED, KILLED):
        return Observation(State.RUNNING, "ending")
    return Observation(State.PREEMPTED, f"{_how_it_ended(pod)}; Kubernetes will start it again")


def _how_it_ended(pod: Json) -> str:
    end = terminated(pod)
    code = end.get("exitCode")
    if end.get("reason") == "OOMKilled":
        return out_of_memory(pod)
    disrupted = disruption(pod)
    if disrupted:
        return disrupted
    if code == STOPPED:
        return "it was stopped from outside and saved its state (exit code 75)"
    if code == KILLED:
        return "its pod was killed after the grace period (exit code 137)"
    message = pod.get("status", {}).get("message")
    return str(message) if message else f"its pod ended (exit code {code})"


def disruption(pod: Json) -> str:
    """Return why Kubernetes ended a pod early; empty if it did not say so."""
    target = condition(pod, "DisruptionTarget")
    if target is None:
        return ""
    reason = str(target.get("reason", ""))
    return _DISRUPTIONS.get(reason) or str(target.get("message") or reason)


def out_of_memory(pod: Json) -> str:
    """Say that a container ran out of memory, and what its limit was."""
    limit = None
    for container in pod["spec"]["containers"]:
        if container["name"] == labels.CONTAINER:
            limit = container.get("resources", {}).get("limits", {}).get("memory")
    if limit is None:
        return f"{_OUT_OF_MEMORY}: the node had none left, and the job has no limit"
    return f"{_OUT_OF_MEMORY}: its limit is {limit}; ask for more"


def is_out_of_memory(reason: str) -> bool:
    """Whether a reason is that of `out_of_memory`."""
    return reason.startswith(_OUT_OF_MEMORY)


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
    whole = re.match(r"\d+/(\d+) nodes are available: (.*?)(?:\.\s|\.$|$)", message)
    if whole is None:
        return message.partition(". preemption:")[0].rstrip(".")
    parts = [_lack(part.strip(), pod) for part in re.split(r",\s+(?=\d+ )", whole[2])]
    nodes = "the only node" if whole[1] == "1" else f"{whole[1]} nodes"
    return f"no node is free for it ({nodes}: {', '.join(parts)})"


def _lack(part: str, pod: Json) -> str:
    counted = re.match(r"(\d+) (.*)", part)
    if counted is None:
        return part
    number, what = counted[1], counted[2]
    short = re.match(r"Insufficient (\S+)", what)
    if short:
        wanted = _wanted(pod, short[1])
        what = f"fewer than {wanted} {short[1]} free" if wanted else f"not enough {short[1]}"
    elif "untolerated taint" in what:
        taint = re.search(r"\{.*\}", what)  # newer versions do not say which
        what = "has a taint that is not tolerated" + (f": {taint[0]}" if taint else "")
    elif "didn't match Pod's node affinity/selector" in what:
        what = "does not match the node selector"
    elif "were unschedulable" in what:
        what = "is cordoned"
    return f"{what} on {number}" if number != "1" else what


def _wanted(pod: Json, resource: str) -> str:
    """Return how much of a resource the job asks for."""
    for container in pod["spec"]["containers"]:
        resources = container.get("resources", {})
        for amounts in (resources.get("requests", {}), resources.get("limits", {})):
            if resource in amounts:
                return str(amounts[resource])
    return ""


def _latest(events: Sequence[Json]) -> str:
    """Return the newest warning in words; empty if there is none."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    if not warnings:
        return ""
    newest = max(
        warnings, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or ""
    )
    message = str(newest.get("message", ""))
    quota = re.search(r"exceeded quota: (\S+), requested: (.*), used: (.*), limited: (.*)", message)
    if quota:
        return (
            f"the namespace's quota {quota[1]} is used up: asks for {quota[2]}, of {quota[4]} "
            f"{quota[3]} is used"
        )
    must = re.search(r"failed quota: (\S+): must specify (.*)", message)
    if must:
        return f"the namespace's quota {must[1]} wants the job to say {must[2]}"
    return message


def _plain_pull(message: str) -> str:
    """Return a registry's message without the kubelet's and containerd's own words around it."""
    message = re.sub(r'^Back-off pulling image "[^"]*": ?', "", message)
    message = re.sub(r"^ErrImagePull: ", "", message)
    message = re.sub(r"rpc error: code = \w+ desc = ", "", message)
    return re.sub(r'failed to pull and unpack image "[^"]*": ', "", message)
