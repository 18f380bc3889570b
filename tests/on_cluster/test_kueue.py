"""Kueue: what is sent to it, how its word is taken, and what pauses a job there.

Its own program is not in the tests' cluster: the test plays its part, against the real API server
and with the fields that its reference defines. The last tests run where ``KUBECONFIG`` names a
cluster that has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_unattended.backends.base import Availability
from jupyter_unattended.backends.kubernetes import queues
from jupyter_unattended.backends.kubernetes.client import Api
from jupyter_unattended.backends.kubernetes.rights import ROLE
from jupyter_unattended.errors import SpecError, UnsupportedError
from jupyter_unattended.forms import BackendChoice
from jupyter_unattended.jobs.states import State
from jupyter_unattended.policy import Policy
from tests.cluster.harness import wait_until
from tests.on_cluster.jobs import ENDLESS, Bench
from tests.on_cluster.queueing import KUEUE, OF_KUEUE, Kueue, define, has, undefine


@pytest.fixture
def kueue(bench: Bench) -> Iterator[Kueue]:
    """Kueue's kinds of resources, without Kueue."""
    if has(bench.cluster, KUEUE):
        pytest.skip("this cluster has a Kueue of its own, which plays its part itself")
    names = define(bench.cluster, OF_KUEUE)
    bench.renew()
    yield Kueue(bench)
    undefine(bench.cluster, names)


#: Under Kueue, its webhook suspends a Job that is new.
QUEUED = {
    "queue": "team",
    "patch": {"spec": {"suspend": True, "template": {"spec": {"dnsPolicy": "Default"}}}},
}


def test_a_form_offers_what_kueue_has(
    bench: Bench, kueue: Kueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    kueue.make_priorities(high=1000, low=10)
    available = bench.backend.availability()
    assert available.usable
    assert available.reason.endswith("Queues: Kueue (no queue readable).")  # of our own namespace
    cluster, namespace = bench.cluster, bench.namespace
    admin = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))["users"][0]["user"]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_with(admin, namespace)))
    own = type(bench.backend)()
    assert own.availability().reason == f"Namespace {namespace}. Queues: Kueue (team)."
    assert own.capabilities().priority is None
    offered = BackendChoice.of(own, Availability(True), Policy()).options["properties"]
    own.close()
    assert offered["queue"]["enum"] == ["team"]
    assert offered["queue_system"]["enum"] == ["auto", "kueue", "none"]
    assert offered["workload_priority"]["enum"] == ["high", "low"]
    with pytest.raises(SpecError, match=r"Kueue has no queue 'other' for namespace .* team"):
        bench.submit("pass", options={"queue": "other"})


def test_a_job_in_a_queue(bench: Bench, kueue: Kueue) -> None:
    options = {**QUEUED, "workload_priority": "low"}
    job = bench.submit(ENDLESS, time_limit=300, options=options)
    labels = bench.job(job)["metadata"]["labels"]
    assert labels[f"{KUEUE}/queue-name"] == "team"
    assert labels[f"{KUEUE}/priority-class"] == "low"
    assert labels[f"{KUEUE}/max-exec-time-seconds"] == "300"
    assert bench.wait(job, State.QUEUED).reason == "waiting for queue team to take note"
    kueue.take(job)
    kueue.say(
        ("QuotaReserved", "False", "insufficient unused quota for cpu in flavor d, 2 more needed")
    )
    wait_until(
        lambda: (
            bench.wait(job, State.QUEUED).reason
            == "waiting for quota: 2 more cpu needed in flavor d"
        ),
        "Kueue's word is taken",
    )
    kueue.say(("QuotaReserved", "True", ""), ("Admitted", "True", ""))
    kueue.suspend(job, suspended=False)
    bench.wait(job, State.RUNNING)
    kueue.say(("Evicted", "True", ""), ("Preempted", "True", ""), ("QuotaReserved", "False", ""))
    kueue.suspend(job, suspended=True)
    wait_until(
        lambda: (
            bench.wait(job, State.PREEMPTED).reason
            == "preempted: the queue gave its resources to a job that goes before it"
        ),
        "the job has stopped",
    )
    kueue.say(("QuotaReserved", "True", ""), ("Evicted", "False", ""), ("Preempted", "False", ""))
    kueue.suspend(job, suspended=False)
    assert bench.wait(job, State.RUNNING).attempt == 2
    assert bench.job(job)["status"].get("failed") is None


