"""Kueue, KAI and Run:ai: what is sent to them, and how their word is taken.

Their own programs are not in the tests' cluster. What can be checked without them is checked
against the real API server, with resources of Kueue's kinds in which the test plays Kueue's part.
The rest runs where ``KUBECONFIG`` names a cluster that has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from jupyter_unattended.backends.base import Availability, JobRef
from jupyter_unattended.errors import SpecError
from jupyter_unattended.forms import BackendChoice
from jupyter_unattended.jobs.states import State
from jupyter_unattended.policy import Policy
from tests.cluster.harness import Kubernetes, wait_until
from tests.on_cluster.jobs import ENDLESS, Bench

KUEUE = "kueue.x-k8s.io"
KAI = "scheduling.run.ai"


def has(cluster: Kubernetes, group: str) -> bool:
    answer = json.loads(cluster.kubectl("get", "--raw=/apis"))
    return group in {entry["name"] for entry in answer["groups"]}


@pytest.mark.parametrize("system", ["kueue", "kai", "runai"])
def test_the_api_server_accepts_what_is_sent(bench: Bench, system: str) -> None:
    bundle = bench.bundle("pass")
    job = yaml.safe_load(bench.backend.render(bundle).text)
    from jupyter_unattended.backends.kubernetes.manifest import Place, build
    from jupyter_unattended.backends.kubernetes.options import KubernetesOptions
    from jupyter_unattended.backends.kubernetes.queues import Queue

    options = KubernetesOptions(**{**bundle.spec.options, "workload_priority": "high"})
    place = Place(bench.namespace, queue=Queue(system, "team", 60))  # type: ignore[arg-type]
    queued = build(bundle, options, place)
    for manifest in (job, queued):
        bench.cluster.kubectl(
            *("create", "--dry-run=server", "-n", bench.namespace, "-f", "-"), stdin=manifest
        )


def test_a_queue_where_there_are_none(bench: Bench) -> None:
    if has(bench.cluster, KUEUE) or has(bench.cluster, KAI):
        pytest.skip("this cluster has queues")
    with pytest.raises(SpecError, match="this cluster has neither Kueue nor KAI nor Run:ai"):
        bench.submit("pass", options={"queue": "team"})
    with pytest.raises(SpecError, match="this cluster does not have KAI"):
        bench.submit("pass", options={"queue": "team", "queue_system": "kai"})


# -- Kueue's part played by the test ---------------------------------------------------------------


def _definition(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{KUEUE}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": KUEUE,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [
                {
                    "name": "v1beta2",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


class Kueue:
    """Plays Kueue's part for one namespace."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._create("LocalQueue", "team", {"clusterQueue": "all"})

    def _create(self, kind: str, name: str, spec: Any, **labels: str) -> None:
        content = {
            "apiVersion": f"{KUEUE}/v1beta2",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.bench.namespace, "labels": labels},
            "spec": spec,
        }
        wait_until(
            lambda: (
                "created"
                in self.bench.cluster.kubectl("create", "-f", "-", stdin=content, check=False)
            ),
            f"a {kind} can be created",
            30,
        )

    def take(self, job: JobRef) -> None:
        """Take note of a Job, as Kueue's controller does."""
        uid = self.bench.job(job)["metadata"]["uid"]
        self._create("Workload", "w", {"active": True}, **{f"{KUEUE}/job-uid": uid})

    def say(self, *conditions: tuple[str, str, str]) -> None:
        """Set the conditions of the Workload (type, status, message)."""
        content = [
            {
                "type": kind,
                "status": status,
                "reason": "Test",
                "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind, status, message in conditions
        ]
        self._patch(f"workloads.{KUEUE}", "w", {"status": {"conditions": content}})

    def suspend(self, job: JobRef, *, suspended: bool) -> None:
        """Let a Job run, or stop it."""
        name = job.handle.rpartition("/")[2]
        self._patch("jobs.batch", name, {"spec": {"suspend": suspended}})

    def active(self) -> bool:
        """Whether the Workload is active."""
        found = self.bench.cluster.get(f"workloads.{KUEUE}", "w", "-n", self.bench.namespace)
        return bool(found["spec"]["active"])

    def _patch(self, kind: str, name: str, patch: Any) -> None:
        self.bench.cluster.kubectl(
            *("patch", kind, name, "-n", self.bench.namespace, "--type=merge"),
            f"--patch={json.dumps(patch)}",
        )


@pytest.fixture
def kueue(bench: Bench) -> Iterator[Kueue]:
    """Kueue's kinds of resources, without Kueue."""
    if has(bench.cluster, KUEUE):
        pytest.skip("this cluster has a Kueue of its own, which plays its part itself")
    kinds = {"localqueues": "LocalQueue", "workloads": "Workload"}
    bench.cluster.create(*(_definition(*entry) for entry in kinds.items()))
    names = [f"{plural}.{KUEUE}" for plural in kinds]
    for name in names:
        bench.cluster.kubectl("wait", "--for=condition=established", f"crd/{name}")
    bench.backend.close()
    bench.backend = type(bench.backend)()
    yield Kueue(bench)
    bench.cluster.kubectl("delete", "crd", *names)


QUEUED = {
    "queue": "team",
    "patch": {"spec": {"suspend": True, "template": {"spec": {"dnsPolicy": "Default"}}}},
}


def test_a_job_in_a_queue_of_kueue(
    bench: Bench, kueue: Kueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = bench.backend.availability()
    assert available.usable
    assert available.reason.endswith("Queues: Kueue (no queue readable).")  # of our own namespace
    cluster, namespace = bench.cluster, bench.namespace
    admin = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))["users"][0]["user"]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_with(admin, namespace)))
    own = type(bench.backend)()
    assert own.availability().reason == f"Namespace {namespace}. Queues: Kueue (team)."
    offered = BackendChoice.of(own, Availability(True), Policy()).options["properties"]
    assert offered["queue"]["enum"] == ["team"]
    assert offered["queue_system"]["enum"] == ["auto", "kueue", "none"]
    own.close()
    with pytest.raises(SpecError, match=r"Kueue has no queue 'other' for namespace .* team"):
        bench.submit("pass", options={"queue": "other"})
    job = bench.submit(ENDLESS, options=QUEUED)
    assert bench.job(job)["metadata"]["labels"][f"{KUEUE}/queue-name"] == "team"
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
    kueue.say(("QuotaReserved", "True", ""))
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


