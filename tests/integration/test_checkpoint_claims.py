"""What the page "What can and cannot be saved" says: saved, not saved, left out, lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .jobdir import Job, code
from .kills import ONCE, STOP, kill_in_each_cell, shown, spec

#: What the page says is lost: cells, and what the last one shows after a stop in the second.
LOST = [
    "import atexit, json, logging, os, matplotlib; matplotlib.use('agg')\n"
    "import matplotlib.pyplot as plt, ipywidgets\n"
    "handle = display('first', display_id='shown')\n"
    "json.mark = 1; figure = plt.figure(); bar = {'of': ipywidgets.IntProgress(3)}\n"
    "@atexit.register\ndef leave():\n    open('left', 'a').write(os.environ['UNATTENDED_ATTEMPT'])",
    "open('written', 'a').write('x')\n" + ONCE + STOP,
    "handle.update('second')\n"
    "print(hasattr(json, 'mark'), plt.get_fignums(), open('written').read())",
]


def test_what_the_guide_says_is_lost(tmp_path: Path) -> None:
    job = spec(Job(tmp_path, *LOST), checkpoint_interval=0)
    assert job.run() == 75
    assert job.run() == 0, job.log(2)
    assert len(job.events("resumed")) == 1, job.log(2)
    assert job.text(2) == "False [] xx\n"
    assert job.outputs(0)[0]["data"]["text/plain"] == ["'first'"]
    assert "2" not in (tmp_path / "left").read_text()


#: What the page "What can and cannot be saved" says and CORNERS does not show.
CLAIMS = [
    "import functools, gc, locale, os, signal, sklearn\nfrom jupyter_unattended import on_stop\n"
    "sklearn.set_config(display='text', assume_finite=True)\n"
    "locale.setlocale(locale.LC_ALL, 'C.UTF-8')\n"
    "%load_ext autoreload\n%autoreload 1\n%config InteractiveShell.ast_node_interactivity = 'all'\n"
    "from IPython.core.magic import register_line_magic\n"
    "@register_line_magic\ndef twice(line): return line * 2",
    "told = []\ndef note(number, frame): told.append(number)\n"
    "signal.signal(signal.SIGUSR1, note)\non_stop(lambda: None)\n"
    "@functools.lru_cache\ndef square(n):\n    told.append('computed')\n    return n * n\n"
    "square(3)\nimport re, subprocess\nmatch = re.match('(a)', 'abc')\n"
    "process = subprocess.Popen(['true']); process.wait()",
    "os.kill(os.getpid(), signal.SIGUSR1)\n"
    "print(told.count(10), square(3), match.group(1), locale.setlocale(locale.LC_ALL))\n"
    "print(process.returncode)\n"
    "print(sklearn.get_config()['assume_finite'], sklearn.get_config()['display'])\n"
    "1; 2",
    "%twice ab",
    "print('autoreload' in str(get_ipython().extension_manager.loaded))\n"
    "from jupyter_unattended.runtime import api; print(len(api._stop._callbacks))",
]


@pytest.mark.timeout(300)
def test_what_the_guide_says_is_saved(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    reference = Job(tmp_path / "reference", *CLAIMS)
    assert reference.run() == 0, reference.log()
    job = spec(Job(tmp_path, *CLAIMS), checkpoint_interval=0)
    attempts = kill_in_each_cell(job, len(CLAIMS))
    assert shown(job) == shown(reference)
    assert attempts == len(CLAIMS)
    assert [line["first_cell"] for line in job.events("resumed")] == list(range(1, len(CLAIMS)))


@pytest.mark.parametrize(
    "cell",
    ["%%bash\necho said", "import asyncio\nawait asyncio.to_thread(print, 'said')"],
    ids=["magic", "asyncio"],
)
def test_idle_threads_of_libraries_are_no_reason_not_to_save(tmp_path: Path, cell: str) -> None:
    last = "import threading; print(len(threading.enumerate()) > 1)"
    job = spec(Job(tmp_path, cell, last), checkpoint_interval=0)
    assert job.run() == 0, job.log()
    assert job.text(0) == "said\n"
    assert job.text(1) == "True\n"
    assert job.events("checkpoint")[0]["saved"]["covers"] == 0


@pytest.mark.parametrize(
    ("cells", "why", "variable"),
    [
        (["import socket; conn = socket.socket()", "print(conn.family)"], "a socket", "conn"),
        (["f = open('/etc/hostname')", "g = lambda: f.read()", "g()"], "an open file", "f"),
        (["g = (i for i in range(9)); next(g)", "print(next(g))"], "a generator", "g"),
        (
            ["import threading, time\nt = threading.Thread(target=time.sleep, args=[3]); t.start()",
             "t.join()"],
            "a thread",
            None,
        ),
        (["import subprocess; p = subprocess.Popen(['sleep', '3'])", "p.wait()"], "a child", None),
        (
            ["import asyncio, time\nf = asyncio.get_running_loop().run_in_executor("
             "None, time.sleep, 3)\nawait asyncio.sleep(0)", "await f"],
            "a thread",
            None,
        ),
        (["%%bash --bg --proc p\nsleep 3", "1"], "running", None),
        (
            ["import asyncio\nt = asyncio.create_task(asyncio.sleep(3))", "await t"],
            "a task",
            None,
        ),
        (["1 + 1", "_ + 1"], "uses _", None),
        (["1 + 1", "Out[1] + 1"], "uses Out", None),
        (["f = open('/etc/hostname')", "eval('f' + '.read()')"], "an open file", "f"),
        (["import ipywidgets; s = ipywidgets.IntSlider(3)", "print(s.value)"], "a widget", "s"),
    ],
    ids=["socket", "file", "generator", "thread", "process", "executor", "script", "task", "_",
         "Out", "eval", "widget"],
)  # fmt: skip
def test_what_cannot_be_saved_is_said_before_the_stop(
    tmp_path: Path, cells: list[str], why: str, variable: str | None
) -> None:
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 0, job.log()
    refused = job.events("checkpoint")[0]["refused"]
    assert why in refused["why"]
    assert refused["variable"] == variable
    assert refused["consequence"] == "resume will start from the top"
    if variable:
        assert refused["cell"] == 0
        assert f"cell 1 holds {why}" in refused["why"]
    assert f"resume will start from the top, because {refused['why']}" in job.log()


def test_what_nobody_needs_is_left_out(tmp_path: Path) -> None:
    cells = ["import os\nf = open('/etc/hostname'); x = 5", "y = x\n" + ONCE + STOP, "print(x, y)"]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 75
    saved = job.events("checkpoint")[0]["saved"]
    assert saved["left_out"] == {"f": "an open file (/etc/hostname)"}
    assert job.run() == 0
    assert job.text(2) == "5 5\n"


def test_cells_tagged_as_safe_are_run_again(tmp_path: Path) -> None:
    cells: list[Any] = [
        "import sqlite3, os; path = ':memory:'; made = []",
        code("conn = sqlite3.connect(path); made.append(1)", "safe-to-replay"),
        "x = len(made)",
        ONCE + STOP,
        "print(conn.execute('select 7').fetchone(), x, made)",
    ]
    job = spec(Job(tmp_path, *cells), checkpoint_interval=0)
    assert job.run() == 75
    assert job.run() == 0, job.log(2)
    assert job.text(4) == "(7,) 1 [1]\n" or job.text(4) == "(7,) 1 [1, 1]\n"
    assert [line["cell"] for line in job.events("cell_started")][-2:] == [3, 4]
