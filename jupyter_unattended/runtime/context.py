"""What the runtime was started for: which notebook, with which arguments, and where to write."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import parameters

USAGE = "usage: python -m jupyter_unattended.runtime NOTEBOOK [ARGUMENTS…]"


class StartError(Exception):
    """The notebook cannot be run at all; the text is one sentence for a person."""


@dataclass
class Context:
    """One run of the runtime.

    Parameters
    ----------
    notebook
        The notebook to read.
    name
        What the notebook is called, for ``sys.argv[0]``.
    arguments
        Its arguments.
    output
        The executed notebook to write.
    job_directory
        The job directory; None without one.
    attempt_directory
        The attempt's directory, which has log.txt; None without a job directory.
    attempt
        Number of the attempt.
    grace_period
        Seconds between SIGTERM and SIGKILL.
    job
        job.json; empty without a job directory.
    """

    notebook: Path
    name: str
    arguments: tuple[str, ...]
    output: Path
    job_directory: Path | None = None
    attempt_directory: Path | None = None
    attempt: int = 1
    grace_period: float = 30.0
    job: Mapping[str, Any] = field(default_factory=dict)

    @property
    def checkpoint_directory(self) -> Path | None:
        """Where checkpoints are kept."""
        return self.job_directory / "checkpoints" if self.job_directory else None

    @property
    def log(self) -> Path | None:
        """The attempt's log, which file descriptors 1 and 2 append to."""
        return self.attempt_directory / "log.txt" if self.attempt_directory else None

    @classmethod
    def of_job(cls, arguments: Sequence[str]) -> Context:
        """Return the context that start.sh has made in the environment."""
        try:
            root = Path(os.environ["UNATTENDED_JOB_DIR"])
            attempt_directory = Path(os.environ["UNATTENDED_ATTEMPT_DIR"])
            attempt = int(os.environ["UNATTENDED_ATTEMPT"])
        except (KeyError, ValueError):
            raise StartError("This is the runtime of a job; run the job's start.sh") from None
        try:
            job = json.loads((root / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StartError(f"job.json cannot be read: {error}") from None
        original = job.get("spec", {}).get("notebook") or "notebook.ipynb"
        return cls(
            notebook=root / "notebook.ipynb",
            name=str(original),
            arguments=tuple(arguments),
            output=root / "output.ipynb",
            job_directory=root,
            attempt_directory=attempt_directory,
            attempt=attempt,
            grace_period=_grace_period(),
            job=job,
        )

    @classmethod
    def of_notebook(cls, arguments: Sequence[str]) -> Context:
        """Return the context of a notebook named on the command line."""
        if not arguments or arguments[0] in ("-h", "--help"):
            raise StartError(USAGE)
        notebook = Path(arguments[0]).absolute()
        if os.environ.pop("UNATTENDED_USER_SCRIPT", "") and "UNATTENDED_ATTEMPT" in os.environ:
            # The user's own start.sh runs us in a job.
            context = cls.of_job(arguments[1:])
            context.notebook = notebook
            context.name = str(notebook)
            return context
        return cls(
            notebook=notebook,
            name=arguments[0],
            arguments=tuple(arguments[1:]),
            output=notebook.with_name(f"{notebook.stem}.output.ipynb"),
            grace_period=_grace_period(),
        )

    def kernel(self, notebook: Mapping[str, Any]) -> str | None:
        """Return the name of the kernel that must run the notebook; None if we can do it."""
        if self.job:
            kernel = self.job.get("kernel") or {}
            return str(kernel.get("name")) if kernel.get("runner") == "nbclient" else None
        spec = notebook.get("metadata", {}).get("kernelspec", {})
        language = str(spec.get("language") or "python").lower()
        return None if language in ("python", "ipython") else str(spec.get("name"))

    def enter(self) -> None:
        """Go where the notebook's relative paths lead from; start.sh has done so in a job."""
        if self.job_directory is None:
            if not os.access(self.output.parent, os.W_OK):
                raise StartError(f"{self.output} cannot be written; its directory is read-only")
            os.chdir(self.notebook.parent)

    def check_hope(self) -> None:
        """Refuse an attempt that would be as useless as the last ones were.

        Only where start.sh counts restarts, because the scheduler counts none of ours. A person who
        runs start.sh once more has a reason.

        Raises
        ------
        StartError
            If the last attempts came no further.
        """
        if self.job_directory is None or not os.environ.get("UNATTENDED_MAX_RESTARTS"):
            return
        from . import fruitless

        why = fruitless.before(self.job_directory, self.attempt)
        if why is not None:
            raise StartError(why)

    def read(self) -> dict[str, Any]:
        """Return the notebook with the values of its parameters in it.

        Raises
        ------
        StartError
            If it cannot be read or the arguments do not fit its parameters.
        """
        try:
            notebook = json.loads(self.notebook.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StartError(f"there is no notebook {self.notebook}") from None
        except OSError as error:
            raise StartError(f"{self.notebook} cannot be read: {error.strerror}") from None
        except ValueError:
            raise StartError(f"{self.notebook} is not a notebook: it is not JSON") from None
        if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
            raise StartError(
                f"{self.notebook} is not a notebook of format 4; open it in Jupyter and save it"
            )
        known = parameters.find(notebook)[1]
        if not known:
            return notebook
        try:
            values = parameters.parse(self.arguments, known)
        except parameters.ParametersError as error:
            raise StartError(str(error)) from None
        injected = parameters.inject(notebook, values)
        for cell in injected["cells"]:
            if parameters.INJECTED_TAG in cell.get("metadata", {}).get("tags", ()):
                cell["id"] = "injected-parameters"  # the same in every attempt
        return injected

    def leave_verdict(self, exit_code: int) -> None:
        """Leave the exit code where start.sh, or who finds start.sh dead, believes it."""
        if self.attempt_directory is None:
            return
        try:
            descriptor = os.open(self.attempt_directory / "exit", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            os.pwrite(descriptor, f"{exit_code} {time.time():.6f}".ljust(63).encode() + b"\n", 0)
        except OSError:
            pass
        finally:
            os.close(descriptor)


def _grace_period() -> float:
    try:
        return max(1.0, float(os.environ.get("UNATTENDED_GRACE_PERIOD", "30")))
    except ValueError:
        return 30.0
