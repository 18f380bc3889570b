from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.base import Bundle
from jupyter_unattended.backends.kubernetes.manifest import Place, build
from jupyter_unattended.backends.kubernetes.mounts import quantity
from jupyter_unattended.backends.kubernetes.options import KubernetesOptions
from jupyter_unattended.backends.kubernetes.pod import Twin, twin
from jupyter_unattended.backends.kubernetes.queues import Queue
from jupyter_unattended.errors import SpecError
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec

from .test_pod import hub_pod

HOME = Path("/home/jovyan/work")


def bundle(**fields: Any) -> Bundle:
    spec = JobSpec.checked(
        **{"notebook": HOME / "n.ipynb", "workspace": HOME, "backend": "kubernetes", **fields}
    )
    return Bundle(spec, JobPaths.in_workspace(HOME, "n-1"))


def job(place: Place | None = None, options: dict[str, Any] | None = None, **fields: Any) -> Any:
    place = place or Place(twin=twin(hub_pod(), {}))
    return build(bundle(**fields), KubernetesOptions(**(options or {})), place)


def pod_of(found: Any) -> Any:
    return found["spec"]["template"]["spec"]


def container_of(found: Any) -> Any:
    (container,) = pod_of(found)["containers"]
    return container


def environment(found: Any) -> dict[str, Any]:
    return {entry["name"]: entry for entry in container_of(found)["env"]}


def test_it_is_the_servers_pod_with_start_sh_in_it() -> None:
    found = job(arguments=["--a=$(HOME)", "b c"])
    container = container_of(found)
    assert container["command"] == [
        "bash",
        "/home/jovyan/work/.unattended/n-1/start.sh",
        "--a=$$(HOME)",
        "b c",
    ]
    assert container["image"].startswith("registry.example.org/team/image@sha256:")
    for absent in ("ports", "livenessProbe", "args", "lifecycle"):
        assert absent not in container
    pod = pod_of(found)
    for absent in ("nodeName", "hostname", "priority", "initContainers", "serviceAccountName"):
        assert absent not in pod
    assert pod["nodeSelector"] == {"pool": "users"}
    assert [volume["name"] for volume in pod["volumes"]] == ["home", "shm"]


