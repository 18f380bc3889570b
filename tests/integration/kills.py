"""Killing attempts of a job until it is done, and comparing what came out."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .jobdir import Job

#: How much of a notebook's output is about when, not what.
Outputs = list[Any]

#: Source that has the job asked to stop, and waits for it; to be put behind `ONCE`.
STOP = "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)"
#: Source: what stands behind it in the line is done in the first attempt alone.
ONCE = "if os.environ['UNATTENDED_ATTEMPT'] == '1':\n    "


def spec(job: Job, **fields: Any) -> Job:
    """Put fields into the job's specification."""
    file = job.root / "job.json"
    content = json.loads(file.read_text())
    content["spec"] |= fields
    file.write_text(json.dumps(content))
    return job


def shown(job: Job) -> Outputs:
    """What the executed notebook shows, without times."""
    return [
        (cell["execution_count"], [_merged(output) for output in cell["outputs"]])
        for cell in job.output["cells"]
        if cell["cell_type"] == "code"
    ]


def _merged(output: dict[str, Any]) -> Any:
    if "text" in output:
        return output["name"], "".join(output["text"])
    return json.dumps(output, sort_keys=True)


def kill_group(process: Any, number: int) -> None:
    """Send a signal to the whole process group of an attempt."""
    os.killpg(process.pid, number)


def attempt(
    job: Job, kill: Callable[[Any], int | None], timeout: float = 120
) -> tuple[int, int | None]:
    """Run one attempt in a group of its own; `kill` may end it and says with which signal."""
    process = job.start(start_new_session=True)
    sent = None
    try:
        sent = kill(process)
        return process.wait(timeout), sent
    finally:
        if process.poll() is None:
            kill_group(process, signal.SIGKILL)
            process.wait()


def wait_for_event(
    job: Job, number: int, event: str, timeout: float = 60, **fields: Any
) -> Callable[[Any], int | None]:
    """Kill with SIGKILL as soon as attempt `number` has noted an event."""

    def kill(process: Any) -> int | None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and process.poll() is None:
            for line in job.events(event):
                if line["attempt"] == number and fields.items() <= line.items():
                    kill_group(process, signal.SIGKILL)
                    return int(signal.SIGKILL)
            time.sleep(0.01)
        return None

    return kill


def kill_after_lines(
    job: Job, number: int, text: str, count: int, signal_number: int, timeout: float = 60
) -> Callable[[Any], int | None]:
    """Send a signal as soon as the log of attempt `number` has `text` so many times."""

    def kill(process: Any) -> int | None:
        log = job.attempt(number) / "log.txt"
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and process.poll() is None:
            if log.exists() and log.read_text("utf-8", "replace").count(text) >= count:
                if signal_number == signal.SIGKILL:
                    kill_group(process, signal_number)
                else:
                    process.send_signal(signal_number)
                return int(signal_number)
            time.sleep(0.01)
        return None

    return kill


def kill_in_each_cell(job: Job, cells: int) -> int:
    """Kill an attempt in each cell in turn; return the number of attempts."""
    number = 0
    for cell in range(1, cells):
        number += 1
        _, sent = attempt(job, wait_for_event(job, number, "cell_started", cell=cell))
        if sent is None:
            return number
    number += 1
    assert attempt(job, lambda _process: None)[0] == 0, job.log(number)
    return number


def checkpoints(job: Job) -> Path:
    """The directory of checkpoints."""
    return job.root / "checkpoints"


def run_killed(
    directory: Path,
    cells: list[str],
    line: str,
    *,
    after: int = 2,
    ways: tuple[int, ...] = (signal.SIGKILL, signal.SIGTERM),
    **options: Any,
) -> Job:
    """Kill attempts after some lines of output, and compare the last one's notebook."""
    (directory / "reference").mkdir()
    reference = Job(directory / "reference", *cells)
    assert reference.run(timeout=200) == 0, reference.log()
    job = spec(Job(directory, *cells), **options)
    for number, how in enumerate(ways, 1):
        kill = kill_after_lines(job, number, line, after, how, timeout=200)
        code, sent = attempt(job, kill, timeout=200)
        assert sent == how, job.log(number)
        assert code == (75 if how == signal.SIGTERM else -signal.SIGKILL)
    last = attempt(job, lambda _process: None, timeout=200)[0]
    assert last == 0, job.log(len(ways) + 1)
    assert shown(job) == shown(reference)
    return job
