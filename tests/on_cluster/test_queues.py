"""KAI and Run:ai, and clusters without queues.

Their own programs are not in the tests' cluster. What can be checked without them is checked
against the real API server, with a queue of KAI's kind; the test plays the part of KAI's scheduler.
The last tests run where ``KUBECONFIG`` names a cluster that has KAI.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from jupyter_unattended.backends.base import Availability, JobRef
from jupyter_unattended.backends.kubernetes.manifest import Place, build
from jupyter_unattended.backends.kubernetes.options import KubernetesOptions
from jupyter_unattended.backends.kubernetes.queues import Queue
from jupyter_unattended.errors import SpecError
from jupyter_unattended.forms import BackendChoice
from jupyter_unattended.jobs.states import State
from jupyter_unattended.policy import Policy
from tests.cluster.harness import wait_until
from tests.on_cluster.jobs import ENDLESS, TWICE, Bench
from tests.on_cluster.queueing import (
    KAI,
    KUEUE,
    OF_KAI,
    OF_RUNAI,
    RUNAI,
    create,
    define,
    has,
    undefine,
)

NODE = "127.0.0.1"


@pytest.mark.parametrize("system", ["kueue", "kai", "runai"])
def test_the_api_server_accepts_what_is_sent(bench: Bench, system: str) -> None:
    bundle = bench.bundle("pass")
    job = yaml.safe_load(bench.backend.render(bundle).text)
    options = KubernetesOptions(**{**bundle.spec.options, "workload_priority": "high"})
    place = Place(bench.namespace, queue=Queue(system, "team", 60))  # type: ignore[arg-type]
    queued = build(bundle, options, place)
    for manifest in (job, queued):
        bench.cluster.kubectl(
            *("create", "--dry-run=server", "-n", bench.namespace, "-f", "-"), stdin=manifest
        )


def test_a_queue_where_there_are_none(bench: Bench) -> None:
    if any(has(bench.cluster, group) for group in (KUEUE, KAI, RUNAI)):
        pytest.skip("this cluster has queues")
    with pytest.raises(SpecError, match="this cluster has neither Kueue nor KAI nor Run:ai"):
        bench.submit("pass", options={"queue": "team"})
    with pytest.raises(SpecError, match="this cluster does not have KAI"):
        bench.submit("pass", options={"queue": "team", "queue_system": "kai"})
    assert "Queues" not in bench.backend.availability().reason
    offered = BackendChoice.of(bench.backend, Availability(True), Policy()).options["properties"]
    assert "x-disabled" in offered["queue"]


# -- KAI's part played by the test -----------------------------------------------------------------


@pytest.fixture
def kai(bench: Bench) -> Iterator[None]:
    """KAI's kind of queue with one called ``team``, without KAI's scheduler."""
    if has(bench.cluster, KAI):
        pytest.skip("this cluster has a KAI of its own, which plays its part itself")
    names = define(bench.cluster, OF_KAI)
    metadata = {"name": "team"}
    create(bench.cluster, {"apiVersion": f"{KAI}/v2", "kind": "Queue", "metadata": metadata})
    bench.renew()
    yield
    undefine(bench.cluster, names)


def newest_pod(bench: Bench, job: JobRef) -> str:
    pods = wait_until(lambda: bench.pods(job), "there is a pod")
    return str(pods[-1]["metadata"]["name"])


def say(bench: Bench, pod: str, message: str) -> None:
    """Say of a pod why it is not scheduled, as KAI does."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    bench.cluster.kubectl(
        *("patch", "pod", pod, "-n", bench.namespace, "--subresource=status"),
        f"--patch={json.dumps({'status': {'conditions': [condition]}})}",
    )


def bind(bench: Bench, pod: str) -> None:
    """Put a pod on the only node, as a scheduler does."""
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod, "namespace": bench.namespace},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
    }
    path = f"/api/v1/namespaces/{bench.namespace}/pods/{pod}/binding"
    bench.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=binding)


