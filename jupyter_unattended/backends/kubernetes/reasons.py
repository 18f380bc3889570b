"""What Kubernetes says about a job, in the words of the person who submitted it."""

from __future__ import annotations

from collections.abc import Sequence

from ...jobs.states import State
from ..base import Observation
from . import labels, pending
from .client import Json
from .manifest import KILLED, STOPPED
from .status import condition, container_status, is_gone, moment, terminated

_OUT_OF_MEMORY = "out of memory (OOMKilled)"
#: Reasons of the condition DisruptionTarget.
_DISRUPTIONS = {
    "PreemptionByScheduler": "preempted by a job of higher priority",
    "EvictionByEvictionAPI": "evicted from its node",
    "DeletionByTaintManager": "its node was tainted or lost",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node was short of memory, disk or was shut down",
}


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
    reason = pending.warning(events, job["status"].get("startTime") or "")
    return Observation(State.QUEUED, reason, since=moment(since))


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
    state = container_status(pod).get("state", {})
    if pod["metadata"].get("deletionTimestamp"):
        why = disruption(pod) or "its pod was deleted"
        return Observation(State.PREEMPTED, f"{why}; it is stopping, within its grace period")
    if "running" in state:
        return Observation(State.RUNNING, since=moment(state["running"].get("startedAt")))
    if "terminated" in state:
        return Observation(State.RUNNING, "ending")
    bound = condition(pod, "PodScheduled")
    if bound is None:
        again = f"; before: {_how_it_ended(pods[-2])}" if len(pods) > 1 else ""
        reason = (pending.unscheduled(pod) + again).lstrip("; ")
        return Observation(State.QUEUED, reason, moment(pod["metadata"]["creationTimestamp"]))
    since = bound.get("lastTransitionTime") or ""
    cloning = "running" in _cloning(pod)
    reason = "cloning the repository" if cloning else pending.not_started(pod, events, since)
    return Observation(State.STARTING, reason, since=moment(since))


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
