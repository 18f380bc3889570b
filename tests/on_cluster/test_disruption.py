"""Jobs that Kubernetes stops before their end: they stop in time, come back and finish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_unattended.backends.base import JobRef
from jupyter_unattended.jobs import attempts
from jupyter_unattended.jobs.states import State
from tests.cluster.harness import Kubernetes, wait_until
from tests.on_cluster.jobs import ENDLESS, STUBBORN, TWICE, Bench

NODE = "127.0.0.1"
STUBBORN_TWICE = f"""
import os
if os.environ["UNATTENDED_ATTEMPT"] == "1":
    exec({STUBBORN!r})
print("finished")
"""


@pytest.fixture
def gpu(cluster: Kubernetes) -> Iterator[None]:
    """One GPU on the only node, as far as the scheduler can tell."""
    if not cluster.is_ours:
        pytest.skip("KUBECONFIG names a cluster whose nodes are not ours to change")
    patch = '[{{"op": "{}", "path": "/status/capacity/nvidia.com~1gpu"{}}}]'
    change = ("patch", "node", NODE, "--subresource=status", "--type=json", "--patch")
    cluster.kubectl(*change, patch.format("add", ', "value": "1"'))
    cluster.create(_priority("low", 1000), _priority("high", 2000))
    yield
    cluster.kubectl("delete", "priorityclass", "low", "high")
    cluster.kubectl(*change, patch.format("remove", ""))


def _priority(name: str, value: int) -> dict[str, Any]:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
    }


def finishes_in_attempt_2(bench: Bench, job: JobRef) -> None:
    ended = bench.wait(job, State.SUCCEEDED, timeout=60)
    assert ended.attempt == 2
    assert "finished" in bench.log(job)
    # Never two pods at once: the second began after the first was gone.
    first, second = bench.pods(job) if len(bench.pods(job)) == 2 else (None, bench.pods(job)[-1])
    if first is not None:
        gone = first["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
        assert gone <= second["metadata"]["creationTimestamp"]


@pytest.mark.usefixtures("gpu")
def test_preemption_by_the_scheduler(bench: Bench) -> None:
    low = bench.begin(TWICE, name="low", gpus=1, options={"priority_class": "low"})
    hold = "import time\ntime.sleep(4)"
    high = bench.submit(hold, name="high", gpus=1, options={"priority_class": "high"})
    preempted = bench.wait(low, State.PREEMPTED, timeout=20)
    assert preempted.reason.startswith("preempted by a job of higher priority")
    bench.wait(high, State.SUCCEEDED, timeout=30)
    finishes_in_attempt_2(bench, low)
    assert bench.job(low)["status"].get("failed") is None


@pytest.mark.usefixtures("gpu")
def test_waiting_for_a_gpu_is_explained(bench: Bench) -> None:
    job = bench.submit("pass", gpus=2)
    wait_until(lambda: "GPU" in _reason(bench, job), "the scheduler has looked at it")
    assert bench.wait(job, State.QUEUED).reason == ("no node has 2 GPUs (nvidia.com/gpu) free")


def _reason(bench: Bench, job: JobRef) -> str:
    seen = bench.look(job)
    return seen.reason if seen is not None else ""


def test_eviction(bench: Bench) -> None:
    job = bench.begin(TWICE)
    name = bench.pods(job)[0]["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": bench.namespace},
    }
    path = f"/api/v1/namespaces/{bench.namespace}/pods/{name}/eviction"
    bench.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=eviction)
    seen = bench.wait(job, State.PREEMPTED, timeout=20)
    assert seen.reason.startswith("evicted from its node")
    finishes_in_attempt_2(bench, job)
    assert bench.job(job)["status"].get("failed") is None


def test_deletion_of_the_pod_within_the_grace_period(bench: Bench) -> None:
    job = bench.begin(TWICE)
    name = bench.pods(job)[0]["metadata"]["name"]
    bench.cluster.kubectl("delete", "pod", name, "--namespace", bench.namespace, "--wait=false")
    bench.wait(job, State.PREEMPTED, timeout=20)
    finishes_in_attempt_2(bench, job)
    assert bench.job(job)["status"].get("failed") is None


def test_deletion_of_the_pod_past_the_grace_period(bench: Bench) -> None:
    """Killed, so it counts as a restart; the two attempts never write at the same time."""
    job = bench.begin(STUBBORN_TWICE, grace_period=2)
    name = bench.pods(job)[0]["metadata"]["name"]
    bench.cluster.kubectl("delete", "pod", name, "--namespace", bench.namespace, "--wait=false")
    bench.wait(job, State.PREEMPTED, timeout=20)
    finishes_in_attempt_2(bench, job)
    assert bench.job(job)["status"]["failed"] == 1


def test_without_restarts_a_killed_pod_is_the_end(bench: Bench) -> None:
    job = bench.begin(STUBBORN, grace_period=1, max_restarts=0)
    name = bench.pods(job)[0]["metadata"]["name"]
    bench.cluster.kubectl("delete", "pod", name, "--namespace", bench.namespace, "--wait=false")
    ended = bench.wait(job, State.FAILED, timeout=30)
    assert ended.reason.startswith("given up after 0 restarts")


def test_a_notebook_that_stops_as_the_documentation_of_runai_asks(bench: Bench) -> None:
    """Its handler leaves with 1, which means "try again" there and "failed" here."""
    handler = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(1))"
    job = bench.begin(handler, TWICE)
    name = bench.pods(job)[0]["metadata"]["name"]
    bench.cluster.kubectl("delete", "pod", name, "--namespace", bench.namespace, "--wait=false")
    finishes_in_attempt_2(bench, job)
    assert bench.job(job)["status"].get("failed") is None


def test_a_job_that_somebody_else_deletes(bench: Bench) -> None:
    """Shown as running while it does; then Kubernetes has no memory of it, and says so."""
    job = bench.begin(STUBBORN)
    name = job.handle.rpartition("/")[2]
    bench.cluster.kubectl("delete", "job", name, "--namespace", bench.namespace, "--wait=false")
    seen = wait_until(lambda: "deleted its Job" in _reason(bench, job), "it is noticed", 5)
    assert seen
    assert bench.look(job).state is State.RUNNING  # type: ignore[union-attr]
    wait_until(lambda: bench.look(job) is None, "its pod is gone", 30)


def test_stops_that_kubernetes_does_not_count_are_counted(bench: Bench) -> None:
    """Exit code 75 is ignored for ever; the job directory knows better."""
    job = bench.begin(ENDLESS, max_restarts=0)
    name = bench.pods(job)[0]["metadata"]["name"]
    bench.cluster.kubectl("delete", "pod", name, "--namespace", bench.namespace, "--wait=false")
    ended = bench.wait(job, State.FAILED, timeout=60)
    assert (ended.attempt, ended.exit_code) == (2, 1)
    assert attempts.record(job.paths.attempt(2))["reason"] == (
        "stopped from outside more often than max-restarts (0) allows"
    )


@pytest.mark.parametrize("how", [(), ("--disable-eviction",)], ids=["evicting", "deleting"])
def test_drain(bench: Bench, how: tuple[str, ...]) -> None:
    """Cordoned and its pods evicted or deleted; the job waits, says for what, and comes back."""
    if not bench.cluster.is_ours:
        pytest.skip("KUBECONFIG names a cluster whose nodes are not ours to drain")
    job = bench.begin(TWICE)
    bench.cluster.kubectl("cordon", NODE)
    try:
        bench.cluster.kubectl(
            *("drain", NODE, "--ignore-daemonsets", "--force", "--delete-emptydir-data", *how),
            *("--pod-selector", f"batch.kubernetes.io/job-name={job.handle.rpartition('/')[2]}"),
        )
        wait_until(lambda: "is cordoned" in _reason(bench, job), "it waits for a node", 40)
        assert bench.wait(job, State.QUEUED).attempt == 1
    finally:
        bench.cluster.kubectl("uncordon", NODE)
    finishes_in_attempt_2(bench, job)


def test_the_kubelet_is_killed_and_comes_back(bench: Bench) -> None:
    """The container runs on without it: no attempt is lost, and its end is seen."""
    if not bench.cluster.is_ours:
        pytest.skip("KUBECONFIG names a cluster whose kubelet is not ours to kill")
    job = bench.begin("import time\nprint('begun', flush=True)\ntime.sleep(6)\nprint('finished')")
    bench.cluster.command("kill kubelet")
    try:
        wait_until(lambda: "finished" in bench.log(job), "it runs to its end", 40)
        assert bench.wait(job, State.RUNNING).attempt == 1
    finally:
        bench.cluster.command("start kubelet")
    assert bench.wait(job, State.SUCCEEDED, timeout=110).attempt == 1
