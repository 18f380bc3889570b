"""What is asked for arrives: memory, volumes, Secrets, nodes, and what no option covers."""

from __future__ import annotations

import json
from collections.abc import Iterator

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


def test_a_runtime_class_that_does_not_exist(bench: Bench) -> None:
    job = bench.submit("pass", options={"runtime_class": "no-such"})
    wait_until(lambda: "no-such" in bench.wait(job, State.QUEUED).reason, "it is said", 30)