@pytest.mark.usefixtures("kai")
def test_a_job_in_a_queue_of_kai(bench: Bench) -> None:
    """Waits in people's words, runs, gives way by a plain deletion of its pod, and comes back."""
    assert bench.backend.availability().reason.endswith("Queues: KAI (team).")
    offered = BackendChoice.of(bench.backend, Availability(True), Policy()).options["properties"]
    assert offered["queue"]["enum"] == ["team"]
    assert offered["queue_system"]["enum"] == ["auto", "kai", "none"]
    with pytest.raises(SpecError, match=r"KAI has no queue 'other' .*; there are: team"):
        bench.submit("pass", options={"queue": "other"})
    job = bench.submit(TWICE, options={"queue": "team"})
    pod = newest_pod(bench, job)
    (found,) = bench.pods(job)
    assert found["metadata"]["labels"]["kai.scheduler/queue"] == "team"
    assert bench.job(job)["metadata"]["labels"]["kai.scheduler/queue"] == "team"
    assert found["spec"]["schedulerName"] == "kai-scheduler"
    waits(bench, job, "the scheduler kai-scheduler has not looked at it yet")
    lack = "1 node(s) didn't have enough resources: GPUs."
    say(bench, pod, f"no nodes with enough resources were found: {lack}")
    waits(bench, job, "no node is free for it (does not have enough GPUs free)")
    bind(bench, pod)
    bench.wait(job, State.RUNNING)
    wait_until(lambda: "begun" in bench.log(job), "the notebook has begun", 30)
    bench.cluster.kubectl("delete", "pod", pod, "-n", bench.namespace, "--wait=false")
    bench.wait(job, State.PREEMPTED)
    wait_until(lambda: newest_pod(bench, job) != pod, "there is another pod", 60)
    bind(bench, newest_pod(bench, job))
    assert bench.wait(job, State.SUCCEEDED).attempt == 2
    assert bench.job(job)["status"].get("failed") is None


def waits(bench: Bench, job: JobRef, reason: str) -> None:
    def told() -> bool:
        return bench.wait(job, State.QUEUED).reason == reason

    wait_until(told, f"it says: {reason}", 30)


def test_a_project_of_runai(bench: Bench) -> None:
    """Its kinds are known by their group; the project is the namespace's, or is named."""
    if has(bench.cluster, RUNAI):
        pytest.skip("this cluster has a Run:ai of its own")
    names = define(bench.cluster, OF_RUNAI)
    try:
        bench.renew()
        assert "Queues: Run:ai" in bench.backend.availability().reason
        job = bench.submit("pass", options={"queue": "team"})
        found = bench.job(job)
        assert found["metadata"]["labels"]["runai/queue"] == "team"
        pod = found["spec"]["template"]
        assert pod["metadata"]["labels"]["runai/queue"] == "team"
        assert pod["spec"]["schedulerName"] == "runai-scheduler"
        waits(bench, job, "the scheduler runai-scheduler has not looked at it yet")
    finally:
        undefine(bench.cluster, names)


# -- where KAI is really there ---------------------------------------------------------------------


@pytest.fixture
def parent(bench: Bench) -> str:
    """The queue above a test's own ones: `unattended-test`, of which the cluster has 1 GPU."""
    if not has(bench.cluster, KAI):
        pytest.skip("KAI is not in this cluster; its programs cannot be had on this machine")
    return "unattended-test"


def test_a_queue_of_kai_that_does_not_exist(bench: Bench, parent: str) -> None:
    del parent
    patch = {"metadata": {"labels": {"kai.scheduler/queue": "absent"}}}
    pod = {"dnsPolicy": "Default", "schedulerName": "kai-scheduler"}
    options = {"queue_system": "none", "patch": {"spec": {"template": {**patch, "spec": pod}}}}
    job = bench.submit("pass", options=options)
    wait_until(lambda: "no queue" in bench.wait(job, State.QUEUED).reason, "KAI has looked")


def test_preemption_by_kai(bench: Bench, parent: str) -> None:
    """A queue over its quota loses its GPU to one that is within, and gets it back."""
    suffix = bench.namespace.rpartition("-")[2]
    for name, quota in ((f"over-{suffix}", 0), (f"within-{suffix}", 1)):
        gpus: dict[str, Any] = {"quota": quota, "limit": -1, "overQuotaWeight": 1}
        other = {"quota": -1, "limit": -1, "overQuotaWeight": 1}
        spec = {"parentQueue": parent, "resources": {"gpu": gpus, "cpu": other, "memory": other}}
        queue = {"apiVersion": f"{KAI}/v2", "kind": "Queue", "metadata": {"name": name}}
        bench.cluster.create({**queue, "spec": spec})
    try:
        low = bench.begin(TWICE, name="low", gpus=1, options={"queue": f"over-{suffix}"})
        hold = "import time\ntime.sleep(4)"
        high = bench.submit(hold, name="high", gpus=1, options={"queue": f"within-{suffix}"})
        bench.wait(low, State.PREEMPTED)
        bench.wait(high, State.SUCCEEDED)
        assert bench.wait(low, State.SUCCEEDED).attempt == 2
        assert bench.job(low)["status"].get("failed") is None
        large = bench.submit(ENDLESS, gpus=1000, options={"queue": f"within-{suffix}"})
        wait_until(lambda: "GPU" in bench.wait(large, State.QUEUED).reason, "KAI has looked")
    finally:
        bench.cluster.kubectl("delete", f"queues.{KAI}", f"over-{suffix}", f"within-{suffix}")
