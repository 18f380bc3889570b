"""Jobs from submit to end."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_unattended.backends.base import JobRef
from jupyter_unattended.backends.kubernetes import status
from jupyter_unattended.jobs import attempts
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import State
from jupyter_unattended.spec import JobSpec
from tests.cluster.harness import wait_until
from tests.on_cluster.jobs import ENDLESS, STUBBORN, Bench


def test_a_notebook_runs_to_its_end(bench: Bench) -> None:
    job = bench.submit(
        "import sys\nprint('arguments', sys.argv[1:])",
        name="Größe & co.",
        arguments=["--text=$(HOME) $HOME $$ 'quoted'"],
    )
    ended = bench.wait(job, State.SUCCEEDED)
    assert (ended.exit_code, ended.attempt, ended.reason) == (0, 1, "")
    assert "arguments [\"--text=$(HOME) $HOME $$ 'quoted'\"]" in bench.log(job)
    output = json.loads(job.paths.output.read_text())
    assert "arguments" in "".join(output["cells"][0]["outputs"][0]["text"])


def test_a_failing_notebook_fails_at_once(bench: Bench) -> None:
    job = bench.submit("1 / 0")
    ended = bench.wait(job, State.FAILED)
    assert ended.exit_code == 1
    assert "ZeroDivisionError" in bench.log(job)
    assert len(bench.pods(job)) == 1


def test_what_a_job_is_asked_for_reaches_its_pod(bench: Bench) -> None:
    job = bench.submit(
        "import os\nprint(os.environ['PLAIN'], os.environ['HIDDEN'])",
        env={"PLAIN": "$(HOME) $$"},
        secret_env=["HIDDEN"],
        secrets={"HIDDEN": "s3cr3t $(x)"},
        memory="256Mi",
        options={"node_selector": {"kubernetes.io/os": "linux"}, "annotation": {"team": "a/b"}},
    )
    bench.wait(job, State.SUCCEEDED)
    assert "$(HOME) $$ s3cr3t $(x)" in bench.log(job)
    written = [path for path in job.paths.root.rglob("*") if path.is_file()]
    kept = [path for path in written if path.parent.parent.name != "attempts"]
    assert not [p for p in kept if b"s3cr3t" in p.read_bytes() and p.name != "output.ipynb"]
    pod = bench.pods(job)[0]
    assert pod["spec"]["containers"][0]["resources"]["limits"] == {"memory": "256Mi"}
    assert pod["metadata"]["annotations"]["team"] == "a/b"
    assert pod["spec"].get("automountServiceAccountToken") is False


def test_the_secret_goes_with_the_job(bench: Bench) -> None:
    job = bench.submit("pass", secret_env=["HIDDEN"], secrets={"HIDDEN": "x"})
    bench.wait(job, State.SUCCEEDED)
    assert bench.cluster.get("secrets", "--namespace", bench.namespace)["items"]
    bench.backend.forget(job)
    wait_until(
        lambda: not bench.cluster.get("secrets", "--namespace", bench.namespace)["items"],
        "the Secret is gone",
    )
    assert bench.look(job) is None


def test_cancelling_stops_within_the_grace_period(bench: Bench) -> None:
    job = bench.begin()
    bench.backend.cancel(job)
    ended = bench.wait(job, State.CANCELLED, timeout=20)
    # Not left to themselves, as a Job's deletion would by default.
    wait_until(lambda: bench.pods(job) == [], "its pods are gone")
    assert ended.reason == "cancelled"
    assert bench.journal(job)[-1]["outcome"] == "stopped"
    assert bench.look(job) == ended


def test_a_cancelled_job_is_shown_running_while_it_stops(bench: Bench) -> None:
    job = bench.begin(STUBBORN)
    bench.backend.cancel(job)
    seen = bench.wait(job, State.RUNNING)
    assert seen.reason == "being cancelled, within its grace period"
    bench.wait(job, State.CANCELLED, timeout=20)


def test_pausing_and_resuming(bench: Bench) -> None:
    job = bench.begin(max_restarts=0)  # what a person asks for is no restart
    bench.backend.pause(job)
    paused = bench.wait(job, State.PAUSED, timeout=20)
    assert paused.attempt == 1
    bench.backend.resume(job)
    bench.wait(job, State.RUNNING, timeout=20)
    wait_until(lambda: "begun" in bench.log(job), "the second attempt has begun", 20)
    assert [attempt.number for attempt in job.paths.existing_attempts()] == [1, 2]
    assert bench.job(job)["status"].get("failed") is None


def test_a_job_over_its_time_limit_fails(bench: Bench) -> None:
    job = bench.submit(ENDLESS, time_limit=3)
    ended = bench.wait(job, State.FAILED, timeout=30)
    assert ended.exit_code == 1
    assert attempts.record(job.paths.attempt(1))["reason"] == (
        "stopped because it was over its time limit of 3 s"
    )
    assert len(bench.pods(job)) == 1


def test_the_time_limit_counts_all_attempts_together(bench: Bench) -> None:
    """And not the time in between: Kubernetes' own deadline starts over with each resume."""
    job = bench.begin(time_limit=20)
    time.sleep(6)
    bench.backend.pause(job)
    bench.wait(job, State.PAUSED, timeout=20)
    time.sleep(5)
    bench.backend.resume(job)
    ended = bench.wait(job, State.FAILED, timeout=60)
    assert (ended.attempt, ended.exit_code) == (2, 1)
    first, second = (attempts.record(attempt) for attempt in job.paths.existing_attempts())
    assert second["reason"] == "stopped because it was over its time limit of 20 s"
    ran = [attempt["ended"] - attempt["started"] for attempt in (first, second)]
    assert ran[0] >= 6
    assert ran[1] < 19
    assert sum(ran) >= 19  # each attempt's seconds are whole ones


