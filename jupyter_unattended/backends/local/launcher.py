"""How attempts are started on this machine: the seam between the agent and what runs start.sh.

The agent's supervisor decides what is to be done; a launcher does it, with plain processes or with
a container engine. What it keeps in memory only makes it faster: another agent's launcher finds
everything again by the launch's name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from ...errors import UnattendedError
from .queue import Entry, LocalQueue

#: Backends whose jobs are not started as plain processes: name -> class of their launcher.
_OTHERS = {"container": "jupyter_unattended.backends.container.launcher:ContainerLauncher"}


class LaunchError(UnattendedError):
    """The attempt cannot be started, and could not be later either."""


class Running(Protocol):
    """A start.sh that lives."""

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        ...


@dataclass(frozen=True)
class Ended:
    """How a launch ended.

    Parameters
    ----------
    code
        start.sh's exit code; None if it left none.
    failure
        Why it never came to life, where that is so.
    words
        What start.sh said before it had a log, as one line.
    out_of_memory
        Why the attempt ended, where it was killed for the memory it used; else empty.
    """

    code: int | None
    failure: str = ""
    words: str = ""
    out_of_memory: str = ""


class Launcher(Protocol):
    """Starts attempts, and knows about those it or one before it has started."""

    def start(
        self, queue: LocalQueue, entry: Entry, launch: str, devices: Sequence[str]
    ) -> tuple[int, int] | None:
        """Start an attempt; return process id and start time of start.sh where they are known.

        Raises
        ------
        LaunchError
            If it cannot be started.
        OSError
            If the system refuses to start a process.
        """
        ...

    def announcement(self, entry: Entry) -> str:
        """Say what start.sh waits for before it can run; empty where that takes no time."""
        ...

    def running(self, queue: LocalQueue, entry: Entry) -> Running | None:
        """Return the entry's start.sh if it lives, and note in the queue what was learnt of it."""
        ...

    def is_coming(self, entry: Entry) -> bool:
        """Whether start.sh, of which nothing is seen, may just be coming to life."""
        ...

    def interval(self, entry: Entry) -> float:
        """Return in how many seconds to look at a running attempt again at the latest."""
        ...

    def memory(self, entry: Entry, enough: int) -> int:
        """Return the bytes of memory in use, exact only above `enough`; 0 where nobody asks us."""
        ...

    def kill(self, entry: Entry, running: Running, *, start_script: bool) -> None:
        """End everything of the launch at once; start.sh itself only if `start_script`."""
        ...

    def ended(self, entry: Entry) -> Ended | None:
        """Return how it ended once nothing of it is left; ends what outlived start.sh."""
        ...

    def clear(self, entry: Entry) -> None:
        """Remove what was kept for the launch; called once it is settled."""
        ...


class Launchers:
    """The launchers of one agent, by backend, made when they are first needed.

    Parameters
    ----------
    state_dir
        The state directory.
    log
        Where to say what went wrong.
    """

    def __init__(self, state_dir: Path, log: Callable[[str], None]) -> None:
        self._state_dir = state_dir
        self._log = log
        self._made: dict[str, Launcher] = {}

    def of(self, entry: Entry) -> Launcher:
        """Return the launcher of a job."""
        found = self._made.get(entry.backend)
        if found is None:
            found = self._made[entry.backend] = self._make(entry.backend)
        return found

    def _make(self, backend: str) -> Launcher:
        if backend not in _OTHERS:
            from .plain import PlainLauncher

            return PlainLauncher(self._state_dir)
        module, _, name = _OTHERS[backend].partition(":")
        made = getattr(importlib.import_module(module), name)(self._state_dir, self._log)
        return cast("Launcher", made)
