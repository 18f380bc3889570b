"""The shared watch: what it costs, and what it survives."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_unattended.backends.base import JobRef
from jupyter_unattended.backends.kubernetes import KubernetesBackend
from jupyter_unattended.backends.kubernetes.client import Api
from jupyter_unattended.backends.kubernetes.watch import Watch
from jupyter_unattended.errors import BackendError
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.view import JobView
from tests.cluster.harness import wait_until
from tests.on_cluster.jobs import Bench

SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(8)"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts what the backend asks of the API server, by method and path."""
    counted: Counter[str] = Counter()
    once = Api._once

    def counting(self: Api, method: str, path: str, *rest: Any) -> Any:
        counted[f"{method} {path}"] += 1
        return once(self, method, path, *rest)

    monkeypatch.setattr(Api, "_once", counting)
    return counted


def watching(bench: Bench, job: JobRef) -> Watch:
    """Look until both watches have begun."""
    watch = bench.backend._cluster(None).watch(bench.namespace)
    wait_until(
        lambda: bench.look(job) and watch.jobs._response and watch.pods._response, "both watches"
    )
    return watch


def test_polling_many_jobs_costs_as_much_as_polling_one(
    bench: Bench, requests: Counter[str]
) -> None:
    options = {"patch": {"spec": {"suspend": True}}}  # they cost nothing, and are there
    jobs = [bench.submit("pass", name=f"run-{n}", options=options) for n in range(40)]
    costs = []
    for group in (jobs[:1], jobs):
        backend = KubernetesBackend()
        requests.clear()
        for _ in range(20):
            assert len(backend.poll(group)) == len(group)
        costs.append(requests.total())
        backend.close()
    assert costs[0] == costs[1] <= 6, costs


def test_changes_are_told_and_not_asked_for(bench: Bench, requests: Counter[str]) -> None:
    job = bench.begin(SLEEP)
    requests.clear()
    bench.wait(job, State.SUCCEEDED, timeout=40)
    asked = {path: number for path, number in requests.items() if "/events" not in path}
    assert sum(asked.values()) <= 6, asked


def test_a_job_of_another_process_is_there_at_once(bench: Bench) -> None:
    """The watch need not have heard of it yet."""
    first = bench.submit("pass", name="first")
    for _ in range(3):
        bench.look(first)
    other = KubernetesBackend()
    for number in range(5):
        bundle = bench.bundle("pass", name=f"other-{number}")
        job = JobRef(bundle.job_id, other.submit(bundle), bundle.paths)
        assert bench.look(job) is not None


@pytest.fixture
def healed(bench: Bench) -> Iterator[None]:
    """Afterwards the cluster's own programs have found the API server again, which takes a while.

    They wait longer and longer between their attempts, and no job of the next test would start.
    """
    yield
    if bench.cluster.is_ours:
        job = bench.submit("pass", name="healed")
        bench.wait(job, State.SUCCEEDED, timeout=150)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("healed")
def test_the_api_server_is_killed_and_comes_back(bench: Bench) -> None:
    if not bench.cluster.is_ours:
        pytest.skip("KUBECONFIG names a cluster whose API server is not ours to kill")
    job = bench.begin(SLEEP)
    bench.look(job)
    bench.cluster.command("kill kube-apiserver")
    try:
        problem = wait_until(lambda: _problem(bench, job), "the watch has noticed", 5)
        assert "cannot be reached: connection refused" in problem
    finally:
        bench.cluster.command("start kube-apiserver")
    bench.wait(job, State.RUNNING, State.SUCCEEDED, timeout=20)
    ended = bench.wait(job, State.SUCCEEDED, timeout=120)
    assert ended.attempt == 1


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("healed")
def test_what_is_shown_while_the_api_server_is_away(bench: Bench, tmp_path: Path) -> None:
    """Unknown, with what was last seen and when; never failed, and nothing of it stays."""
    if not bench.cluster.is_ours:
        pytest.skip("KUBECONFIG names a cluster whose API server is not ours to kill")
    service = JobService(tmp_path / "state")
    service._backends["kubernetes"] = bench.backend
    spec = bench.spec()
    cell = new_code_cell("import time\nprint('begun', flush=True)\ntime.sleep(25)")
    nbformat.write(new_notebook(cells=[cell]), spec.notebook)
    (bench.workspace / "requirements.txt").touch()
    job = service.submit(spec)
    wait_until(lambda: service.get(job.id).state is State.RUNNING, "it runs", 60)
    bench.cluster.command("kill kube-apiserver")
    try:
        seen = wait_until(lambda: _unknown(service, job.id), "it is noticed", 30)
        assert re.match(
            r"kubernetes does not answer since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, before that it was "
            r"running: The Kubernetes API server https://\S+ cannot be reached: connection refused",
            seen.reason,
        )
        assert "begun" in "".join(service.logs(job.id))  # the workspace is there all the same
        assert [view.state for view in service.list()] == [State.UNKNOWN]
        with pytest.raises(BackendError, match="cannot be reached"):
            service.cancel(job.id)
        with pytest.raises(BackendError, match="cannot be reached"):
            service.submit(spec)
        assert len(service.list()) == 1
        available = bench.backend.availability()
        assert not available.usable
        assert "cannot be reached" in available.reason
    finally:
        bench.cluster.command("start kube-apiserver")
    wait_until(lambda: service.get(job.id).state is not State.UNKNOWN, "it is seen again", 30)
    assert service.get(job.id).state in (State.RUNNING, State.SUCCEEDED)
    wait_until(lambda: service.get(job.id).state is State.SUCCEEDED, "it has succeeded", 120)