def test_pausing_under_kueue_deactivates_the_workload(bench: Bench, kueue: Kueue) -> None:
    job = bench.submit(ENDLESS, options=QUEUED)
    kueue.take(job)
    bench.backend.pause(job)
    assert not kueue.active()
    bench.wait(job, State.PAUSED)
    bench.backend.resume(job)
    assert kueue.active()
    bench.wait(job, State.QUEUED)


def test_pausing_under_kueue_without_rights_keeps_the_job_here(
    bench: Bench, kueue: Kueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted, and created again from what the job directory holds."""
    from jupyter_unattended.backends.kubernetes.rights import ROLE

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
    bench.backend.close()
    bench.backend = type(bench.backend)()
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


# -- where they are really there -------------------------------------------------------------------


def test_preemption_by_kueue(bench: Bench) -> None:
    """Needs a LocalQueue `default` in a fresh namespace: a ClusterQueue `unattended-test` of 1 CPU
    with `withinClusterQueue: LowerPriority`, and WorkloadPriorityClasses `low` and `high`."""
    if not has(bench.cluster, f"visibility.{KUEUE}"):
        pytest.skip("Kueue is not in this cluster; its programs cannot be had on this machine")
    queue = {
        "apiVersion": f"{KUEUE}/v1beta2",
        "kind": "LocalQueue",
        "metadata": {"name": "default", "namespace": bench.namespace},
        "spec": {"clusterQueue": "unattended-test"},
    }
    bench.cluster.create(queue)
    low = bench.begin(ENDLESS, name="low", cpus=1, options={"workload_priority": "low"})
    high = bench.submit("pass", name="high", cpus=1, options={"workload_priority": "high"})
    bench.wait(low, State.PREEMPTED)
    bench.wait(high, State.SUCCEEDED)
    bench.wait(low, State.RUNNING)
    assert len(low.paths.existing_attempts()) == 2


def test_a_queue_of_kai(bench: Bench) -> None:
    if not has(bench.cluster, KAI):
        pytest.skip("KAI is not in this cluster; its programs cannot be had on this machine")
    job = bench.submit("pass", options={"queue": "absent-queue", "queue_system": "kai"})
    wait_until(lambda: "no queue" in bench.wait(job, State.QUEUED).reason, "KAI has looked")
