"""Jobs that cannot start, and why, in words."""

from __future__ import annotations

import pytest

from jupyter_unattended.errors import BackendUnavailableError, SpecError
from jupyter_unattended.jobs.states import State
from tests.cluster.harness import wait_until
from tests.on_cluster.jobs import Bench


def test_a_bad_image(bench: Bench) -> None:
    job = bench.submit("pass", image="localhost:1/no/such:image")
    wait_until(lambda: "cannot be pulled" in _reason(bench, job), "the pull has failed", 40)
    seen = bench.wait(job, State.STARTING)
    assert seen.reason.startswith("the image localhost:1/no/such:image cannot be pulled: ")
    assert "connection refused" in seen.reason


def test_an_image_that_may_not_be_pulled(bench: Bench) -> None:
    options = {"image_pull_policy": "Never"}
    job = bench.submit("pass", image="localhost/other:1", options=options)
    wait_until(lambda: "is not on node" in _reason(bench, job), "the kubelet has looked", 30)


def test_a_claim_that_does_not_exist(bench: Bench) -> None:
    with pytest.raises(SpecError, match=f"no claim 'absent' in namespace {bench.namespace}"):
        bench.submit("pass", options={"data": ["pvc:absent:/data"]})


def test_a_claim_that_is_not_bound(bench: Bench) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "unbound", "namespace": bench.namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    bench.cluster.create(claim)
    job = bench.submit("pass", options={"data": ["pvc:unbound:/data"]})
    wait_until(lambda: "not bound" in _reason(bench, job), "the scheduler has looked", 30)
    assert bench.wait(job, State.QUEUED).reason == "a claim is not bound to a volume yet"


def test_quota(bench: Bench) -> None:
    bench.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "small", "namespace": bench.namespace},
            "spec": {"hard": {"requests.cpu": "50m"}},
        }
    )
    job = bench.submit("pass", cpus=0.2)
    wait_until(lambda: "quota" in _reason(bench, job), "the Job controller has tried", 30)
    seen = bench.wait(job, State.QUEUED)
    assert seen.reason == (
        "the namespace's quota small is used up: asks for requests.cpu=200m, of requests.cpu=50m "
        "requests.cpu=0 is used"
    )


def test_no_such_namespace(bench: Bench) -> None:
    with pytest.raises(SpecError, match="no claim 'workspace' in namespace absent"):
        bench.submit("pass", options={"namespace": "absent"})


def test_no_rights(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account that may do nothing: what is missing is named, with the Role to ask for."""
    cluster, namespace = bench.cluster, bench.namespace
    cluster.kubectl("create", "serviceaccount", "nobody", "--namespace", namespace)
    token = cluster.kubectl("create", "token", "nobody", "--namespace", namespace).strip()
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_with({"token": token}, namespace)))
    bundle = bench.bundle("pass")
    bench.backend.close()
    backend = type(bench.backend)()
    available = backend.availability()
    assert not available.usable
    assert f"system:serviceaccount:{namespace}:nobody may not create jobs" in available.reason
    with pytest.raises(BackendUnavailableError, match="may not create jobs"):
        backend.submit(bundle)
    assert "kind: Job" in backend.render(bundle).text
    role = available.reason.partition("\n\n")[2]
    cluster.kubectl("apply", "-f", "-", stdin=role)
    granted = type(bench.backend)()
    assert granted.availability().usable
    assert granted.submit(bundle)
    granted.close()


def _reason(bench: Bench, job: object) -> str:
    seen = bench.look(job)  # type: ignore[arg-type]
    return seen.reason if seen is not None else ""
