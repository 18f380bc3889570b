"""Job directories whose command is a shell script of the test's, in the place of a notebook.

start.sh and its attempt are the real ones; what it runs is ``user-start.sh``, as when a user wrote
a start.sh beside the notebook. So that these tests are about the scheduler alone.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from pathlib import Path
from typing import Any

from jupyter_unattended.backends.base import Bundle, JobRef, Observation
from jupyter_unattended.backends.batch.backend import BatchBackend
from jupyter_unattended.bundle import startscript
from jupyter_unattended.jobs.states import State
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec

RUNTIME = Path(startscript.__file__).parents[1] / "runtime"
_numbers = itertools.count(1)


def make(workspace: Path, script: str, *, backend: str, **fields: Any) -> Bundle:
    """Write a job directory that runs `script` with bash."""
    notebook = workspace / "nb.ipynb"
    notebook.touch()
    fields.setdefault("grace_period", 2)
    spec = JobSpec(notebook=notebook, workspace=workspace, backend=backend, **fields)
    paths = JobPaths.in_workspace(workspace, f"job-{next(_numbers)}")
    paths.runtime.mkdir(parents=True)
    paths.checkpoints.mkdir()
    shutil.copy(RUNTIME / "attempt.sh", paths.runtime)
    paths.start_script.write_text(
        startscript.render(
            notebook="nb.ipynb",
            working_directory=str(workspace),
            python=None,
            environment=spec.env,
            grace_period=spec.grace_period,
            user_script=True,
        )
    )
    paths.user_start_script.write_text(script)
    record = {"schema_version": 1, "id": paths.job_id, "spec": spec.model_dump(mode="json")}
    paths.spec.write_text(json.dumps(record))
    return Bundle(spec, paths)


class Run:
    """A submitted bundle and how it is watched."""

    def __init__(self, backend: BatchBackend, bundle: Bundle) -> None:
        self.backend = backend
        self.bundle = bundle
        self.paths = bundle.paths
        self.ref = JobRef(bundle.job_id, backend.submit(bundle), bundle.paths)
        self.seen: list[Observation] = []

    def now(self) -> Observation:
        """Poll once."""
        found = self.backend.poll([self.ref])
        assert self.ref.job_id in found, f"{self.ref} is not known; {self.scheduler_log()}"
        observation = found[self.ref.job_id]
        if not self.seen or self.seen[-1] != observation:
            self.seen.append(observation)
        return observation

    def wait(self, *states: State, timeout: float = 120) -> Observation:
        """Wait until the job is in one of `states` (default: a final one)."""
        deadline = time.monotonic() + timeout
        while True:
            observation = self.now()
            if observation.state in states or (not states and observation.state.is_final):
                return observation
            assert not observation.state.is_final, f"{observation}\n{self.scheduler_log()}"
            assert time.monotonic() < deadline, f"still {self.seen}\n{self.scheduler_log()}"
            time.sleep(0.2)

    def wait_for_reason(self, text: str, timeout: float = 60) -> str:
        """Wait until `text` is in the reason, and return that."""
        deadline = time.monotonic() + timeout
        while text not in (reason := self.now().reason):
            assert time.monotonic() < deadline, f"{self.seen}"
            time.sleep(0.2)
        return reason

    def wait_for_text(self, text: str, timeout: float = 60) -> None:
        """Wait until `text` is in the newest attempt's log."""
        deadline = time.monotonic() + timeout
        while text not in self.log():
            assert time.monotonic() < deadline, f"{self.log()!r}\n{self.scheduler_log()}"
            time.sleep(0.1)

    def log(self) -> str:
        """Return all attempts' logs, one after the other."""
        logs = (attempt.log for attempt in self.paths.existing_attempts())
        return "".join(log.read_text() for log in logs if log.exists())

    def scheduler_log(self) -> str:
        """Return what the batch script and the scheduler wrote."""
        path = self.paths.root / "scheduler.log"
        return path.read_text() if path.exists() else ""

    @property
    def attempts(self) -> int:
        """How many attempts there were."""
        return len(self.paths.existing_attempts())
