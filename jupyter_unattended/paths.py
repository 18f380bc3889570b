"""Where everything is: the one module that knows the layout of a job directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

#: Name of the directory in a workspace that holds its job directories.
UNATTENDED_DIR = ".unattended"


@dataclass(frozen=True)
class AttemptPaths:
    """The files of one attempt, ``attempts/N/``."""

    root: Path

    @property
    def number(self) -> int:
        """1 for the first attempt."""
        return int(self.root.name)

    @property
    def log(self) -> Path:
        """Everything start.sh and its children wrote to stdout and stderr, in order."""
        return self.root / "log.txt"

    @property
    def record(self) -> Path:
        """attempt.json: host, pid, start, end, exit code, signal, reason."""
        return self.root / "attempt.json"

    @property
    def exit(self) -> Path:
        """Exit code and end time; preallocated, so that a full disk cannot lose them."""
        return self.root / "exit"

    @property
    def paused(self) -> Path:
        """Is there if a person paused this attempt, so that it does not count as a restart."""
        return self.root / "paused"

    @property
    def hopeless(self) -> Path:
        """Says why a next attempt can do no better, where a scheduler starts it anyway."""
        return self.root / "hopeless"


@dataclass(frozen=True)
class JobPaths:
    """The files of one job directory, ``<workspace>/.unattended/<job-id>/``."""

    root: Path

    @classmethod
    def in_workspace(cls, workspace: str | os.PathLike[str], job_id: str) -> JobPaths:
        """Paths of job `job_id` in `workspace`; nothing is created or checked."""
        return cls(Path(workspace) / UNATTENDED_DIR / job_id)

    @property
    def job_id(self) -> str:
        """The job's id, which is the directory's name."""
        return self.root.name

    @property
    def spec(self) -> Path:
        """job.json: what was asked for, by whom, when, from which Python."""
        return self.root / "job.json"

    @property
    def start_script(self) -> Path:
        """start.sh: the command of the job."""
        return self.root / "start.sh"

    @property
    def user_start_script(self) -> Path:
        """The start.sh that the user wrote, as at submit; ours runs it in the notebook's place."""
        return self.root / "user-start.sh"

    @property
    def notebook(self) -> Path:
        """The notebook as it was at submit."""
        return self.root / "notebook.ipynb"

    @property
    def requirements(self) -> Path:
        """requirements.txt: what start.sh installs."""
        return self.root / "requirements.txt"

    @property
    def runtime(self) -> Path:
        """The code that runs the cells."""
        return self.root / "runtime"

    @property
    def modules(self) -> Path:
        """The Python part of `runtime`, for PYTHONPATH."""
        return self.runtime / "jupyter_unattended.zip"

    @property
    def files(self) -> Path:
        """The snapshot of workspace files, if one was asked for."""
        return self.root / "files"

    @property
    def attempts(self) -> Path:
        """One numbered directory for each attempt."""
        return self.root / "attempts"

    @property
    def journal(self) -> Path:
        """journal.jsonl: what the job itself says, attempt after attempt."""
        return self.root / "journal.jsonl"

    @property
    def metrics(self) -> Path:
        """metrics.jsonl: what the notebook reported."""
        return self.root / "metrics.jsonl"

    @property
    def history(self) -> Path:
        """history.jsonl: every change of state that was observed, with time and reason."""
        return self.root / "history.jsonl"

    @property
    def output(self) -> Path:
        """output.ipynb: the executed notebook."""
        return self.root / "output.ipynb"

    @property
    def checkpoints(self) -> Path:
        """What attempts save for the next one."""
        return self.root / "checkpoints"

    def attempt(self, number: int) -> AttemptPaths:
        """Paths of attempt `number` (1 is the first)."""
        return AttemptPaths(self.attempts / str(number))

    def existing_attempts(self) -> list[AttemptPaths]:
        """All attempts that were begun, oldest first."""
        try:
            names = [entry.name for entry in os.scandir(self.attempts) if entry.name.isdecimal()]
        except OSError:
            return []
        return [AttemptPaths(self.attempts / name) for name in sorted(names, key=int)]
