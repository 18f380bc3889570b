"""Kills at random moments: what a job shows in the end is what an undisturbed one shows.

As many kills of each notebook as UNATTENDED_KILLS says; `make test-preemption` asks for a hundred
over the examples.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .corners import CORNERS
from .jobdir import Job, notebook
from .kills import attempt, kill_group, shown, spec

_EXAMPLES = Path(__file__).parents[2] / "examples"
#: What an example says that no two runs of it say alike: how long it took, and what the disk has.
_VARIES = re.compile(r" in [\d.]+ s\b|free space: \S+")
_ARGUMENTS = {
    "corners": (),
    "estimate-pi": ("--darts", "1000000"),
    "library-report": ("--package=asyncio",),
    "loop": (),
    "train-digits": ("--epochs=60",),
}
#: How many steps of the loop below are saved together.
_INTERVAL = 4
_LOOP = [
    "import numpy as np, random, time\nfrom jupyter_unattended import resumable\n"
    "np.random.seed(1); random.seed(2); history = []",
    "weights = np.zeros(100_000)",
    f"for step in resumable(range(60), state=[weights, history], every={_INTERVAL}):\n"
    "    weights += np.random.rand(100_000); history.append(float(weights[0]))\n"
    "    print('step', step, history[-1], random.random()); time.sleep(0.05)",
    "print(len(history), weights.sum(), np.random.rand(), random.random())",
]
_KILLS = int(os.environ.get("UNATTENDED_KILLS", "2"))
#: Attempts before one is left alone, however many kills it takes.
_MOST = 12


def _contents(name: str) -> dict[str, Any]:
    if name in ("corners", "loop"):
        return notebook(*(CORNERS if name == "corners" else _LOOP))
    found: dict[str, Any] = json.loads((_EXAMPLES / f"{name}.ipynb").read_text("utf-8"))
    return found


def _job(workspace: Path, name: str) -> Job:
    workspace.mkdir()
    return Job(workspace, contents=_contents(name), arguments=_ARGUMENTS[name])


def _shown(job: Job) -> str:
    return _VARIES.sub("", json.dumps(shown(job)))


def _kill_after(job: Job, begun: int, seconds: float, number: int) -> Callable[[Any], int | None]:
    """Send a signal after a while, if the attempt still runs: SIGTERM to start.sh alone.

    The time counts from the first moment at which an attempt `begun` has something to lose: it has
    saved or restored variables. Or from the start of start.sh if that is 0.
    """

    def kill(process: Any) -> int | None:
        deadline = time.monotonic() + (60 if begun else seconds)
        waiting = bool(begun)
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return None
            if waiting and any(
                line["attempt"] == begun and line["event"] in ("checkpoint", "resumed")
                for line in job.events()
            ):
                waiting, deadline = False, time.monotonic() + seconds
            time.sleep(0.01)
        if number == signal.SIGKILL:
            kill_group(process, number)
        else:
            process.send_signal(number)
        return number

    return kill


def _reached_its_end(job: Job, number: int) -> bool:
    """Return what a backend believes: the word that the runtime left, if start.sh was killed."""
    return job.exit_file(number)[:1] == ["0"]


def _repeated(job: Job) -> list[int]:
    """Say of each attempt but the first how many cells it ran that had finished before."""
    found, finished = [], -1
    for number in sorted({line["attempt"] for line in job.events()}):
        of_attempt = [line for line in job.events() if line["attempt"] == number]
        begun = [line["cell"] for line in of_attempt if line["event"] == "cell_started"]
        if number > 1 and begun:
            found.append(sum(begun[0] <= cell <= finished for cell in begun))
        ok = (line["cell"] for line in of_attempt if line.get("status") == "ok")
        finished = max(ok, default=finished)
    return found


def _steps_again(job: Job) -> list[int]:
    """Say of each attempt in which the loop went on how many steps had been begun before."""
    found, begun, saved = [], 0, 0
    for number in sorted({line["attempt"] for line in job.events()}):
        for line in job.events("resumed"):
            if line["attempt"] == number and "loop" in line:
                assert line["steps"] >= saved, "what was published was not found"
                found.append(begun - line["steps"])
        steps = [int(step) for step in re.findall(r"(?m)^step (\d+) .*\n", job.log(number))]
        begun = max([begun, *(step + 1 for step in steps)])
        for line in job.events("checkpoint"):
            if line["attempt"] == number and "loop" in line.get("saved", {}):
                saved = max(saved, line["saved"]["steps"])
    return found


@pytest.mark.timeout(300 + 40 * _KILLS)
@pytest.mark.parametrize("name", sorted(_ARGUMENTS))
def test_kills_at_random_moments(tmp_path: Path, name: str) -> None:
    chance = random.Random(f"{name} {_KILLS}")
    reference = _job(tmp_path / "reference", name)
    begun = time.monotonic()
    assert reference.run(timeout=120) == 0, reference.log()
    seconds = time.monotonic() - begun
    # Without the first cell, which imports; an attempt that goes on has done that before.
    work = reference.events("finished")[0]["t"] - reference.events("cell_finished")[0]["t"]
    done, rounds, resumed = 0, 0, 0
    while done < _KILLS:
        rounds += 1
        job = spec(_job(tmp_path / f"round-{rounds}", name), checkpoint_interval=0)
        for number in range(1, _MOST + 2):
            sent = chance.choice([signal.SIGKILL, signal.SIGTERM])
            kill = _kill_after(job, 0, chance.uniform(0.1, 1.0) * seconds, sent)
            if chance.random() < 0.5:
                kill = _kill_after(job, number, chance.uniform(0.0, 1.5) * work, sent)
            leave = number > _MOST or done >= _KILLS
            code, sent_now = attempt(job, (lambda _process: None) if leave else kill)
            done += sent_now is not None
            if code == 0 or _reached_its_end(job, number):
                break
            assert sent_now is not None, job.log(number)
        assert _shown(job) == _shown(reference)
        assert not job.events("hook_failed")
        logs = "".join(path.read_text("utf-8") for path in job.root.glob("attempts/*/log.txt"))
        assert "is passed over" not in logs
        resumed += len(job.events("resumed"))
        # Killed after a cell had finished, but before it was saved: that cell is lost, and no more.
        assert all(count <= 1 for count in _repeated(job)), job.events()
        # Of a loop, one interval is lost, and the one that was just being written.
        assert all(steps <= 2 * _INTERVAL for steps in _steps_again(job)), job.events()
    assert resumed or _KILLS < 10
