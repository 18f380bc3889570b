"""Attempts that are killed, and what the next one goes on with."""

from __future__ import annotations

import json
import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.runtime.checkpoint_store import CheckpointStore

from .corners import CORNERS
from .jobdir import Job
from .kills import (
    ONCE,
    STOP,
    attempt,
    checkpoints,
    kill_after_lines,
    kill_in_each_cell,
    shown,
    spec,
)


@pytest.fixture
def reference(tmp_path: Path) -> list[Any]:
    (tmp_path / "reference").mkdir()
    job = Job(tmp_path / "reference", *CORNERS)
    assert job.run() == 0
    return shown(job)


@pytest.mark.timeout(600)
def test_killed_in_every_cell_one_after_the_other(tmp_path: Path, reference: list[Any]) -> None:
    job = spec(Job(tmp_path, *CORNERS), checkpoint_interval=0)
    attempts = kill_in_each_cell(job, len(CORNERS))
    assert shown(job) == reference
    assert attempts == len(CORNERS)
    resumed = job.events("resumed")
    assert [line["first_cell"] for line in resumed] == list(range(1, len(CORNERS)))
    starts = [line["cell"] for line in job.events("cell_started")]
    # Each cell was begun at most twice: in the attempt that was killed and in the next.
    assert all(starts.count(cell) <= 2 for cell in range(len(CORNERS)))


def test_what_is_left_of_checkpoints_after_success(tmp_path: Path) -> None:
    saves = "from jupyter_unattended import Checkpoint, resumable\nweights = [1.0] * 100_000"
    loop = "for _ in resumable(range(3), weights, every=1):\n    Checkpoint('mine').save(weights)"
    job = spec(Job(tmp_path, saves, loop, "print(len(weights))"), checkpoint_interval=0)
    assert job.run() == 0, job.log()
    assert {path.name[:10] for path in checkpoints(job).glob("*.json")} == {"user-mine."}
    store = CheckpointStore(checkpoints(job))
    named = {ref.name for m in store.newest_first("user-mine") for ref in m.refs if not ref.inline}
    assert {path.name for path in (checkpoints(job) / "objects").iterdir()} == named
    assert job.run() == 0
    assert job.events("resumed") == []


def test_nothing_is_saved_when_switched_off(tmp_path: Path) -> None:
    job = spec(Job(tmp_path, "x = 1", "print(x)"), checkpoints=False, checkpoint_interval=0)
    assert job.run() == 0
    assert not checkpoints(job).exists()
    assert job.events("checkpoint") == []


def test_short_cells_are_not_saved_by_default(tmp_path: Path) -> None:
    job = Job(tmp_path, "x = 1", "print(x)")
    assert job.run() == 0
    assert job.events("checkpoint") == []


def test_by_default_half_a_minute_is_worth_saving(tmp_path: Path) -> None:
    cells = ["import numpy as np, time\nx = np.arange(9)", "time.sleep(30.5)", "print(x.sum())"]
    job = Job(tmp_path, *cells)
    assert job.run() == 0
    assert [line["saved"]["covers"] for line in job.events("checkpoint")] == [1]
    assert not job.events("hook_failed")


