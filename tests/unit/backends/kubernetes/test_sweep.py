from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.base import Bundle
from jupyter_unattended.backends.kubernetes import handle, reasons, sweep
from jupyter_unattended.backends.kubernetes.manifest import Place
from jupyter_unattended.backends.kubernetes.options import KubernetesOptions
from jupyter_unattended.backends.kubernetes.pod import twin
from jupyter_unattended.backends.kubernetes.queues import Queue
from jupyter_unattended.errors import WorkspaceError
from jupyter_unattended.jobs.states import State
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec

from .test_pod import hub_pod
from .test_reasons import EARLY, ended, pod

HOME = Path("/home/jovyan/work")


def bundles(count: int, home: Path = HOME, **fields: Any) -> list[Bundle]:
    return [
        Bundle(
            JobSpec.checked(
                notebook=home / "n.ipynb",
                workspace=home,
                backend="kubernetes",
                arguments=[f"--n={n}"],
                env={"SAME": "1", "TZ": f"zone {n}"},
                **fields,
            ),
            JobPaths.in_workspace(home, f"n-{n}"),
        )
        for n in range(count)
    ]


PLACE = Place(twin=twin(hub_pod(), {}))


def test_one_job_for_all_runs() -> None:
    runs = bundles(4, max_restarts=7)
    job = sweep.build(runs, KubernetesOptions(at_once=2), PLACE, "n-0-sweep")
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 2)
    assert spec["backoffLimitPerIndex"] == 7
    assert "backoffLimit" not in spec
    actions = [rule["action"] for rule in spec["podFailurePolicy"]["rules"]]
    assert actions == ["Ignore", "Ignore", "FailIndex"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"][-3:] == ["sweep", str(HOME / ".unattended"), "n-0-sweep"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["SAME"] == "1"
    # Each run's start.sh sets it, unless it is there already: so not even the server's is.
    assert "TZ" not in environment
    assert "$(" not in " ".join(container["command"]).replace("$$(", "")


def test_what_cannot_be_one_job() -> None:
    options = KubernetesOptions()
    assert sweep.is_possible(bundles(2), options, PLACE)
    assert not sweep.is_possible(bundles(1), options, PLACE)
    assert not sweep.is_possible(bundles(2, secret_env=["T"]), options, PLACE)
    assert not sweep.is_possible(bundles(2), KubernetesOptions(code="image"), PLACE)
    assert not sweep.is_possible(bundles(2), KubernetesOptions(git="u@main"), PLACE)
    queued = Place(twin=PLACE.twin, queue=Queue("kueue", "team"))
    assert not sweep.is_possible(bundles(2), options, queued)


def test_a_run_on_its_own(tmp_path: Path) -> None:
    runs = bundles(3, tmp_path, image="i:1")
    for run in runs:
        run.paths.root.mkdir(parents=True)
    options = KubernetesOptions(volume=[f"pvc:work:{tmp_path}"])
    job = sweep.build(runs, options, Place(), "n-0-sweep")
    sweep.write(runs, job)
    own = sweep.alone(runs[1], "n-0-sweep")
    assert own["metadata"]["name"] == "n-1"
    assert own["metadata"]["labels"]["jupyter-unattended/job"] == "n-1"
    assert own["spec"]["completions"] == 1
    assert own["spec"]["backoffLimit"] == 20
    assert not {"completionMode", "backoffLimitPerIndex"} & own["spec"].keys()
    actions = [rule["action"] for rule in own["spec"]["podFailurePolicy"]["rules"]]
    assert actions == ["Ignore", "Ignore", "FailJob"]
    (container,) = own["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["bash", str(runs[1].paths.start_script)]
    assert not sweep.is_last(runs[1].paths, "n-0-sweep")
    for run in (runs[0], runs[2]):
        run.paths.root.rmdir()
    assert sweep.is_last(runs[1].paths, "n-0-sweep")
    sweep.remove(runs[1].paths, "n-0-sweep")
    assert not (tmp_path / ".unattended" / ".sweeps").exists()
    with pytest.raises(WorkspaceError, match="cannot go on"):
        sweep.alone(runs[1], "n-0-sweep")


def indexed(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "s", "creationTimestamp": EARLY},
        "spec": {"completions": 9, "backoffLimitPerIndex": 2},
        "status": status,
    }


@pytest.mark.parametrize(
    ("index", "pods", "state", "reason"),
    [
        (0, [], State.SUCCEEDED, ""),
        (2, [], State.SUCCEEDED, ""),
        (3, [], State.QUEUED, ""),
        (5, [pod("Failed", ended(1))], State.FAILED, ""),
        (7, [pod("Failed", ended(137))], State.FAILED, "given up after 2 restarts: its pod was"),
        (8, [pod("Failed", ended(75))], State.PREEMPTED, "it was stopped from outside"),
        (8, [pod("Failed", ended(0))], State.RUNNING, "ending"),
        (8, [pod("Running", {"running": {"startedAt": EARLY}})], State.RUNNING, ""),
    ],
)
def test_one_run_of_a_job(index: int, pods: list[Any], state: State, reason: str) -> None:
    job = indexed(completedIndexes="0-2,4", failedIndexes="5,7")
    seen = reasons.observe(sweep.part(job, sweep.Done.of(job), index, pods), pods)
    assert (seen.state, seen.reason[: len(reason)]) == (state, reason)


def test_handles() -> None:
    for parts in (("", "ns", "n-1", None), ("arn:aws:eks:x/y", "ns", "n-1", 7)):
        assert handle.parse(handle.make(*parts)) == parts
