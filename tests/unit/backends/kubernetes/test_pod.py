from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.kubernetes import pod as own_pod
from jupyter_unattended.backends.kubernetes.pod import covering, gpu_resource, own_uid, twin

DIGEST = "sha256:" + "a" * 64


def hub_pod(**container: Any) -> dict[str, Any]:
    """A pod as KubeSpawner makes it, with what others put into it."""
    notebook = {
        "name": "notebook",
        "image": "registry.example.org/team/image:v1",
        "imagePullPolicy": "Always",
        "command": ["jupyterhub-singleuser"],
        "ports": [{"containerPort": 8888}],
        "env": [
            {"name": "JUPYTERHUB_API_TOKEN", "value": "secret"},
            {"name": "JPY_API_TOKEN", "value": "secret"},
            {"name": "CPU_LIMIT", "value": "2"},
            {"name": "DB_PASSWORD", "value": "secret"},
            {"name": "HF_HOME", "value": "/data/hf"},
            {"name": "LC_ALL", "value": "C.UTF-8"},
            {"name": "OMP_NUM_THREADS", "value": "4"},
            {"name": "S3", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "k"}}},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "JUPYTERHUB_X", "valueFrom": {"secretKeyRef": {"name": "h", "key": "k"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "volumeMounts": [
            {
                "name": "home",
                "mountPath": "/home/jovyan",
                "subPathExpr": "users/$(JUPYTERHUB_USER)",
            },
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io"},
            {"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks"},
        ],
        "resources": {"limits": {"memory": "8G", "amd.com/gpu": "1"}},
        "securityContext": {"runAsUser": 1000},
        "livenessProbe": {},
        **container,
    }
    return {
        "metadata": {
            "name": "jupyter-ada",
            "namespace": "hub",
            "uid": "11111111-2222-3333-4444-555555555555",
            "labels": {"component": "singleuser-server"},
            "annotations": {},
        },
        "spec": {
            "nodeName": "node-1",
            "hostname": "ada",
            "priority": 0,
            "serviceAccountName": "notebooks",
            "initContainers": [{"name": "block-cloud-metadata"}],
            "containers": [{"name": "istio-proxy", "image": "istio"}, notebook],
            "volumes": [
                {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ada"}},
                {"name": "shm", "emptyDir": {"medium": "Memory"}},
                {"name": "kube-api-access-x", "projected": {"sources": []}},
                {
                    "name": "aws-iam-token",
                    "projected": {"sources": [{"serviceAccountToken": {"audience": "sts"}}]},
                },
                {"name": "istio-envoy", "emptyDir": {}},
            ],
            "nodeSelector": {"pool": "users"},
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists"},
                {"key": "hub.jupyter.org/dedicated", "operator": "Exists"},
            ],
            "imagePullSecrets": [{"name": "registry"}],
            "securityContext": {"fsGroup": 100},
            "affinity": {"nodeAffinity": {}},
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {"name": "notebook", "imageID": f"registry.example.org/team/image@{DIGEST}"}
            ],
        },
    }


def test_what_is_taken_along() -> None:
    taken = twin(hub_pod(), {"JUPYTERHUB_USER": "ada"})
    assert taken.namespace == "hub"
    assert taken.image == f"registry.example.org/team/image@{DIGEST}"
    assert taken.image_pull_policy == "Always"
    assert [entry["name"] for entry in taken.environment] == [
        "HF_HOME",
        "LC_ALL",
        "OMP_NUM_THREADS",
        "S3",
    ]
    assert taken.environment_from == ({"configMapRef": {"name": "settings"}},)
    assert [str(mount.path) for mount in taken.mounts] == ["/home/jovyan", "/dev/shm"]
    assert taken.mounts[0].mount == {
        "name": "home",
        "mountPath": "/home/jovyan",
        "subPath": "users/ada",
    }
    assert taken.mounts[0].claim == "claim-ada"
    assert taken.container_security == {"runAsUser": 1000}
    assert taken.node == "node-1"
    assert taken.pod == {
        "nodeSelector": {"pool": "users"},
        "tolerations": [{"key": "hub.jupyter.org/dedicated", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
        "securityContext": {"fsGroup": 100},
        "affinity": {"nodeAffinity": {}},
    }
    assert gpu_resource(taken.resources) == "amd.com/gpu"


def test_no_secret_comes_along() -> None:
    assert "'secret'" not in repr(twin(hub_pod(), {}))


@pytest.mark.parametrize(
    "image_id", ["sha256:" + "b" * 64, "", "docker://sha256:" + "b" * 64, "local"]
)
def test_an_image_without_a_digest_of_its_repository_stays_as_it_is_called(image_id: str) -> None:
    pod = hub_pod()
    pod["status"]["containerStatuses"][0]["imageID"] = image_id
    assert twin(pod, {}).image == "registry.example.org/team/image:v1"


def test_the_container_of_a_kubeflow_notebook_is_called_like_it() -> None:
    pod = hub_pod(name="my-notebook")
    pod["metadata"]["labels"]["notebook-name"] = "my-notebook"
    pod["spec"]["containers"].append({"name": "main", "image": "other"})
    assert "registry.example.org" in (twin(pod, {}).image or "")


def test_the_deepest_mount_covers() -> None:
    pod = hub_pod()
    pod["spec"]["containers"][1]["volumeMounts"].append(
        {"name": "home", "mountPath": "/home/jovyan/project"}
    )
    mounts = twin(pod, {}).mounts
    for path, expected in (
        ("/home/jovyan/project/a", "/home/jovyan/project"),
        ("/home/jovyan/projects", "/home/jovyan"),
        ("/home/jovyan", "/home/jovyan"),
    ):
        found = covering(mounts, Path(path))
        assert found is not None
        assert str(found.path) == expected
    assert covering(mounts, Path("/srv")) is None


def test_the_uid_is_read_from_the_kubelets_mounts(tmp_path: Path) -> None:
    uid = "11111111-2222-3333-4444-555555555555"
    file = tmp_path / "mountinfo"
    file.write_text(
        "1 0 8:1 / / rw - overlay overlay rw\n"
        f"2 1 8:1 /var/lib/kubelet/pods/{uid}/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"
    )
    assert own_uid(file) == uid
    file.write_text("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
    assert own_uid(file) is None
    assert own_uid(tmp_path / "absent") is None


def test_a_pod_of_the_right_name_may_still_be_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_pod, "own_uid", lambda: "99999999-2222-3333-4444-555555555555")
    assert not own_pod._is_ours(hub_pod())
    monkeypatch.setattr(own_pod, "own_uid", lambda: hub_pod()["metadata"]["uid"])
    assert own_pod._is_ours(hub_pod())