def test_it_can_be_stopped_and_started_again() -> None:
    found = job(max_restarts=7, grace_period=12.5)
    spec = found["spec"]
    assert spec["backoffLimit"] == 7
    assert environment(found)["UNATTENDED_MAX_RESTARTS"]["value"] == "7"
    assert spec["podReplacementPolicy"] == "Failed"
    assert pod_of(found)["restartPolicy"] == "Never"
    assert pod_of(found)["terminationGracePeriodSeconds"] == 13
    actions = [rule["action"] for rule in spec["podFailurePolicy"]["rules"]]
    assert actions == ["Ignore", "Ignore", "FailJob"]
    assert spec["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] == [75]
    assert spec["podFailurePolicy"]["rules"][2]["onExitCodes"] == {
        "containerName": "job",
        "operator": "NotIn",
        "values": [75, 137],
    }


def test_resources() -> None:
    found = job(cpus=2.5, memory="4Gi", gpus=2)
    assert container_of(found)["resources"] == {
        "requests": {"cpu": "2.5", "memory": "4Gi"},
        "limits": {"memory": "4Gi", "amd.com/gpu": "2"},
    }
    assert container_of(job())["resources"]["limits"] == {"memory": "8G"}
    other = job(gpus=1, options={"gpu_resource": "nvidia.com/mig-1g.5gb"})
    assert container_of(other)["resources"]["limits"]["nvidia.com/mig-1g.5gb"] == "1"


@pytest.mark.parametrize(
    ("size", "text"),
    [(2**28, "256Mi"), (2**30, "1Gi"), (10**9, "1G"), (1000, "1000"), (1024, "1Ki")],
)
def test_quantities(size: int, text: str) -> None:
    assert quantity(size) == text


def test_shared_memory_where_there_are_gpus_or_it_is_asked_for() -> None:
    outside = Place(twin=Twin())
    fields = {"image": "i"}
    options: dict[str, Any] = {"volume": [f"pvc:w:{HOME}"]}

    def shared(found: Any) -> list[Any]:
        return [v["emptyDir"] for v in pod_of(found)["volumes"] if "emptyDir" in v]

    assert shared(job(outside, options, **fields)) == []
    assert shared(job(outside, options, gpus=1, **fields)) == [{"medium": "Memory"}]
    options["shared_memory"] = "2Gi"
    assert shared(job(outside, options, **fields)) == [{"medium": "Memory", "sizeLimit": "2Gi"}]


def test_different_volumes_have_different_names() -> None:
    options = {"volume": ["pvc:a.b:/1", "pvc:a-b:/2", "pvc:a.b:/3:ro", f"pvc:{'x' * 70}:/4"]}
    taken = hub_pod()
    other = {"name": "claim-a-b", "nfs": {"server": "s", "path": "/"}}
    taken["spec"]["volumes"].append(other)
    mount = {"name": "claim-a-b", "mountPath": "/0"}
    taken["spec"]["containers"][1]["volumeMounts"].append(mount)
    found = job(Place(twin=twin(taken, {})), options)
    volumes = {volume["name"]: volume for volume in pod_of(found)["volumes"]}
    assert len(volumes) == len(pod_of(found)["volumes"])
    assert all(len(name) <= 63 for name in volumes)
    mounted = {m["mountPath"]: volumes[m["name"]] for m in container_of(found)["volumeMounts"]}
    assert mounted["/0"]["nfs"] == other["nfs"]
    claims = [mounted[f"/{n}"]["persistentVolumeClaim"]["claimName"] for n in (1, 2, 3)]
    assert claims == ["a.b", "a-b", "a.b"]
    assert mounted["/1"] == mounted["/3"]


def test_secrets_are_references() -> None:
    options = {"secret": ["all", "one/key=VARIABLE", "files:/etc/files"]}
    found = job(options=options, secret_env=["TOKEN"])
    container = container_of(found)
    assert {"secretRef": {"name": "all"}} in container["envFrom"]
    variables = environment(found)
    assert variables["VARIABLE"]["valueFrom"]["secretKeyRef"] == {"name": "one", "key": "key"}
    assert variables["TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "n-1", "key": "TOKEN"}
    assert {"name": "secret-files", "mountPath": "/etc/files", "readOnly": True} in container[
        "volumeMounts"
    ]


def test_another_image_has_its_own_interpreter() -> None:
    assert "UNATTENDED_PYTHON" not in environment(job())
    assert environment(job(image="other"))["UNATTENDED_PYTHON"]["value"] == "python3"
    env = {"UNATTENDED_PYTHON": "/opt/python"}
    assert environment(job(image="other", env=env))["UNATTENDED_PYTHON"]["value"] == "/opt/python"


def test_the_time_limit_is_counted_in_the_job() -> None:
    found = job(time_limit=90)
    assert environment(found)["UNATTENDED_TIME_LIMIT"]["value"] == "90"
    assert "activeDeadlineSeconds" not in found["spec"]  # counts waiting, and starts over


def test_a_claim_of_one_node_pins_every_alternative() -> None:
    place = Place(twin=twin(hub_pod(), {}), pin="node-1")
    required = pod_of(job(place))["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert required["nodeSelectorTerms"] == [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
    ]
    assert "nodeName" not in pod_of(job(place))


@pytest.mark.parametrize(
    ("queue", "scheduler", "on_job", "on_pod"),
    [
        (Queue("kueue", "q"), None, "kueue.x-k8s.io/queue-name", None),
        (Queue("kai", "q"), "kai-scheduler", "kai.scheduler/queue", "kai.scheduler/queue"),
        (Queue("runai", "q"), "runai-scheduler", "runai/queue", "runai/queue"),
    ],
)
def test_queues(queue: Queue, scheduler: str | None, on_job: str, on_pod: str | None) -> None:
    found = job(Place(twin=twin(hub_pod(), {}), queue=queue))
    assert found["metadata"]["labels"][on_job] == "q"
    assert pod_of(found).get("schedulerName") == scheduler
    pod_labels = found["spec"]["template"]["metadata"]["labels"]
    assert [key for key in pod_labels if "queue" in key] == ([on_pod] if on_pod else [])
    assert "suspend" not in found["spec"]


def test_kueue_takes_priority_and_time_limit_from_labels() -> None:
    place = Place(twin=twin(hub_pod(), {}), queue=Queue("kueue", "q", 90.5))
    labels = job(place, {"workload_priority": "high"})["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/priority-class"] == "high"
    assert labels["kueue.x-k8s.io/max-exec-time-seconds"] == "91"


def test_the_patch_has_the_last_word() -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "job", "tty": True}]}}}}
    assert container_of(job(options={"patch": patch}))["tty"] is True


def test_code_in_the_image_mounts_the_job_directory_only() -> None:
    found = job(options={"code": "image"})
    mounts = {mount["mountPath"]: mount for mount in container_of(found)["volumeMounts"]}
    assert "/home/jovyan" not in mounts
    assert mounts["/home/jovyan/work/.unattended/n-1"]["subPath"] == "users/work/.unattended/n-1"


def test_git_is_cloned_in_the_place_of_the_workspace() -> None:
    found = job(options={"git": "https://example.org/r.git@0123abc", "git_secret": "login"})
    (clone,) = pod_of(found)["initContainers"]
    assert clone["command"][-3:] == [str(HOME), "https://example.org/r.git", "0123abc"]
    assert clone["volumeMounts"] == [{"name": "unattended-clone", "mountPath": str(HOME)}]
    mounts = [mount["mountPath"] for mount in container_of(found)["volumeMounts"]]
    assert mounts.index(str(HOME)) < mounts.index(f"{HOME}/.unattended/n-1")


def test_without_an_image_or_a_volume_it_says_what_is_missing() -> None:
    with pytest.raises(SpecError, match=r"give the container image .*--image"):
        job(Place(twin=Twin()))
    with pytest.raises(SpecError, match=r"on no volume .*--volume pvc:CLAIM:/path"):
        job(Place(twin=Twin()), image="i")
    with pytest.raises(SpecError, match=r"on no volume .*volumes are at: /data"):
        job(Place(twin=Twin()), {"volume": ["pvc:d:/data"]}, image="i")


def test_a_workspace_that_no_other_pod_sees_is_refused() -> None:
    pod = hub_pod()
    pod["spec"]["volumes"][0] = {"name": "home", "emptyDir": {}}
    with pytest.raises(SpecError, match="this pod's own /home/jovyan"):
        job(Place(twin=twin(pod, {})))
    pod = hub_pod()
    pod["spec"]["containers"][1]["volumeMounts"][0]["readOnly"] = True
    with pytest.raises(SpecError, match="mounted read-only"):
        job(Place(twin=twin(pod, {})))