def test_what_kubernetes_forgets_is_known_here(bench: Bench, tmp_path: Path) -> None:
    """Jobs that it removes after their time, unseen; one of them is run again."""
    service = JobService(tmp_path / "state")
    service._backends["kubernetes"] = bench.backend
    jobs = []
    for cell in ("print('ran')", "1 / 0"):
        spec = notebook(bench, cell, bench.workspace, bench.workspace)
        jobs.append(service.submit(spec.model_copy(update={"options": {**spec.options, **SHORT}})))
    wait_until(lambda: not listed(bench), "Kubernetes has removed the Jobs", 90)
    done, failed = (service.get(job.id) for job in jobs)
    assert (done.state, done.exit_code, done.attempt) == (State.SUCCEEDED, 0, 1)
    assert failed.state is State.FAILED
    assert "ZeroDivisionError" in failed.reason
    assert "ran\n" in "".join(service.logs(done.id))
    again = service.rerun(done.id)
    assert again.id != done.id
    wait_until(lambda: service.get(again.id).state is State.SUCCEEDED, "it has run again", 60)


SHORT = {"keep_for": 1}


def listed(bench: Bench) -> list[Any]:
    found: list[Any] = bench.cluster.get("jobs", "--namespace", bench.namespace)["items"]
    return found


def test_out_of_memory_is_named_and_not_tried_again(bench: Bench) -> None:
    job = bench.submit("block = b'x' * (400 << 20)\nprint(len(block))", memory="200Mi")
    ended = bench.wait(job, State.FAILED, timeout=60)
    assert ended.reason == (
        "out of memory (OOMKilled): its limit is 200Mi; ask for more (it used 200Mi)"
    )
    assert len(bench.pods(job)) == 1


def test_a_container_that_is_killed_whole_for_its_memory_is_not_tried_again(bench: Bench) -> None:
    """As with cgroup v2, where Kubernetes takes it for a pod that was killed from outside.

    Here a child runs out of memory, which makes Kubernetes say so, and the test kills the rest.
    """
    cells = (
        "import subprocess, sys, time",
        "subprocess.run([sys.executable, '-c', \"b'x' * (400 << 20)\"])",
        "print('begun', flush=True)\ntime.sleep(100)",
    )
    job = bench.begin(*cells, memory="200Mi")
    bench.kill(bench.pods(job)[0])
    seen = wait_until(lambda: "out of memory" in _reason(bench, job), "it is seen", 20)
    assert seen
    wait_until(lambda: (now := bench.look(job)) and now.state.is_final, "it is given up", 60)
    ended = bench.wait(job, State.FAILED)
    assert (ended.attempt, ended.exit_code) == (2, 1)
    assert attempts.record(job.paths.attempt(2))["reason"] == (
        "out of memory (OOMKilled): its limit is 200Mi; ask for more"
    )
    first, second = (status.terminated(pod) for pod in bench.pods(job))
    assert (first["reason"], first["exitCode"], second["exitCode"]) == ("OOMKilled", 137, 1)


