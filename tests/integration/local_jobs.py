"""Jobs whose notebook is run by a start.sh that the test writes: quick, and as bad as it wants."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jupyter_unattended.backends.local import doorbell, processes
from jupyter_unattended.backends.local.queue import Entry, LocalQueue, queue_file
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import FINAL, State
from jupyter_unattended.jobs.view import JobView
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec

T = TypeVar("T")

#: Never run: the script that the test writes beside it is.
NOTEBOOK: dict[str, Any] = {
    "cells": [
        {
            "cell_type": "code",
            "id": "a",
            "metadata": {},
            "source": "print('the notebook')",
            "outputs": [],
            "execution_count": None,
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def until(look: Callable[[], T], timeout: float = 30.0, what: str = "") -> T:
    """Return the first true answer of `look`; fail when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {timeout} s for {what or look}"
        time.sleep(0.02)
    return found


class LocalJobs:
    """Submits scripts as jobs of the local backend.

    Parameters
    ----------
    service
        The door.
    workspace
        Where the notebooks go.
    """

    def __init__(self, service: JobService, workspace: Path) -> None:
        self.service = service
        self.workspace = workspace
        self._numbers = itertools.count(1)

    def spec(self, script: str, **fields: Any) -> JobSpec:
        """Return the spec of a job that runs `script` in the notebook's place."""
        directory = self.workspace / f"notebook {next(self._numbers)}"
        directory.mkdir()
        (directory / "note book.ipynb").write_text(json.dumps(NOTEBOOK))
        (directory / "requirements.txt").touch()
        (directory / "start.sh").write_text(script)
        fields.setdefault("grace_period", 2)
        return JobSpec(notebook=directory / "note book.ipynb", **fields)

    def submit(self, script: str, **fields: Any) -> JobView:
        """Submit a script."""
        return self.service.submit(self.spec(script, **fields))

    def until(self, job: JobView, *states: State, timeout: float = 30.0) -> JobView:
        """Wait until a job is in one of `states`."""

        def look() -> JobView | None:
            view = self.service.get(job.id)
            return view if view.state in states else None

        try:
            return until(look, timeout)
        except AssertionError:
            view = self.service.get(job.id)
            raise AssertionError(f"still {view}\n{self.agent_log()}") from None

    def end(self, job: JobView, timeout: float = 30.0) -> JobView:
        """Wait until a job has ended."""
        return self.until(job, *FINAL, timeout=timeout)

    def running(self, job: JobView) -> JobView:
        """Wait until a job runs."""
        return self.until(job, State.RUNNING)

    def paths(self, job: JobView) -> JobPaths:
        """Return the job directory."""
        return JobPaths(Path(job.directory))

    def log(self, job: JobView) -> str:
        """Return everything in the log, over all attempts."""
        return "".join(self.service.logs(job.id))

    def says(self, job: JobView, text: str, timeout: float = 20.0) -> None:
        """Wait until the job has written `text`."""
        until(lambda: text in self.log(job), timeout, f"{text!r} in the log")

    def history(self, job: JobView) -> list[str]:
        """Return the states a job has been in."""
        return [entry.state.value for entry in self.service.history(job.id)]

    # -- what it is made of ------------------------------------------------------------------------

    def entry(self, job: JobView) -> Entry:
        """Return what the queue has of a job."""
        with LocalQueue(queue_file(self.service.state_dir)) as queue:
            entry = queue.get(job.id)
        assert entry is not None
        return entry

    def start_script(self, job: JobView) -> int:
        """Return the process id of the running start.sh."""
        return until(lambda: self.entry(job).pid, what="a process id")

    def processes(self, job: JobView) -> list[int]:
        """Return the living processes of a job, of whatever launch."""
        found = []
        for launch in processes.launches_of(job.id, job.directory):
            found += [process.pid for process in processes.of_launch(launch)]
        return found

    def agents(self) -> list[int]:
        """Return the agents of this state directory."""
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal():
                try:
                    words = Path(entry.path, "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if (
                    b"jupyter_unattended.backends.local.agent" in words
                    and os.fsencode(self.service.state_dir) in words
                    and not words[0].endswith(b"sh")
                    and processes.look(int(entry.name)) is not None
                ):
                    found.append(int(entry.name))
        return found

    def kill_agent(self) -> None:
        """Kill the agent, as the kernel would, and wait until it is gone."""

        def killed() -> bool:
            # One that is just being started is caught the next time round.
            for pid in self.agents():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not self.agents() and not doorbell.is_alive(self.service.state_dir)

        until(killed, what="the end of the agent")

    def agent_log(self) -> str:
        """Return the agent's log."""
        files = self.service.state_dir.glob("agent-*.log")
        return "\n".join(file.read_text() for file in files)
