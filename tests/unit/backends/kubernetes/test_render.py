"""Rendering where there is no cluster, and no right to anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_unattended.backends.base import Bundle
from jupyter_unattended.backends.kubernetes import KubernetesBackend
from jupyter_unattended.errors import SpecError
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def bundle(**fields: Any) -> Bundle:
    workspace = Path("/work/me")
    spec = JobSpec.checked(
        notebook=workspace / "n.ipynb", workspace=workspace, backend="kubernetes", **fields
    )
    return Bundle(spec, JobPaths.in_workspace(workspace, "n-1"))


def test_the_job_as_yaml() -> None:
    options = {"volume": ["pvc:work:/work"], "data": ["pvc:train:/data"]}
    fields = {"image": "i:1", "gpus": 2, "arguments": ["--epochs=3"], "secret_env": ["TOKEN"]}
    shown = KubernetesBackend().render(bundle(options=options, **fields))
    assert (shown.filename, shown.language) == ("n-1.yaml", "yaml")
    assert shown.text.startswith("# Needs a Secret called n-1 with the keys: TOKEN\n")
    job = yaml.safe_load(shown.text)
    pod = job["spec"]["template"]["spec"]
    assert "namespace" not in job["metadata"]
    assert pod["containers"][0]["command"] == [
        "bash",
        "/work/me/.unattended/n-1/start.sh",
        "--epochs=3",
    ]
    assert [volume["name"] for volume in pod["volumes"]] == [
        "claim-work",
        "claim-train",
        "shared-memory",
    ]


def test_a_queue_needs_its_system_to_be_named() -> None:
    options = {"volume": ["pvc:work:/work"], "queue": "team"}
    with pytest.raises(SpecError, match=r"--queue-system .*no cluster to ask"):
        KubernetesBackend().render(bundle(image="i:1", options=options))
    named = KubernetesBackend().render(
        bundle(image="i:1", options={**options, "queue_system": "kai"})
    )
    assert "kai.scheduler/queue: team" in named.text


def test_without_image_and_volume_it_says_what_to_give() -> None:
    with pytest.raises(SpecError, match="--image"):
        KubernetesBackend().render(bundle())
    with pytest.raises(SpecError, match="--volume"):
        KubernetesBackend().render(bundle(image="i:1"))


def test_without_a_cluster_it_is_not_usable_and_says_why() -> None:
    available = KubernetesBackend().availability()
    assert not available.usable
    assert "no kubeconfig" in available.reason
