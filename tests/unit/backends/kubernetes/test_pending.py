"""Sentences of Kubernetes 1.36 and KAI 0.13 as they were seen, and older ones."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_unattended.backends.kubernetes.pending import unschedulable, unscheduled, warning
from jupyter_unattended.backends.kubernetes.reasons import observe
from jupyter_unattended.jobs.states import State

from .test_reasons import EARLY, LATE, job, pod

HOPELESS = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def asking(amounts: dict[str, str]) -> dict[str, Any]:
    found = pod("Pending")
    found["spec"]["containers"][0]["resources"] = {"requests": amounts}
    return found


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) had untolerated "
            "taint {gpu: }. preemption: 0/3 nodes are available: 3 Preemption is not helpful.",
            "no node is free for it (3 nodes: does not have 2 GPUs (nvidia.com/gpu) free, has a "
            "taint that is not tolerated: {gpu: } on 2)",
        ),
        (
            f"0/1 nodes are available: 1 Insufficient nvidia.com/gpu. {HOPELESS}",
            "no node has 2 GPUs (nvidia.com/gpu) free",
        ),
        (
            "0/4 nodes are available: 4 Insufficient memory.",
            "no node has 16Gi of memory free",
        ),
        ("0/4 nodes are available: 4 Insufficient cpu.", "no node has 2.5 CPU cores free"),
        (
            "0/4 nodes are available: 4 Insufficient x.org/fpga.",
            "no node has enough x.org/fpga free",
        ),
        (
            "0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate, "
            "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
            "no node is free for it (the only node: is cordoned)",
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
            "no node is free for it (2 nodes: does not match the node selector on 2)",
        ),
        (
            "0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same "
            "name and ReadWriteOncePod access mode. preemption: …",
            "no node is free for it (the only node: a claim that one pod only can mount "
            "(ReadWriteOncePod) is held by another pod)",
        ),
        (
            '0/1 nodes are available: persistentvolumeclaim "x" not found. preemption: …',
            "there is no claim 'x' in this namespace; check --volume",
        ),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. …",
            "a claim is not bound to a volume yet",
        ),
        ("QueueDoesNotExist: Queue 'x' does not exist.", "there is no queue 'x'"),
        (
            "no nodes with enough resources were found: 1 node(s) didn't have enough resources: "
            "GPUs.",
            "no node is free for it (does not have enough GPUs free)",
        ),
        (
            "no nodes with enough resources were found: 2 node(s) had untolerated taint(s). \n"
            "5 node(s) didn't have enough resources: GPUs.",
            "no node is free for it (has a taint that is not tolerated on 2, does not have enough "
            "GPUs free on 5)",
        ),
        ("something new", "something new"),
        ("", ""),
    ],
)
def test_why_no_node_is_found(message: str, expected: str) -> None:
    wanted = asking({"nvidia.com/gpu": "2", "memory": "16Gi", "cpu": "2500m"})
    assert unschedulable(message, wanted) == expected


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ({"nvidia.com/gpu": "1"}, "1 GPU (nvidia.com/gpu)"),
        ({"gpu.intel.com/i915": "2"}, "2 GPUs (gpu.intel.com/i915)"),
        ({"nvidia.com/mig-1g.5gb": "3"}, "3 nvidia.com/mig-1g.5gb"),
        ({"cpu": "1"}, "1 CPU core"),
        ({"cpu": "1k"}, "1k cpu"),
    ],
)
def test_amounts_in_peoples_words(amount: dict[str, str], expected: str) -> None:
    (resource,) = asking(amount)["spec"]["containers"][0]["resources"]["requests"]
    message = f"0/2 nodes are available: 2 Insufficient {resource}."
    assert unschedulable(message, asking(amount)) == f"no node has {expected} free"


def test_a_scheduler_that_says_nothing_is_named() -> None:
    waiting = pod("Pending")
    waiting["spec"]["schedulerName"] = "kai-scheduler"
    assert unscheduled(waiting) == "the scheduler kai-scheduler has not looked at it yet"
    waiting["metadata"]["creationTimestamp"] = "2999-01-01T00:00:00Z"
    assert unscheduled(waiting) == ""


def test_a_gate_that_holds_a_pod_back_is_named() -> None:
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "…"}
    waiting = pod("Pending", conditions=[gated])
    waiting["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    assert unscheduled(waiting) == (
        "held back until somebody opens the gate kueue.x-k8s.io/admission"
    )


CREATING = 'Error creating: pods "j-x" is forbidden: '


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            CREATING + "failed quota: small: must specify limits.memory for: job",
            "the namespace's quota small wants the job to say limits.memory for: job",
        ),
        (
            CREATING
            + 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
            "the namespace does not allow such a pod (PodSecurity restricted:latest): "
            "allowPrivilegeEscalation != false",
        ),
        (
            CREATING + "no PriorityClass with name fast was found",
            "there is no PriorityClass 'fast'; check --priority-class",
        ),
        (
            CREATING + 'error looking up service account ns/x: serviceaccount "x" not found',
            "there is no service account 'x' in this namespace; check --service-account",
        ),
        (
            CREATING + 'pod rejected: RuntimeClass "kata" not found',
            "there is no RuntimeClass 'kata'; check --runtime-class",
        ),
        (
            CREATING + "[maximum memory usage per Container is 1Gi, but limit is 2Gi, maximum cpu "
            "usage per Container is 1, but no limit is specified]",
            "the namespace's limits forbid it: maximum memory usage per Container is 1Gi, but "
            "limit is 2Gi, maximum cpu usage per Container is 1, but no limit is specified",
        ),
        (
            'MountVolume.SetUp failed for volume "secret-team" : secret "team" not found',
            "there is no secret 'team' in this namespace to mount",
        ),
        (
            'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) other',
            "a volume that one node only can mount (RWO) is still attached to another node",
        ),
        (
            'Error creating: admission webhook "w" denied the request: no notebooks at night',
            'the cluster does not take its pod: admission webhook "w" denied the request: no '
            "notebooks at night",
        ),
        ("something new", "something new"),
    ],
)
def test_warnings_in_peoples_words(message: str, expected: str) -> None:
    assert warning([{"type": "Warning", "lastTimestamp": EARLY, "message": message}]) == expected


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ({"reason": "ContainerCreating"}, ""),
        (
            {
                "reason": "CreateContainerConfigError",
                "message": "couldn't find key k in Secret n/s",
            },
            "the container cannot be made: couldn't find key k in Secret n/s",
        ),
        ({"reason": "InvalidImageName"}, "i:1 is not a valid name of an image"),
    ],
)
def test_a_container_that_waits(waiting: dict[str, str], expected: str) -> None:
    bound = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": EARLY}]
    seen = observe(job(), [pod("Pending", {"waiting": waiting}, conditions=bound)])
    assert (seen.state, seen.reason) == (State.STARTING, expected)


def test_what_was_said_before_there_was_a_node_is_over() -> None:
    bound = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": LATE}]
    creating = pod("Pending", {"waiting": {"reason": "ContainerCreating"}}, conditions=bound)
    early = {"type": "Warning", "eventTime": "2026-01-01T10:30:00.123456Z", "message": "no node"}
    assert observe(job(), [creating], [early]).reason == ""
    late = {**early, "series": {"lastObservedTime": "2026-01-01T11:00:00.123456Z"}}
    assert observe(job(), [creating], [early, late]).reason == "no node"


def test_what_was_said_before_a_job_was_resumed_is_over() -> None:
    refused = {"type": "Warning", "lastTimestamp": EARLY, "message": "exceeded"}
    assert observe(job(startTime=EARLY), [], [refused]).reason == "exceeded"
    assert observe(job(startTime=LATE), [], [refused]).reason == ""
