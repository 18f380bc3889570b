"""What is asked for arrives: memory, volumes, Secrets, nodes, and what no option covers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_unattended.jobs.states import State
from tests.cluster.harness import wait_until
from tests.on_cluster.jobs import Bench

NODE = "127.0.0.1"


def test_secrets_as_variables_and_as_files(bench: Bench) -> None:
    bench.cluster.kubectl(
        *("create", "secret", "generic", "team", "--namespace", bench.namespace),
        *("--from-literal=WORD=w $(x)", "--from-literal=key.txt=k"),
    )
    job = bench.submit(
        "import os, pathlib",
        "print('all:', os.environ['WORD'])",
        "print('one:', os.environ['ONE'])",
        "print('file:', pathlib.Path('/run/team/key.txt').read_text())",
        options={"secret": ["team", "team/key.txt=ONE", "team:/run/team"]},
    )
    bench.wait(job, State.SUCCEEDED)
    for line in ("all: w $(x)", "one: k", "file: k"):
        assert f"{line}\n" in bench.log(job)


def test_shared_memory_for_data_loaders(bench: Bench) -> None:
    size = "import shutil\nprint('bytes:', shutil.disk_usage('/dev/shm').total)"
    job = bench.submit(size, memory="512Mi", options={"shared_memory": "128Mi"})
    bench.wait(job, State.SUCCEEDED)
    assert f"bytes: {128 << 20}\n" in bench.log(job)


def test_read_only_data(bench: Bench) -> None:
    (bench.workspace / "train.csv").write_text("1,2")
    cells = (
        "import pathlib\ndata = pathlib.Path('/data')",
        "print('read:', (data / 'train.csv').read_text())",
        "try:\n    (data / 'x').touch()\nexcept OSError as error:\n    print('no:', error.errno)",
    )
    job = bench.submit(*cells, options={"data": [f"pvc:{bench.claim}:/data:ro"]})
    bench.wait(job, State.SUCCEEDED)
    assert "read: 1,2\n" in bench.log(job)
    assert "no: 30\n" in bench.log(job)


def test_a_service_account_and_what_no_option_covers(bench: Bench) -> None:
    """Without the option no job has a token; the patch is in the preview as it will be sent."""
    bench.cluster.kubectl("create", "serviceaccount", "worker", "--namespace", bench.namespace)
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    pod = {
        "dnsPolicy": "Default",
        "shareProcessNamespace": True,
        "containers": [{"name": "job", "env": [{"name": "PATCHED", "value": "yes"}]}],
    }
    options = {
        "service_account": "worker",
        "label": {"team": "a"},
        "patch": json.dumps({"spec": {"activeDeadlineSeconds": 4321, "template": {"spec": pod}}}),
    }
    cells = (
        f"import os\nprint('token:', os.path.exists({token!r}))",
        "print('patched:', os.environ['PATCHED'])",
    )
    bundle = bench.bundle(*cells, options=options)
    shown = bench.backend.render(bundle).text
    assert "activeDeadlineSeconds: 4321" in shown
    assert "name: PATCHED" in shown
    job = bench.submit(*cells, options=options)
    bench.wait(job, State.SUCCEEDED)
    assert "token: True\n" in bench.log(job)
    assert "patched: yes\n" in bench.log(job)
    found = bench.job(job)
    assert found["spec"]["activeDeadlineSeconds"] == 4321
    assert found["metadata"]["labels"]["team"] == "a"
    other = bench.submit(cells[0])
    bench.wait(other, State.SUCCEEDED)
    assert "token: False\n" in bench.log(other)


@pytest.fixture
def taint(bench: Bench) -> Iterator[None]:
    """The only node takes nobody who does not tolerate it."""
    if not bench.cluster.is_ours:
        pytest.skip("KUBECONFIG names a cluster whose nodes are not ours to change")
    bench.cluster.kubectl("taint", "node", NODE, "reserved=team:NoSchedule")
    yield
    bench.cluster.kubectl("taint", "node", NODE, "reserved-")


@pytest.mark.usefixtures("taint")
def test_tolerations(bench: Bench) -> None:
    refused = bench.submit("pass", name="refused")
    job = bench.submit("pass", name="taken", options={"toleration": ["reserved=team:NoSchedule"]})
    bench.wait(job, State.SUCCEEDED)
    wait_until(lambda: bench.wait(refused, State.QUEUED).reason, "the scheduler has looked")
    assert bench.wait(refused, State.QUEUED).reason.startswith(
        "no node is free for it (the only node: has a taint that is not tolerated"
    )


@pytest.fixture
def accelerator(bench: Bench) -> Iterator[str]:
    """One piece of a resource that no vendor has on the only node, as the scheduler sees it."""
    if not bench.cluster.is_ours:
        pytest.skip("KUBECONFIG names a cluster whose nodes are not ours to change")
    patch = '[{{"op": "{}", "path": "/status/capacity/example.org~1tpu"{}}}]'
    change = ("patch", "node", NODE, "--subresource=status", "--type=json", "--patch")
    bench.cluster.kubectl(*change, patch.format("add", ', "value": "1"'))
    yield "example.org/tpu"
    bench.cluster.kubectl(*change, patch.format("remove", ""))


def test_gpus_of_any_name(bench: Bench, accelerator: str) -> None:
    """With shared memory as large as the memory limit, as data loaders need it."""
    size = "import shutil\nprint('bytes:', shutil.disk_usage('/dev/shm').total)"
    options = {"gpu_resource": accelerator}
    job = bench.submit(size, gpus=1, memory="300Mi", options=options)
    large = bench.submit("pass", name="large", gpus=2, options=options)
    bench.wait(job, State.SUCCEEDED)
    assert f"bytes: {300 << 20}\n" in bench.log(job)
    (container,) = bench.pods(job)[0]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "300Mi", accelerator: "1"}
    wait_until(lambda: bench.wait(large, State.QUEUED).reason, "the scheduler has looked")
    assert bench.wait(large, State.QUEUED).reason == f"no node has 2 {accelerator} free"


@pytest.fixture
def classes(bench: Bench) -> Iterator[None]:
    """A RuntimeClass and a PriorityClass."""
    bench.cluster.create(
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": "unattended-plain"},
            "handler": "runc",
        },
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "unattended-low"},
            "value": 10,
        },
    )
    yield
    bench.cluster.kubectl("delete", "runtimeclass/unattended-plain", "priorityclass/unattended-low")


@pytest.mark.usefixtures("classes")
def test_classes_of_the_cluster_are_offered_and_taken(bench: Bench) -> None:
    options = {"runtime_class": "unattended-plain", "priority_class": "unattended-low"}
    assert bench.backend.availability().usable
    narrowed = bench.backend.narrowed()
    for name, value in options.items():
        assert value in narrowed[name]["enum"]
    assert not [n for n in narrowed["priority_class"]["enum"] if n.startswith("system-")]
    job = bench.submit("pass", options=options)
    bench.wait(job, State.SUCCEEDED)
    (pod,) = bench.pods(job)
    assert pod["spec"]["runtimeClassName"] == "unattended-plain"
    assert pod["spec"]["priority"] == 10


ENV = {"name": "UNATTENDED_MAX_RESTARTS", "value": "1"}
HOST_PATH = {"$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}
#: Patches of a job's pod.
PATCHES: list[dict[str, Any]] = [
    {"tolerations": [{"operator": "Exists"}], "hostNetwork": True, "affinity": None},
    {"volumes": [{"name": "claim-workspace", "$patch": "delete"}, {"name": "x", "emptyDir": {}}]},
    {"volumes": [{"name": "claim-workspace", **HOST_PATH}]},
    {"containers": [{"name": "job", "env": [ENV]}]},
    {"containers": [{"name": "job", "env": [{"$patch": "replace"}, ENV]}]},
    {"containers": [{"name": "job", "command": ["true"], "resources": {"$patch": "replace"}}]},
    {"containers": [{"name": "job", "ports": [{"containerPort": 1}]}, {"name": "b", "image": "i"}]},
    {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 1}], "hostname": "h"},
]


def test_a_patch_does_what_kubectl_would_do_with_it(bench: Bench) -> None:
    def through_kubectl(job: str, patch: dict[str, Any]) -> Any:
        words = ("patch", "--local", "-f", "-", "--type=strategic", "-o", "json", "--patch")
        done = json.loads(bench.cluster.kubectl(*words, json.dumps(patch), stdin=job))
        done["metadata"]["annotations"].pop("jupyter-unattended/nonce")  # of each rendering its own
        return in_order(done)

    bundle = bench.bundle("pass", options={"patch": None})
    plain = bench.backend.render(bundle).text
    for pod in PATCHES:
        patch = {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": pod}}}
        patched = replace(bundle, spec=bench.spec(options={"patch": patch}))
        ours = through_kubectl(bench.backend.render(patched).text, {})
        assert ours == through_kubectl(plain, patch), pod


def in_order(content: Any) -> Any:
    """Sort all lists: kubectl puts new entries first."""
    if isinstance(content, dict):
        return {name: in_order(value) for name, value in content.items()}
    if isinstance(content, list):
        return sorted(map(in_order, content), key=lambda entry: json.dumps(entry, sort_keys=True))
    return content
