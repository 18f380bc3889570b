"""``drill`` and ``submit --test``, on the local backend with its agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.jobs.drill import Driller
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.testing import as_test
from jupyter_unattended.spec import JobSpec

from .jobdir import notebook

TRAIN = [
    "import random, time\nfrom jupyter_unattended import resumable\nrandom.seed(1); history = []",
    "for step in resumable(range(30), state=history, every='0.1s'):\n"
    "    history.append(random.random()); time.sleep(0.1); print(step, history[-1])",
    "time.sleep(0.5); print(sum(history), random.random())",
]
CHANCE = ["import time, os", "time.sleep(2); print(os.urandom(8).hex())", "print('end')"]


def write(workspace: Path, cells: list[str]) -> JobSpec:
    path = workspace / "work.ipynb"
    path.write_text(json.dumps(notebook(*cells)))
    (workspace / "requirements.txt").write_text("")
    return JobSpec.checked(notebook=path, workspace=workspace)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_drill_proves_a_notebook(service: JobService, workspace: Path, kill: bool) -> None:
    said: list[str] = []
    spec = write(workspace, TRAIN)
    found = Driller(service, spec, stops=2, kill=kill, seed=3, say=said.append).run(force=True)
    assert found.failure == ""
    assert found.same, (found, said)
    assert found.stops >= 1
    assert found.attempts == found.stops + 1
    assert found.jobs == []
    assert service.list() == []


@pytest.mark.timeout(300)
def test_a_drill_finds_a_notebook_that_differs_by_itself(
    service: JobService, workspace: Path
) -> None:
    found = Driller(service, write(workspace, CHANCE), stops=1).run(force=True)
    assert not found.same
    assert found.differences == [2]
    assert found.deterministic is False
    assert len(found.jobs) == 3


@pytest.mark.timeout(300)
def test_a_test_run_goes_round_the_whole_circle(service: JobService, workspace: Path) -> None:
    view = service.submit(as_test(write(workspace, TRAIN)), force=True)
    end = service.wait(view.id, timeout=120)
    assert end.state is State.SUCCEEDED, end.reason
    assert end.attempt == 2
    events: list[dict[str, Any]] = service.events(view.id)
    assert [e["name"] for e in events if e["event"] == "signal"] == ["SIGTERM"]
    output = json.loads(service.paths(view.id).output.read_text())
    text = "".join(output["cells"][1]["outputs"][0]["text"])
    assert [line.split()[0] for line in text.splitlines()] == ["0", "1", "2", "3"]