def test_the_position_in_the_queue(
    bench: Bench, kueue: Kueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Kueue's visibility API, whose answer is the one of its reference."""
    visible = f"{queues.KUEUE_VISIBILITY}/namespaces/{bench.namespace}/localqueues/team"
    summary = {
        "kind": "PendingWorkloadsSummary",
        "apiVersion": "visibility.kueue.x-k8s.io/v1beta2",
        "items": [
            {"metadata": {"name": "other"}, "priority": 0, "positionInLocalQueue": 0},
            {"metadata": {"name": "w"}, "priority": 0, "positionInLocalQueue": 1},
        ],
    }
    get = Api.get
    asked = []

    def answer(self: Api, path: str, **query: object) -> Any:
        if path.startswith(queues.KUEUE_VISIBILITY):
            asked.append(path)
            return summary
        return get(self, path, **query)

    job = bench.submit(ENDLESS, options=QUEUED)
    kueue.take(job)
    kueue.say(("QuotaReserved", "False", "waiting"))
    with monkeypatch.context() as patched:
        patched.setattr(Api, "get", answer)
        wait_until(lambda: (seen := bench.look(job)) and seen.position == 1, "its position", 20)
    assert set(asked) == {f"{visible}/pendingworkloads"}
    seen = bench.look(job)
    assert seen is not None
    assert (seen.state, seen.position) == (State.QUEUED, None)  # where that API is not there


def test_the_priority_of_a_job_that_waits(bench: Bench, kueue: Kueue) -> None:
    kueue.make_priorities(high=1000, low=10)
    job = bench.submit("pass", options={**QUEUED, "workload_priority": "low"})
    bench.backend.set_priority(job, 1000)
    assert bench.job(job)["metadata"]["labels"][f"{KUEUE}/priority-class"] == "high"
    with pytest.raises(SpecError, match=r"no WorkloadPriorityClass of 7; .*1000 \(high\)"):
        bench.backend.set_priority(job, 7)
    plain = bench.submit("pass", options={"queue_system": "none"})
    with pytest.raises(UnsupportedError, match="fixes a pod's priority"):
        bench.backend.set_priority(plain, 1000)


def test_pausing_deactivates_the_workload(bench: Bench, kueue: Kueue) -> None:
    job = bench.submit(ENDLESS, options=QUEUED)
    kueue.take(job)
    bench.backend.pause(job)
    assert not kueue.active()
    bench.wait(job, State.PAUSED)
    bench.backend.resume(job)
    assert kueue.active()
    bench.wait(job, State.QUEUED)


def test_pausing_without_rights_keeps_the_job_here(
    bench: Bench, kueue: Kueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted, and created again from what the job directory holds."""
    cluster, namespace = bench.cluster, bench.namespace
    secret = {"secret_env": ["HIDDEN"], "secrets": {"HIDDEN": "s3cret"}}
    job = bench.submit(ENDLESS, options=QUEUED, **secret)
    kueue.take(job)
    kueue.suspend(job, suspended=False)
    bench.wait(job, State.RUNNING)
    wait_until(lambda: "begun" in bench.log(job), "the notebook has begun")
    cluster.kubectl("create", "serviceaccount", "person", "-n", namespace)
    subject = f"{{kind: ServiceAccount, name: person, namespace: {namespace}}}"
    cluster.kubectl("apply", "-f", "-", stdin=ROLE.format(namespace=namespace, subject=subject))
    token = cluster.kubectl("create", "token", "person", "-n", namespace).strip()
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_with({"token": token}, namespace)))
    bench.renew()
    bench.backend.pause(job)
    bench.wait(job, State.PAUSED, timeout=20)
    assert kueue.active()
    assert bench.look(job) == bench.look(job)
    bench.backend.resume(job)
    bench.wait(job, State.QUEUED)
    kueue.suspend(job, suspended=False)
    bench.wait(job, State.RUNNING)
    wait_until(lambda: len(job.paths.existing_attempts()) == 2, "a second attempt", 20)
    # The Secret has outlived the first Job, and ends with the second one.
    (kept,) = cluster.get("secrets", "-n", namespace)["items"]
    assert kept["metadata"]["ownerReferences"][0]["uid"] == bench.job(job)["metadata"]["uid"]


# -- where Kueue is really there -------------------------------------------------------------------


@pytest.fixture
def queue(bench: Bench) -> None:
    """A LocalQueue `default` of a ClusterQueue that the cluster has to have.

    The ClusterQueue is called `unattended-test`, has 1 CPU and `withinClusterQueue: LowerPriority`;
    there are WorkloadPriorityClasses `low` (10) and `high` (1000).
    """
    if not has(bench.cluster, f"visibility.{KUEUE}"):
        pytest.skip("Kueue is not in this cluster; its programs cannot be had on this machine")
    local = {
        "apiVersion": f"{KUEUE}/v1beta2",
        "kind": "LocalQueue",
        "metadata": {"name": "default", "namespace": bench.namespace},
        "spec": {"clusterQueue": "unattended-test"},
    }
    bench.cluster.create(local)


@pytest.mark.usefixtures("queue")
def test_preemption_by_kueue(bench: Bench) -> None:
    low = bench.begin(ENDLESS, name="low", cpus=1, options={"workload_priority": "low"})
    high = bench.submit("pass", name="high", cpus=1, options={"workload_priority": "high"})
    bench.wait(low, State.PREEMPTED)
    bench.wait(high, State.SUCCEEDED)
    bench.wait(low, State.RUNNING)
    assert len(low.paths.existing_attempts()) == 2


@pytest.mark.usefixtures("queue")
def test_waiting_pausing_and_priority_under_kueue(bench: Bench) -> None:
    first = bench.begin(ENDLESS, name="first", cpus=1)
    second, third = (
        bench.submit(ENDLESS, name=name, cpus=1, options={"workload_priority": "low"})
        for name in ("second", "third")
    )
    wait_until(lambda: (seen := bench.look(third)) and seen.position == 1, "its position", 30)
    assert "cpu" in bench.wait(third, State.QUEUED).reason
    bench.backend.set_priority(third, 1000)
    bench.wait(third, State.RUNNING)  # by preempting the first one
    bench.wait(first, State.PREEMPTED, State.QUEUED)
    bench.backend.pause(third)
    bench.wait(third, State.PAUSED)
    bench.wait(first, State.RUNNING)
    bench.backend.cancel(first)
    bench.wait(second, State.RUNNING)
    bench.backend.cancel(second)
    bench.backend.resume(third)
    bench.wait(third, State.RUNNING)
