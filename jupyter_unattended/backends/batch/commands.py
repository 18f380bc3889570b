"""Running a scheduler's programs, here or on the submit host of the site profile."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ... import statedir
from ...errors import BackendError, BackendUnavailableError

#: How long a scheduler may take to answer before it counts as not answering.
TIMEOUT = 30.0

_SSH = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ControlMaster=auto",
        "-o", "ControlPersist=10m")  # fmt: skip


class Commands:
    """Runs programs of one scheduler.

    Parameters
    ----------
    scheduler
        The scheduler's name for people.
    state_dir
        The state directory, near which ssh keeps its connection.
    submit_host
        Run there through OpenSSH; None runs here.
    unset
        Variables, or beginnings of their names ending in ``*``, that must not reach the programs:
        inside a job they say how *that* job was submitted.
    keep
        Names that `unset` would take but that must stay.
    env
        Variables for the programs, so that their output can be read by a program.
    """

    def __init__(
        self,
        scheduler: str,
        state_dir: Path,
        submit_host: str | None = None,
        *,
        unset: Sequence[str] = (),
        keep: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.submit_host = submit_host
        self._state_dir = state_dir
        self._unset = tuple(unset)
        self._keep = frozenset(keep)
        self._env = {"LC_ALL": "C", **(env or {})}

    def found(self, program: str, timeout: float = 5.0) -> bool:
        """Whether `program` can be run."""
        if self.submit_host is None:
            return shutil.which(program) is not None
        try:
            return self.run(["which", program], timeout).returncode == 0
        except BackendError:
            return False

    def run(
        self, command: Sequence[str], timeout: float = TIMEOUT
    ) -> subprocess.CompletedProcess[str]:
        """Run a program and return what it said, whatever its exit code.

        Raises
        ------
        BackendError
            If it does not answer in time, or the submit host cannot be reached.
        BackendUnavailableError
            If there is no such program.
        """
        where = f" on {self.submit_host}" if self.submit_host else ""
        try:
            done = subprocess.run(
                self._command(command),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise BackendError(
                f"{self.scheduler} does not answer: {command[0]}{where} took longer than "
                f"{timeout:g} s."
            ) from error
        except FileNotFoundError as error:
            missing = command[0] if self.submit_host is None else "ssh"
            raise BackendUnavailableError(
                f"{missing} is not on this machine; load {self.scheduler}'s module, or set "
                "submit_host in the site profile to a host that has it."
            ) from error
        if self.submit_host is not None and done.returncode == 255:
            raise BackendError(
                f"The submit host {self.submit_host} cannot be reached: "
                f"{first_line(done.stderr.decode(errors='replace'))}"
            )
        return subprocess.CompletedProcess(
            list(command),
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    def ask(self, command: Sequence[str], timeout: float = TIMEOUT) -> str:
        """Run a program that must succeed and return its output.

        Raises
        ------
        BackendError
            If it fails; the text quotes what it said.
        """
        done = self.run(command, timeout)
        if done.returncode:
            raise BackendError(
                f"{self.scheduler} said to {command[0]}: "
                f"{first_line(done.stderr) or first_line(done.stdout) or 'nothing'}"
                f" (exit code {done.returncode})."
            )
        return done.stdout

    def _command(self, command: Sequence[str]) -> list[str]:
        if self.submit_host is None:
            return list(command)
        socket = statedir.runtime_path(self._state_dir, "-ssh-%C")
        assignments = [f"{name}={value}" for name, value in self._env.items()]
        remote = shlex.join(["env", *assignments, *command])
        return ["ssh", *_SSH, "-o", f"ControlPath={socket}", "--", self.submit_host, remote]

    def _environment(self) -> dict[str, str]:
        environment = {
            name: value for name, value in os.environ.items() if not self._is_foreign(name)
        }
        return {**environment, **self._env}

    def _is_foreign(self, name: str) -> bool:
        return name not in self._keep and any(
            name.startswith(word[:-1]) if word.endswith("*") else name == word
            for word in self._unset
        )


def first_line(text: str) -> str:
    """Return the first line that says something, without what programs put in front of it."""
    for line in text.splitlines():
        said = line.strip()
        for prefix in ("sbatch: error: ", "scontrol: error: ", "scancel: error: ", "error: "):
            said = said.removeprefix(prefix)
        if said:
            return said
    return ""