def _reason(bench: Bench, job: JobRef) -> str:
    seen = bench.look(job)
    return seen.reason if seen is not None else ""


def test_a_workspace_that_is_out_of_sight(bench: Bench, tmp_path: Path) -> None:
    """As on a laptop without the volume: state and log are the cluster's, and nothing is lost."""
    service = JobService(tmp_path / "state")
    service._backends["kubernetes"] = bench.backend
    cell = "import time\nprint('begun', flush=True)\ntime.sleep(15)\nprint('finished')"
    job = service.submit(notebook(bench, cell, bench.workspace, bench.workspace))
    wait_until(lambda: "begun" in "".join(service.logs(job.id)), "it has begun", 60)
    hidden = bench.workspace.with_name("hidden")
    bench.workspace.rename(hidden)  # the node has it mounted already
    try:
        seen = service.get(job.id)
        assert (seen.state, seen.attempt) == (State.RUNNING, 1)
        wait_until(lambda: "begun\n" in service.read_log(job.id).text, "the pod's log has it", 20)
        assert "begun\nfinished\n" in "".join(service.logs(job.id, follow=True))
        assert service.get(job.id).state is State.SUCCEEDED
    finally:
        hidden.rename(bench.workspace)
    assert "begun\nfinished\n" in "".join(service.logs(job.id))


def test_a_workspace_that_is_not_on_the_volume(bench: Bench, tmp_path: Path) -> None:
    service = JobService(tmp_path / "state")
    service._backends["kubernetes"] = bench.backend
    job = service.submit(notebook(bench, "pass", tmp_path / "elsewhere", tmp_path / "elsewhere"))
    wait_until(lambda: service.get(job.id).state.is_final, "it has failed", 60)
    assert service.get(job.id).reason == (
        f"start.sh is not in the pod: what is mounted there is not the volume that {job.directory} "
        "is on here, or the image has no bash"
    )
    assert "No such file or directory" in "".join(service.logs(job.id))


def notebook(bench: Bench, cell: str, directory: Path, mounted: Path) -> JobSpec:
    """Write a notebook into a directory, and return a spec that mounts the claim at `mounted`."""
    directory.mkdir(exist_ok=True)
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    nbformat.write(content, directory / "test.ipynb")
    (directory / "requirements.txt").touch()
    options = {**bench.options(), "volume": [f"pvc:{bench.claim}:{mounted}"]}
    spec = bench.spec(options=options)
    return spec.model_copy(update={"notebook": directory / "test.ipynb", "workspace": directory})


def test_the_same_job_twice_in_a_second_gets_two_names(bench: Bench) -> None:
    bundle = bench.bundle("pass")
    first = bench.backend.submit(bundle)
    second = bench.backend.submit(bundle)
    assert first != second
    assert second.startswith(f"{first}-")


@pytest.mark.timeout(500)
def test_200_jobs_at_once(bench: Bench) -> None:
    """Submitted at once: none is lost, and each has its own name, directory and end."""
    # Ten at a time find room on a node of two cores.
    bundles = [bench.bundle("print('done')", name=f"run-{n}", cpus=0.2) for n in range(200)]
    began = time.monotonic()
    handles = [bench.backend.submit(bundle) for bundle in bundles]
    took = time.monotonic() - began
    assert len(set(handles)) == 200
    jobs = [
        JobRef(bundle.job_id, handle, bundle.paths)
        for bundle, handle in zip(bundles, handles, strict=True)
    ]
    print(f"200 submits in {took:.1f} s")

    def all_done() -> bool:
        seen = bench.backend.poll(jobs)
        states = Counter(observation.state for observation in seen.values())
        assert len(seen) == 200, states
        assert not states[State.FAILED]
        return states[State.SUCCEEDED] == 200

    wait_until(all_done, "all 200 have succeeded", 400, interval=2)
