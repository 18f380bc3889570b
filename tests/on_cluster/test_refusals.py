"""Jobs that cannot start, and why, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_unattended.backends.kubernetes.rights import ROLE
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


def reasons_are(bench: Bench, expected: dict[str, tuple[dict[str, object], str]]) -> None:
    """Submit a job for each, and wait until each says why it does not start."""
    jobs = {name: bench.submit("pass", name=name, **expected[name][0]) for name in expected}
    seen: dict[str, str] = {}

    def told() -> bool:
        seen.update((name, _reason(bench, job)) for name, job in jobs.items())
        return all(seen[name].startswith(expected[name][1]) for name in expected)

    try:
        wait_until(told, "each says why", 60)
    except AssertionError:
        assert seen == {name: reason for name, (_, reason) in expected.items()}
        raise


def test_what_is_named_and_does_not_exist(bench: Bench) -> None:
    named = {
        "priority": ({"priority_class": "absent"}, "there is no PriorityClass 'absent'; check"),
        "account": ({"service_account": "absent"}, "there is no service account 'absent' in this"),
        "runtime": ({"runtime_class": "absent"}, "there is no RuntimeClass 'absent'; check"),
        "files": ({"secret": ["absent:/run/x"]}, "there is no secret 'absent' in this namespace"),
        "variable": (
            {"secret": ["absent/key=X"]},
            'the container cannot be made: secret "absent" not found',
        ),
        "scheduler": ({"scheduler": "absent"}, "the scheduler absent has not looked at it yet"),
        "node": (
            {"node_selector": {"no": "such"}},
            "no node is free for it (the only node: does not match the node selector)",
        ),
    }
    reasons_are(bench, {name: ({"options": one}, why) for name, (one, why) in named.items()})


def test_more_than_any_node_has(bench: Bench) -> None:
    reasons_are(
        bench,
        {
            "cores": ({"cpus": 500.5}, "no node has 500.5 CPU cores free"),
            "memory": ({"memory": "9000Gi"}, "no node has 9000Gi of memory free"),
        },
    )


def test_what_a_namespace_does_not_allow(bench: Bench) -> None:
    limit = {"type": "Container", "max": {"memory": "1Gi"}}
    bench.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "small", "namespace": bench.namespace},
            "spec": {"limits": [limit]},
        }
    )
    why = "the namespace's limits forbid it: maximum memory usage per Container is 1Gi, but limit "
    reasons_are(bench, {"large": ({"memory": "2Gi"}, f"{why}is 2Gi")})
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    bench.cluster.kubectl("label", "namespace", bench.namespace, enforce)
    why = "the namespace does not allow such a pod (PodSecurity restricted:latest): "
    reasons_are(bench, {"careless": ({"memory": "64Mi"}, why)})


def test_a_claim_that_another_pod_keeps_for_itself(bench: Bench, tmp_path: Path) -> None:
    """ReadWriteOncePod, and it is not this server's: the job waits for it, and says so."""
    bench.make_claim("mine", tmp_path, "ReadWriteOncePod")
    volume = {"name": "mine", "persistentVolumeClaim": {"claimName": "mine"}}
    container = {
        "name": "main",
        "image": bench.cluster.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "mine", "mountPath": "/mine"}],
    }
    holder = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "holder", "namespace": bench.namespace},
        "spec": {"volumes": [volume], "containers": [container], "dnsPolicy": "Default"},
    }
    bench.cluster.create(holder)
    bench.cluster.kubectl(
        *("wait", "--for=condition=ready", "pod/holder", "-n", bench.namespace, "--timeout=50s")
    )
    cell = "import pathlib\npathlib.Path('/mine/made').touch()"
    options = {"volume": [*bench.options()["volume"], "pvc:mine:/mine"]}
    job = bench.submit(cell, options=options)
    wait_until(lambda: "held by another pod" in _reason(bench, job), "it is said", 30)
    delete = ("delete", "pod", "holder", "-n", bench.namespace, "--grace-period=0", "--force")
    bench.cluster.kubectl(*delete)
    bench.wait(job, State.SUCCEEDED)
    assert (tmp_path / "made").exists()


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


def test_no_right_to_secrets(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs can be submitted; one with secret variables cannot, and nothing of it stays."""
    cluster, namespace = bench.cluster, bench.namespace
    cluster.kubectl("create", "serviceaccount", "person", "-n", namespace)
    subject = f"{{kind: ServiceAccount, name: person, namespace: {namespace}}}"
    role = ROLE.format(namespace=namespace, subject=subject)
    without = "".join(line for line in role.splitlines(keepends=True) if "secrets" not in line)
    cluster.kubectl("apply", "-f", "-", stdin=without)
    token = cluster.kubectl("create", "token", "person", "-n", namespace).strip()
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_with({"token": token}, namespace)))
    bench.renew()
    assert bench.backend.availability().usable
    with pytest.raises(BackendUnavailableError, match="may not create secrets") as refused:
        bench.submit("pass", secret_env=["HIDDEN"], secrets={"HIDDEN": "x"})
    assert "resources: [secrets], verbs: [create, patch, delete]" in str(refused.value)
    assert cluster.get("jobs,secrets", "-n", namespace)["items"] == []
    bench.wait(bench.submit("pass", name="other"), State.SUCCEEDED)


def _reason(bench: Bench, job: object) -> str:
    seen = bench.look(job)  # type: ignore[arg-type]
    return seen.reason if seen is not None else ""
