"""Attempts as plain processes of this machine."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from . import launch as launching
from . import processes
from .launcher import Ended, Running
from .processes import Process
from .queue import Entry, LocalQueue

#: How long a launch of which nothing is found may be a child between fork and exec, in seconds.
_BIRTH = 3.0
#: How long stragglers may go on after start.sh ended by itself, in seconds.
_STRAGGLING = 2.0


class PlainLauncher:
    """Runs start.sh in a session of its own.

    Parameters
    ----------
    state_dir
        The state directory.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._boot = processes.boot_id()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._seen: set[str] = set()
        self._orphans: dict[str, float] = {}

    def start(
        self, queue: LocalQueue, entry: Entry, launch: str, devices: Sequence[str]
    ) -> tuple[int, int] | None:
        """Start start.sh."""
        variables = launching.environment(queue, self._state_dir, entry, launch, devices)
        child = launching.start(self._state_dir, entry, launch, variables)
        self._children[entry.id] = child
        process = processes.look(child.pid)
        return (child.pid, process.start if process is not None else 0)

    def announcement(self, entry: Entry) -> str:
        """Nothing has to be done first."""
        return ""

    def running(self, queue: LocalQueue, entry: Entry) -> Process | None:
        """Return start.sh's process if it is alive."""
        found = self._find(queue, entry)
        if found is not None:
            self._seen.add(entry.id)
        return found

    def _find(self, queue: LocalQueue, entry: Entry) -> Process | None:
        child = self._children.get(entry.id)
        if child is not None and child.poll() is not None:
            return None
        if entry.boot != self._boot:
            return None
        if entry.pid is None:
            found = processes.of_launch(entry.launch or "")
            # The first of its session is start.sh; without it, the rest are orphans.
            leader = next((p for p in found if p.pid == p.session), None)
            if leader is not None:
                queue.set(entry.id, pid=leader.pid, pid_start=leader.start)
                entry.pid, entry.pid_start = leader.pid, leader.start
            return leader
        process = processes.look(entry.pid)
        return process if process is not None and process.start == entry.pid_start else None

    def is_coming(self, entry: Entry) -> bool:
        """Whether it may be a child between fork and exec."""
        return entry.pid is None and time.time() - (entry.launched or 0) < _BIRTH

    def interval(self, entry: Entry) -> float:
        """Look when there is a reason to; the end of a process is heard of."""
        return 60.0

    def memory(self, entry: Entry, enough: int) -> int:
        """Add up the memory of all processes of the launch."""
        return processes.memory(processes.of_launch(entry.launch or "", entry.pid), enough)

    def kill(self, entry: Entry, running: Running, *, start_script: bool) -> None:
        """Kill all processes of the launch; start.sh only if asked to."""
        own = processes.of_launch(entry.launch or "", entry.pid)
        processes.kill_all([process for process in own if process.pid != entry.pid])
        if start_script:
            running.send(signal.SIGKILL)

    def ended(self, entry: Entry) -> Ended | None:
        """Return how start.sh ended, once everything else of the launch is gone too."""
        child = self._children.get(entry.id)
        code = child.returncode if child is not None and child.returncode >= 0 else None
        if not self._sweep(entry, patient=code is None):
            return None
        words = launching.last_words(self._state_dir, entry.launch) if entry.launch else ""
        return Ended(code, words=words)

    def _sweep(self, entry: Entry, *, patient: bool) -> bool:
        """End what outlived start.sh; return whether nothing is left.

        If start.sh was killed the notebook may still be saving (it was told by the kernel), and
        gets its grace period; after an end of its own, stragglers get a moment.
        """
        known = entry.id in self._seen or entry.id in self._children
        session = entry.pid if known else None
        if session is not None:
            leader = processes.look(session)
            if leader is not None and leader.start != entry.pid_start:
                session = None  # The id is somebody else's by now.
        left = processes.of_launch(entry.launch or "", session) if entry.launch else []
        if not left:
            self._orphans.pop(entry.id, None)
            return True
        now = time.time()
        if entry.id not in self._orphans:
            grace = entry.grace_period if patient else min(entry.grace_period, _STRAGGLING)
            deadline = now + grace
            if entry.kill_at is not None:
                deadline = max(now, min(deadline, entry.kill_at))
            self._orphans[entry.id] = deadline
            processes.kill_all(left, signal.SIGTERM)
        elif now >= self._orphans[entry.id]:
            processes.kill_all(left)
        return False

    def clear(self, entry: Entry) -> None:
        """Remove what was caught of start.sh's output, and what is known of the process."""
        if entry.launch:
            launching.clear(self._state_dir, entry.launch)
        self._children.pop(entry.id, None)
        self._seen.discard(entry.id)
