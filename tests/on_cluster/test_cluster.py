"""The cluster itself: what the other tests take for granted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.harness import Kubernetes, wait_until


def job(name: str, image: str, *command: str) -> dict[str, Any]:
    container = {"name": "main", "image": image, "command": list(command)}
    pod = {"restartPolicy": "Never", "dnsPolicy": "Default", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}},
    }


def test_a_job_runs_in_the_image(cluster: Kubernetes, namespace: str) -> None:
    program = "import IPython, sklearn, jupyter_server; print('it works')"
    cluster.create(job("hello", cluster.image, "python3", "-c", program), namespace=namespace)
    cluster.kubectl(
        *("wait", "--namespace", namespace, "--for=condition=complete", "job/hello"),
        "--timeout=60s",
    )
    assert cluster.kubectl("logs", "--namespace", namespace, "job/hello") == "it works\n"


@pytest.mark.timeout(300)
def test_the_api_server_can_be_killed_and_started_again(
    cluster: Kubernetes, namespace: str
) -> None:
    if not cluster.is_ours:
        pytest.skip("KUBECONFIG names a cluster whose API server is not ours to kill")
    cluster.create(job("before", cluster.image, "true"), namespace=namespace)
    assert cluster.command("kill kube-apiserver") == {}
    assert "refused" in cluster.kubectl("get", "jobs", check=False)
    assert cluster.command("start kube-apiserver") == {}
    wait_until(
        lambda: cluster.get("--namespace", namespace, "job/before")["status"].get("succeeded"),
        "the job from before completes",
        timeout=110,
    )