def _unknown(service: JobService, job: str) -> JobView | None:
    seen = service.get(job)
    assert seen.state in (State.RUNNING, State.UNKNOWN)
    return seen if seen.state is State.UNKNOWN else None


def _problem(bench: Bench, job: JobRef) -> str:
    try:
        bench.look(job)
    except BackendError as error:
        return str(error)
    return ""


def test_a_watch_that_is_too_far_behind_reads_everything_again(bench: Bench) -> None:
    """410 Gone: the API server has forgotten the version that the watch wants to go on from."""
    job = bench.begin(SLEEP)
    watch = watching(bench, job)
    for part in (watch.jobs, watch.pods):
        part._version = "1"
        part._response.shutdown()
    bench.wait(job, State.SUCCEEDED, timeout=40)


def test_a_connection_that_is_cut(bench: Bench) -> None:
    job = bench.begin(SLEEP)
    watch = watching(bench, job)
    for _ in range(3):
        time.sleep(0.5)
        watch.jobs._response.shutdown()
        watch.pods._response.shutdown()
    bench.wait(job, State.SUCCEEDED, timeout=40)


def test_a_token_that_expires(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A token that is not accepted any more is read again, in requests and in watches."""
    cluster, namespace = bench.cluster, bench.namespace
    cluster.kubectl("create", "serviceaccount", "person", "--namespace", namespace)
    cluster.kubectl(
        *("create", "rolebinding", "person", "--clusterrole=admin", "--namespace", namespace),
        f"--serviceaccount={namespace}:person",
    )
    file = tmp_path / "token"

    def renew(number: int) -> None:
        # A token that is bound to an object ends with it; waiting for its time takes ten minutes.
        cluster.kubectl("create", "secret", "generic", f"life-{number}", "-n", namespace)
        new = cluster.kubectl(
            *("create", "token", "person", "--namespace", namespace),
            *("--bound-object-kind=Secret", f"--bound-object-name=life-{number}"),
        )
        file.write_text(new.strip())

    renew(1)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": [
                "-c",
                'printf \'{"apiVersion": "client.authentication.k8s.io/v1", '
                '"kind": "ExecCredential", "status": {"token": "%s"}}\' "$(cat "$0")"',
                str(file),
            ],
            "interactiveMode": "Never",
        }
    }
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_with(user, namespace)))
    bench.backend.close()
    bench.backend = KubernetesBackend()
    job = bench.begin(SLEEP)
    for _ in range(3):
        bench.look(job)
    renew(2)
    cluster.kubectl("delete", "secret", "life-1", "-n", namespace)
    api = bench.backend._cluster(None).api
    before = api._configuration

    def renewed() -> bool:
        api.get(f"/api/v1/namespaces/{namespace}/pods", limit=1)
        return api._configuration is not before

    # The API server remembers for some seconds that it accepted the old one.
    wait_until(renewed, "the old token is refused, and a new one is fetched", 40, interval=1)
    bench.wait(job, State.SUCCEEDED, timeout=40)