@pytest.mark.parametrize(
    "change",
    ["sources", "arguments", "python", "version", "module", "torn", "writable"],
)
def test_what_does_not_fit_is_not_restored(tmp_path: Path, change: str) -> None:
    (tmp_path / "helper.py").write_text("value = 1\n")
    cells = ["import os, helper, numpy; x = 1", ONCE + STOP, "print(x)"]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 75
    manifest = next(checkpoints(job).glob("snapshot.*.json"))
    reason = ""
    if change == "sources":
        file = job.root / "notebook.ipynb"
        file.write_text(file.read_text().replace("x = 1", "x = 2"))
        reason = "cells before the point where it would go on were changed"
    elif change == "arguments":
        job.arguments = ["--more"]
        reason = "the job was started with other arguments"
    elif change == "module":
        (tmp_path / "helper.py").write_text("value = 2\n")
        reason = "helper.py, which the notebook imports, was changed"
    elif change in ("python", "version"):
        import hashlib

        content = json.loads(manifest.read_bytes().partition(b"\n")[0])
        if change == "python":
            content["meta"]["python"]["python"] = "3.9"
            reason = "and was 3.9 when it was saved"
        else:
            content["meta"]["versions"]["numpy"] = "1.2.3"
            reason = "and was 1.2.3"
        body = json.dumps(content).encode()
        manifest.write_bytes(body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n")
    elif change == "torn":
        manifest.write_bytes(manifest.read_bytes()[:-70])
    elif change == "writable":
        checkpoints(job).chmod(0o777)
        reason = "can be written by other users"
    assert job.run() == 0, job.log(2)
    assert job.events("resumed") == []
    assert [line["cell"] for line in job.events("cell_started") if line["attempt"] == 2] == [
        0,
        1,
        2,
    ]
    if reason:
        assert reason in job.events("from_the_top")[0]["why"]
        assert "starts from the top, because" in job.log(2)
    else:
        assert "is passed over" in job.log(2)


def test_a_snapshot_that_cannot_be_loaded_is_found_in_time(tmp_path: Path) -> None:
    cells = [
        "import os, time\nclass Lies:\n    def __reduce__(self): return (int, ('no number',))\n"
        "x = Lies()",
        "time.sleep(4)",
        "print(type(x).__name__)",
    ]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 0
    refused = [line["refused"] for line in job.events("checkpoint") if "refused" in line]
    assert "could not be loaded again (ValueError" in refused[0]["why"]


def test_a_snapshot_that_kills_the_process_is_given_up(tmp_path: Path) -> None:
    cells = [
        "import os\nclass Bomb:\n    def __reduce__(self): return boom, ()\n"
        "def boom():\n    if os.environ.get('ARM'): os._exit(9)\n"
        "x = Bomb()",
        ONCE + STOP,
        "print('end')",
    ]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 75
    for _ in range(2):
        assert job.run(env={"ARM": "1"}) not in (0, 75)
    assert job.run(env={"ARM": "1"}) == 0, job.log(4)
    assert "it ended the process 2 times while it was loaded" in job.log(4)


def test_kills_while_restoring_are_no_reason_to_give_a_snapshot_up(tmp_path: Path) -> None:
    cells = [
        "import os, time\nclass Slow:\n    def __reduce__(self): return make, ()\n"
        "def make():\n    if os.environ.get('ARM'):\n"
        "        print('restoring', flush=True); time.sleep(60)\n    return Slow()\n"
        "x = Slow()",
        ONCE + STOP,
        "print('end')",
    ]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 75
    for number in (2, 3, 4):
        process = job.start(env={"ARM": "1"}, start_new_session=True)
        assert kill_after_lines(job, number, "restoring", 1, signal.SIGKILL)(process)
        process.wait()
    assert job.run() == 0, job.log(5)
    assert [line["attempt"] for line in job.events("resumed")] == [5]


def test_libraries_are_imported_as_in_a_cell(tmp_path: Path) -> None:
    """pandas asks for the shell to know where it is, and shows wide frames otherwise."""
    cells = [
        "import os, pandas as pd; print(pd.options.display.max_columns)",
        ONCE + STOP,
        "print(pd.options.display.max_columns)",
    ]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 75
    assert job.run() == 0, job.log(2)
    assert len(job.events("resumed")) == 1
    assert job.text(2) == job.text(0)


def test_state_of_the_users_own_modules(tmp_path: Path) -> None:
    for name in ("zeta", "alpha"):  # imported in this order
        (tmp_path / f"{name}.py").write_text(f"open('order', 'a').write('{name} ')\n")
    (tmp_path / "store.py").write_text(
        "import threading\nitems = []\nlock = threading.Lock()\nlimit = 1\n"
        "class Kept:\n    all = {}\n    def __init__(self, key): Kept.all[key] = self\n"
        "def add(x):\n    with lock:\n        items.append(x)\n"
        "    add.calls += 1\n    return len(items), limit, add.calls\nadd.calls = 0\n"
    )
    cells = [
        "import os, store, zeta, alpha\nfrom store import items\n"
        "store.limit = 5; print(store.add('a')); kept = store.Kept('k')",
        ONCE + STOP,
        "print(store.add('b'), items, items is store.items, store.Kept.all['k'] is kept)",
    ]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 75
    assert job.run() == 0, job.log(2)
    assert job.text(2) == "(2, 5, 2) ['a', 'b'] True True\n"
    # In both attempts, and by the process that tries whether the snapshot can be loaded.
    assert set((tmp_path / "order").read_text().split("zeta alpha ")) == {""}


LOOP = [
    "import numpy as np, random, os, time\nfrom jupyter_unattended import resumable\n"
    "np.random.seed(1); random.seed(2)\nw = np.zeros(1000); history = []\n"
    "def step():\n    global w\n    w += np.random.rand(1000)\n    history.append(float(w[0]))",
    "total = 0.0\nfor i in resumable(range(40), state=[w, history], every='0.05s'):\n"
    "    step(); time.sleep(0.02)\n    print('step', i, round(history[-1], 6), random.random())",
    "print(len(history), w.sum(), np.random.rand(), random.random())",
]


@pytest.mark.parametrize("interval", [0, None, "off"])
def test_a_loop_goes_on_with_its_next_step(tmp_path: Path, interval: Any) -> None:
    options = {"checkpoints": False} if interval == "off" else {"checkpoint_interval": interval}
    (tmp_path / "reference").mkdir()
    reference = Job(tmp_path / "reference", *LOOP)
    assert reference.run() == 0
    job = spec(Job(tmp_path, *LOOP), **options)
    sent = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL]
    for number, how in enumerate(sent, 1):
        code, _ = attempt(job, kill_after_lines(job, number, "step ", 8, how))
        assert code == (75 if how == signal.SIGTERM else -signal.SIGKILL)
    assert attempt(job, lambda _process: None)[0] == 0, job.log(4)
    assert shown(job) == shown(reference)
    steps_run = sum(job.log(number).count("\nstep ") for number in (1, 2, 3, 4))
    assert steps_run < 40 + 30
    assert any("goes on after step" in job.log(number) for number in (2, 3, 4))


