"""The real thing: a notebook server in a pod submits the notebook that is open in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_unattended.backends.kubernetes.rights import ROLE
from tests.cluster.harness import REPOSITORY, wait_until
from tests.on_cluster.jobs import Bench
from tests.on_cluster.server import HOME, Server


@pytest.fixture
def server(bench: Bench) -> Server:
    """A notebook server whose service account has the rights that our documentation asks for."""
    return serve(bench, {})


def serve(bench: Bench, claims: dict[str, str]) -> Server:
    cluster, namespace = bench.cluster, bench.namespace
    if not cluster.is_ours:
        pytest.skip("the pod of this test needs this machine's files and network")
    cluster.kubectl("create", "serviceaccount", "notebook", "-n", namespace)
    subject = f"{{kind: ServiceAccount, name: notebook, namespace: {namespace}}}"
    cluster.kubectl("apply", "-f", "-", stdin=ROLE.format(namespace=namespace, subject=subject))
    cluster.kubectl("create", "secret", "generic", "team", "-n", namespace, "--from-literal=word=x")
    running = Server(bench, "notebook", claims)
    try:
        running.wait()
    except AssertionError as error:
        log = cluster.kubectl("logs", "jupyter-ada", "-c", "notebook", "-n", namespace, check=False)
        raise AssertionError(f"{error}\n{log}") from error
    return running


@pytest.mark.timeout(240)
def test_the_digits_example(server: Server) -> None:
    bench = server.bench
    shutil.copy(REPOSITORY / "examples" / "train-digits.ipynb", bench.workspace)
    (bench.workspace / "requirements.txt").write_text("scikit-learn\nmatplotlib\n")
    backends = {entry["name"]: entry for entry in server.ask("/backends")["backends"]}
    assert backends["kubernetes"]["usable"], backends["kubernetes"]["reason"]
    data: dict[str, Any] = {
        "backend": "kubernetes",
        "parameters": {"epochs": 3},
        "cpus": 0.1,
        "memory": "1Gi",
    }
    request = {"notebook": "train-digits.ipynb", "data": data}
    texts = [file["text"] for file in server.ask("/preview", request)["files"]]
    assert any("# What is at /opt/repository is of the node that it runs on" in t for t in texts)
    job = server.ask("/jobs", request)

    def ended() -> Any:
        found = server.ask(f"/jobs/{job['id']}")
        found = found.get("job", found)
        return found if found["state"] in ("succeeded", "failed", "cancelled") else None

    end = wait_until(ended, "the job has ended", 150, interval=1)
    assert end["state"] == "succeeded", end
    directory = server.path(end["directory"])
    executed = nbformat.read(directory / "output.ipynb", as_version=4)
    injected = [c for c in executed.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert "epochs = 3" in injected[0].source
    assert any(cell.get("outputs") for cell in executed.cells)
    assert "epoch" in (directory / "attempts" / "1" / "log.txt").read_text().lower()
    metrics = (directory / "metrics.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in metrics]) >= 3
    check_the_twin(bench, end["id"])


def check_the_twin(bench: Bench, job_id: str) -> None:
    """The job's pod is the server's without the server in it."""
    selector = f"jupyter-unattended/job={job_id}"
    (pod,) = bench.cluster.get("pods", "-n", bench.namespace, "-l", selector)["items"]
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert container["image"] == bench.cluster.image
    assert not spec.get("hostNetwork")
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert set(mounts) == {str(HOME), "/opt/repository"}
    environment = {entry["name"]: entry for entry in container["env"]}
    assert environment["TZ"]["value"] == "Europe/Zurich"
    assert "secretKeyRef" in environment["FROM_SECRET"]["valueFrom"]
    assert "s3cret" not in json.dumps(pod)
    assert not {"JUPYTERHUB_API_TOKEN", "MEM_LIMIT", "DATABASE_PASSWORD"} & set(environment)
    assert pod["metadata"]["labels"]["jupyter-unattended/user"] == "ada-example.org"
    assert not {"component", "app.kubernetes.io/name"} & set(pod["metadata"]["labels"])


@pytest.mark.timeout(300)
def test_steering_from_the_server(server: Server) -> None:
    bench = server.bench
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import time\nprint('begun', flush=True)\ntime.sleep(90)")]
    )
    nbformat.write(notebook, bench.workspace / "long.ipynb")
    data = {"backend": "kubernetes", "cpus": 0.1, "grace_period": 5}
    job = server.ask("/jobs", {"notebook": "long.ipynb", "data": data})["id"]

    def is_in(state: str) -> None:
        wait_until(lambda: _state(server, job) == state, f"{job} is {state}", 60, interval=0.5)

    is_in("running")
    for action, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        server.ask(f"/jobs/{job}/{action}", {})
        is_in(state)


def _state(server: Server, job: str) -> str:
    found = server.ask(f"/jobs/{job}")
    return str(found.get("job", found)["state"])


def write(bench: Bench, *cells: str) -> None:
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(content, bench.workspace / "test.ipynb")
    (bench.workspace / "requirements.txt").touch()


@pytest.mark.timeout(300)
def test_a_volume_that_only_this_node_can_mount(bench: Bench, tmp_path: Path) -> None:
    """The job runs where the server is, and the preview says so."""
    bench.make_claim("scratch", tmp_path, "ReadWriteOnce")
    server = serve(bench, {"scratch": "/scratch"})
    write(bench, "import pathlib\npathlib.Path('/scratch/made').touch()")
    data = {"backend": "kubernetes", "cpus": 0.1, "requirements": ""}
    request = {"notebook": "test.ipynb", "data": data}
    (shown,) = (
        file["text"]
        for file in server.ask("/preview", request)["files"]
        if file["filename"].endswith(".yaml")
    )
    assert "# Runs on node 127.0.0.1, because a claim is mounted there (RWO)" in shown
    job = server.ask("/jobs", request)["id"]
    wait_until(lambda: _state(server, job) == "succeeded", f"{job} is succeeded", 120, interval=0.5)
    assert (tmp_path / "made").exists()
    selector = f"jupyter-unattended/job={job}"
    (pod,) = bench.cluster.get("pods", "-n", bench.namespace, "-l", selector)["items"]
    required = pod["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    (term,) = required["nodeSelectorTerms"]
    assert term["matchFields"][0]["values"] == ["127.0.0.1"]


@pytest.mark.timeout(240)
def test_a_volume_that_only_this_pod_can_mount(bench: Bench, tmp_path: Path) -> None:
    """Refused before anything is submitted, with the reason, in the form too."""
    bench.make_claim("mine", tmp_path, "ReadWriteOncePod")
    server = serve(bench, {"mine": "/mine"})
    write(bench, "pass")
    request = {"notebook": "test.ipynb", "data": {"backend": "kubernetes", "requirements": ""}}
    for path in ("/preview", "/jobs"):
        with pytest.raises(RuntimeError, match="mine can be mounted by one pod only"):
            server.ask(path, request)
    assert server.ask("/jobs")["jobs"] == []
