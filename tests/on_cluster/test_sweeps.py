"""Many runs of one notebook, as one Indexed Job: each with its own directory, state and end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_unattended.backends.base import JobRef
from jupyter_unattended.errors import BackendError
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.view import JobView
from jupyter_unattended.spec import JobSpec
from tests.cluster.harness import wait_until
from tests.on_cluster.jobs import Bench

#: What each run does is its parameter; what is stopped goes on to the end in its second attempt.
RUN = """
import os, time
print("begun", what, os.environ["WORD"], os.environ["SAME"], flush=True)
if what == "fail":
    raise ValueError("as asked")
if what == "wait" and os.environ["UNATTENDED_ATTEMPT"] == "1":
    time.sleep(300)
print("finished")
"""


@pytest.fixture
def service(bench: Bench, tmp_path: Path) -> JobService:
    service = JobService(tmp_path / "state")
    service._backends["kubernetes"] = bench.backend
    return service


def specs(bench: Bench, *what: str, **options: Any) -> list[JobSpec]:
    cells = [nbformat.v4.new_code_cell("what = 'pass'"), nbformat.v4.new_code_cell(RUN)]
    cells[0].metadata["tags"] = ["parameters"]
    path = bench.workspace / "sweep.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    (bench.workspace / "requirements.txt").touch()
    return [
        JobSpec.checked(
            notebook=path,
            workspace=bench.workspace,
            backend="kubernetes",
            image=bench.cluster.image,
            cpus=0.01,
            grace_period=5,
            name=f"run {number} $x",
            parameters={"what": one},
            env={"WORD": f"$({number}) 'x'", "SAME": "$(y) z"},
            options={**bench.options(), **options},
        )
        for number, one in enumerate(what)
    ]


def until(service: JobService, job: JobView, state: State, timeout: float = 90) -> JobView:
    def there() -> JobView | None:
        now = service.get(job.id)
        assert now.state is state or not now.state.is_final, f"{now}\n{log(service, job)}"
        return now if now.state is state else None

    found = wait_until(there, f"{job.id} is {state}", timeout)
    assert found is not None
    return found


def log(service: JobService, job: JobView) -> str:
    return "".join(service.logs(job.id))


def pods(bench: Bench, index: int) -> list[dict[str, Any]]:
    selector = f"batch.kubernetes.io/job-completion-index={index}"
    found: list[dict[str, Any]] = bench.cluster.get(
        "pods", "--namespace", bench.namespace, "--selector", selector
    )["items"]
    return found


@pytest.mark.timeout(240)
def test_runs_share_a_job_and_nothing_else(bench: Bench, service: JobService) -> None:
    wanted = specs(bench, "pass", "fail", "wait", "wait", "wait")
    done, failed, stopped, paused, cancelled = service.submit_many(wanted)
    (job,) = bench.cluster.get("jobs", "--namespace", bench.namespace)["items"]
    assert (job["spec"]["completionMode"], job["spec"]["completions"]) == ("Indexed", 5)

    assert until(service, done, State.SUCCEEDED).exit_code == 0
    assert "begun pass $(0) 'x' $(y) z\n" in log(service, done)
    end = until(service, failed, State.FAILED)
    assert (end.exit_code, end.attempt) == (1, 1)
    assert "ValueError: as asked" in end.reason

    for waiting in (stopped, paused, cancelled):
        wait_until(lambda job=waiting: "begun" in log(service, job), "it has begun", 60)  # type: ignore[misc]
        until(service, waiting, State.RUNNING)
    name = pods(bench, 2)[0]["metadata"]["name"]
    bench.cluster.kubectl("delete", "pod", name, "--namespace", bench.namespace, "--wait=false")
    service.cancel(cancelled.id)
    service.pause(paused.id)
    assert until(service, cancelled, State.CANCELLED).reason == "cancelled"
    until(service, paused, State.PAUSED)
    service.resume(paused.id)
    assert until(service, paused, State.SUCCEEDED).attempt == 2
    assert "begun wait $(3) 'x' $(y) z\n" in log(service, paused)
    assert until(service, stopped, State.SUCCEEDED).attempt == 2
    assert State.PREEMPTED in [entry.state for entry in service.history(stopped.id)]

    def over() -> bool:
        (found,) = (
            item
            for item in bench.cluster.get("jobs", "--namespace", bench.namespace)["items"]
            if item["metadata"]["name"] == job["metadata"]["name"]
        )
        return any(entry["type"] == "Failed" for entry in found["status"].get("conditions", []))

    # What was taken out does not hold up the rest.
    wait_until(over, "the Job has ended", 60)
    assert "finished" not in log(service, cancelled).splitlines()
    for view in (done, failed, stopped, paused, cancelled):
        service.delete(view.id)
    assert not (bench.workspace / ".unattended" / ".sweeps").exists()
    wait_until(
        lambda: not bench.cluster.get("jobs", "--namespace", bench.namespace)["items"],
        "the Jobs are gone",
    )


def test_cancelling_all_runs_leaves_no_pod_waiting(bench: Bench, service: JobService) -> None:
    """Those that wait for a node too: nothing of them may hold quota for ever."""
    wanted = specs(bench, "wait", "wait", "wait", at_once=1, node_selector={"no": "where"})
    jobs = service.submit_many(wanted)
    until(service, jobs[0], State.QUEUED)
    for job in jobs:
        service.cancel(job.id)
        until(service, job, State.CANCELLED)
    wait_until(
        lambda: not bench.cluster.get("jobs,pods", "--namespace", bench.namespace)["items"],
        "all is gone",
    )


def test_a_refused_sweep_leaves_nothing(bench: Bench, service: JobService) -> None:
    patch = {"spec": {"template": {"spec": {"dnsPolicy": "None"}}}}
    with pytest.raises(BackendError, match="dnsConfig"):
        service.submit_many(specs(bench, "pass", "pass", patch=patch))
    assert service.list() == []
    home = bench.workspace / ".unattended"
    assert [path for path in home.rglob("*") if path.is_file() and path.name != ".gitignore"] == []


def test_runs_with_secrets_are_jobs_of_their_own(bench: Bench, service: JobService) -> None:
    wanted = [
        spec.model_copy(update={"secret_env": ["HIDDEN"]}) for spec in specs(bench, "pass", "pass")
    ]
    jobs = service.submit_many(wanted, secrets={"HIDDEN": "x"})
    assert len(bench.cluster.get("jobs", "--namespace", bench.namespace)["items"]) == 2
    for job in jobs:
        until(service, job, State.SUCCEEDED)


@pytest.mark.timeout(300)
def test_a_sweep_is_one_request(bench: Bench, service: JobService) -> None:
    counted = []
    api = bench.backend._cluster(None).api
    create = api.create

    def counting(path: str, *rest: Any, **query: Any) -> Any:
        counted.append(path)
        return create(path, *rest, **query)

    api.create = counting  # type: ignore[method-assign]
    views = service.submit_many(specs(bench, *["pass"] * 50, at_once=10))
    assert sum(path.endswith("/jobs") for path in counted) == 1

    def all_done() -> bool:
        now = {view.id: view for view in service.list()}
        assert len(now) == 50
        failed = [view for view in now.values() if view.state is State.FAILED]
        assert not failed, (failed[0], log(service, failed[0]))
        return all(view.state is State.SUCCEEDED for view in now.values())

    wait_until(all_done, "all have succeeded", 240, interval=1)
    for number, view in enumerate(views):
        assert f"begun pass $({number}) 'x'" in log(service, view)


def test_without_the_right_to_delete_pods_one_run_is_not_stopped_alone(
    bench: Bench, service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_unattended.backends.kubernetes.rights import ROLE

    first, *_ = service.submit_many(specs(bench, "pass", "pass", node_selector={"no": "where"}))
    cluster, namespace = bench.cluster, bench.namespace
    cluster.kubectl("create", "serviceaccount", "person", "-n", namespace)
    subject = f"{{kind: ServiceAccount, name: person, namespace: {namespace}}}"
    role = ROLE.format(namespace=namespace, subject=subject).replace("watch, delete]", "watch]")
    cluster.kubectl("apply", "-f", "-", stdin=role)
    token = cluster.kubectl("create", "token", "person", "-n", namespace).strip()
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_with({"token": token}, namespace)))
    bench.backend.close()
    bench.backend = service._backends["kubernetes"] = type(bench.backend)()
    with pytest.raises(BackendError, match="may not delete pods"):
        service.cancel(first.id)
    ref = JobRef(first.id, service._discovery.find(first.id).handle, service.paths(first.id))
    seen = bench.wait(ref, State.QUEUED)
    assert "does not match the node selector" in seen.reason