def test_the_run_ai_handler_works_unchanged(tmp_path: Path) -> None:
    """A SIGTERM handler that saves and exits non-zero, and a start that looks for the file."""
    cells = [
        "import json, os, signal, sys, time\nstate = {'step': 0}\n"
        "if os.path.exists('saved.json'):\n    state = json.load(open('saved.json'))\n"
        "def on_sigterm(number, frame):\n"
        "    json.dump(state, open('saved.json', 'w'))\n    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, on_sigterm)",
        "while state['step'] < 30:\n    state['step'] += 1\n    print(state['step'], flush=True)\n"
        "    time.sleep(0.05)",
        "print('done', state['step'])",
    ]
    job = Job(tmp_path, *cells)

    assert attempt(job, kill_after_lines(job, 1, "\n", 5, signal.SIGTERM))[0] == 75
    assert attempt(job, lambda _process: None)[0] == 0, job.log(2)
    assert job.text(2) == "done 30\n"
    assert job.log(2).splitlines()[0] != "1"


SCRIPT = """\
import random, sys, time
from jupyter_unattended import Checkpoint, resumable

random.seed(1)
drawn = []
for step in resumable(range(30), state=drawn, every="60s"):
    drawn.append(random.random()); time.sleep(0.05)
    print("step", step, flush=True)
Checkpoint("end").save({"drawn": drawn})
print("end", sys.argv[1:], sum(drawn), random.random())
"""


def test_a_loop_in_a_script_goes_on_too(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    user_script = f'#!/bin/bash\nexec {sys.executable} train.py "$@"\n'
    job = Job(tmp_path, user_script=user_script, arguments=["--lr=1"])
    for number, how in ((1, signal.SIGTERM), (2, signal.SIGTERM)):
        assert attempt(job, kill_after_lines(job, number, "step ", 5, how))[0] == 75
    assert attempt(job, lambda _process: None)[0] == 0, job.log(3)
    printed = [line for number in (1, 2, 3) for line in job.log(number).splitlines()]
    assert [line for line in printed if line.startswith("step ")] == [
        f"step {n}" for n in range(30)
    ]
    chance = random.Random(1)
    drawn = [chance.random() for _ in range(30)]
    assert printed[-1] == f"end ['--lr=1'] {sum(drawn)} {chance.random()}"
    # Other arguments are another run.
    job.arguments = ["--lr=2"]
    assert attempt(job, lambda _process: None)[0] == 0
    assert job.log(4).count("step ") == 30
