from __future__ import annotations

from typing import Any

import pytest

from jupyter_unattended.backends.kubernetes.reasons import observe
from jupyter_unattended.jobs.states import State

EARLY, LATE = "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"


def job(*conditions: tuple[str, str, str], suspend: bool = False, **status: Any) -> dict[str, Any]:
    """A Job with conditions (type, status, reason)."""
    found = [
        {"type": kind, "status": value, "reason": reason, "lastTransitionTime": LATE}
        for kind, value, reason in conditions
    ]
    return {
        "metadata": {"name": "j", "creationTimestamp": EARLY},
        "spec": {"suspend": suspend, "backoffLimit": 3},
        "status": {**({"conditions": found} if found else {}), **status},
    }


def pod(
    phase: str = "Running",
    state: dict[str, Any] | None = None,
    *,
    conditions: list[dict[str, Any]] | None = None,
    deleted: bool = False,
    created: str = EARLY,
    limit: str | None = None,
) -> dict[str, Any]:
    metadata = {"name": "j-1", "uid": "u", "creationTimestamp": created}
    if deleted:
        metadata["deletionTimestamp"] = LATE
    status: dict[str, Any] = {"phase": phase, "conditions": conditions or []}
    if state is not None:
        status["containerStatuses"] = [{"name": "job", "image": "i:1", "state": state}]
    limits = {"memory": limit} if limit else {}
    container = {"name": "job", "image": "i:1", "resources": {"limits": limits}}
    return {
        "metadata": metadata,
        "spec": {"containers": [container], "nodeName": "node-1"},
        "status": status,
    }


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


DISRUPTED = [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]


def test_the_life_of_a_job() -> None:
    waiting = [
        {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: x."}
    ]
    bound = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": EARLY}]
    creating = {"waiting": {"reason": "ContainerCreating"}}
    running = {"running": {"startedAt": EARLY}}
    for pods, state in (
        ([], State.QUEUED),
        ([pod("Pending", conditions=waiting)], State.QUEUED),
        ([pod("Pending", creating, conditions=bound)], State.STARTING),
        ([pod("Running", running)], State.RUNNING),
        ([pod("Succeeded", ended(0, "Completed"))], State.RUNNING),  # no word of the Job yet
        ([pod("Failed", ended(1))], State.RUNNING),
        ([pod("Failed", ended(75))], State.PREEMPTED),
        ([pod("Failed", ended(137))], State.PREEMPTED),
        ([pod("Failed", ended(1), conditions=DISRUPTED)], State.PREEMPTED),
        ([pod("Running", running, deleted=True)], State.PREEMPTED),
        ([pod("Failed", ended(75)), pod("Running", running)], State.RUNNING),
    ):
        assert observe(job(), pods).state is state, pods


def test_the_end_of_a_job() -> None:
    done = observe(job(("Complete", "True", "")), [pod("Succeeded", ended(0))])
    assert (done.state, done.exit_code) == (State.SUCCEEDED, 0)
    failed = observe(job(("Failed", "True", "PodFailurePolicy")), [pod("Failed", ended(3))])
    assert (failed.state, failed.exit_code, failed.reason) == (State.FAILED, 3, "")
    gone = observe(job(("Failed", "True", "BackoffLimitExceeded")), [])
    assert (gone.state, gone.exit_code) == (State.FAILED, None)
    assert gone.reason == "given up after 3 restarts"
    killed = observe(job(("Failed", "True", "BackoffLimitExceeded")), [pod("Failed", ended(137))])
    assert killed.reason == (
        "given up after 3 restarts: its pod was killed after the grace period (exit code 137)"
    )
    late = observe(job(("Failed", "True", "DeadlineExceeded")), [])
    assert late.reason == "stopped because it was over its time limit"


def test_out_of_memory_is_named_with_the_limit() -> None:
    failed = job(("Failed", "True", "PodFailurePolicy"))
    seen = observe(failed, [pod("Failed", ended(1, "OOMKilled"), limit="2Gi")])
    assert seen.reason == "out of memory (OOMKilled): its limit is 2Gi; ask for more"
    seen = observe(failed, [pod("Failed", ended(1, "OOMKilled"))])
    assert "the job has no limit" in seen.reason


def test_pausing_and_going_on() -> None:
    paused = job(("Suspended", "True", "JobSuspended"), suspend=True)
    stopping = pod("Running", {"running": {"startedAt": EARLY}}, deleted=True)
    assert observe(paused, [stopping]).state is State.PAUSING
    assert observe(paused, [pod("Failed", ended(75))]).state is State.PAUSED
    assert observe(paused, []).state is State.PAUSED
    # Nobody preempted it, whether the controller has noted the resume or not.
    for status in ("True", "False"):
        resumed = job(("Suspended", status, ""))
        assert observe(resumed, [pod("Failed", ended(75))]).state is State.QUEUED
    again = job(("Suspended", "False", "JobResumed"))
    assert observe(again, [pod("Failed", ended(75), created=LATE)]).state is State.PREEMPTED


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        (
            {
                "reason": "ImagePullBackOff",
                "message": 'Back-off pulling image "i:1": ErrImagePull: rpc error: code = NotFound '
                'desc = failed to pull and unpack image "registry.example/i:1": not found',
            },
            "the image i:1 cannot be pulled: not found",
        ),
        ({"reason": "ImagePullBackOff"}, "the image i:1 cannot be pulled: ImagePullBackOff"),
        ({"reason": "ErrImageNeverPull"}, "the image i:1 is not on node node-1, and may not"),
        (
            {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'},
            'the container cannot be made: secret "x" not found',
        ),
    ],
)
def test_why_a_container_does_not_start(waiting: dict[str, str], expected: str) -> None:
    bound = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": EARLY}]
    seen = observe(job(), [pod("Pending", {"waiting": waiting}, conditions=bound)])
    assert seen.state is State.STARTING
    assert seen.reason.startswith(expected)


def test_quota_is_told_by_the_newest_warning() -> None:
    events = [
        {
            "type": "Warning",
            "lastTimestamp": LATE,
            "message": 'Error creating: pods "j-x" is forbidden: exceeded quota: small, requested: '
            "requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=4, limited: "
            "requests.nvidia.com/gpu=4",
        },
        {"type": "Warning", "lastTimestamp": EARLY, "message": "older"},
        {"type": "Normal", "lastTimestamp": LATE, "message": "Created pod"},
    ]
    seen = observe(job(), [], events)
    assert seen.state is State.QUEUED
    assert seen.reason.startswith(
        "the namespace's quota small is used up: asks for requests.nvidia"
    )
