"""Processes: whether one is still the same, and which belong to a launch.

A process id alone says nothing, because ids are used again: a process is known by its id and its
start time, and the processes of a launch by a variable in their environment, which children
inherit. Linux tells all this in ``/proc``; elsewhere psutil does.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self" / "environ").exists()
_PAGE = os.sysconf("SC_PAGE_SIZE")

#: Variable that names the launch, set for every process of an attempt.
LAUNCH = "UNATTENDED_LAUNCH"


@dataclass(frozen=True)
class Process:
    """A process: its id, its start time (in clock ticks since boot) and its session."""

    pid: int
    start: int
    session: int = 0

    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        found = look(self.pid)
        return found is not None and found.start == self.start

    def send(self, number: int) -> None:
        """Send a signal, if it is still there."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


def look(pid: int) -> Process | None:
    """Return the process with this id; None if there is none or only its zombie."""
    if not _HAS_PROC:
        return _look_elsewhere(pid)
    try:
        raw = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The command's name is in parentheses and may hold anything, spaces and parentheses too.
    fields = raw[raw.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return Process(pid, start=int(fields[19]), session=int(fields[3]))


def of_launch(launch: str, session: int | None = None) -> list[Process]:
    """Return all living processes of a launch, also those that made a session of their own.

    Parameters
    ----------
    launch
        The value of UNATTENDED_LAUNCH.
    session
        The session that start.sh began with; finds processes that cleared their environment.
    """
    mark = f"{LAUNCH}={launch}".encode()
    own = os.getpid()
    found = []
    for pid in _pids():
        if pid == own:
            continue
        process = look(pid)
        if process is not None and (
            (session is not None and process.session == session) or mark in _environment(pid)
        ):
            found.append(process)
    return found


def launches_of(job_id: str, job_directory: str) -> set[str]:
    """Return the launches of a job that have living processes."""
    directory = f"UNATTENDED_JOB_DIR={job_directory}".encode()
    prefix = f"{LAUNCH}=".encode()
    own = prefix + f"{job_id}.".encode()
    found = set()
    for pid in _pids():
        variables = _environment(pid)
        launch = next((v for v in variables if v.startswith(prefix)), b"")
        if (directory in variables or launch.startswith(own)) and look(pid) is not None:
            found.add(launch[len(prefix) :].decode())
    return found - {""}


def memory(processes: list[Process], enough: int) -> int:
    """Return how many bytes of memory processes use.

    Resident memory is added up, which counts shared pages more than once; only where that is more
    than `enough` are the shared pages shared out.
    """
    resident = sum(_resident(process.pid) for process in processes)
    if resident <= enough:
        return resident
    return sum(_proportional(process.pid) for process in processes)


def boot_id() -> str:
    """Return what changes when the machine is started again."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return str(int(psutil.boot_time()))


def namespace() -> str:
    """Return what tells apart containers on one machine: process ids mean nothing across it."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def kill_all(processes: list[Process], number: int = signal.SIGKILL) -> None:
    """Send a signal to processes."""
    for process in processes:
        process.send(number)


def _pids() -> list[int]:
    if not _HAS_PROC:
        import psutil

        return psutil.pids()
    return [int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdecimal()]


def _environment(pid: int) -> list[bytes]:
    if not _HAS_PROC:
        return _environment_elsewhere(pid)
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _resident(pid: int) -> int:
    if not _HAS_PROC:
        import psutil

        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
        return 0
    try:
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _proportional(pid: int) -> int:
    try:
        raw = (_PROC / str(pid) / "smaps_rollup").read_bytes()
        match = re.search(rb"^Pss:\s+(\d+) kB", raw, re.MULTILINE)
    except OSError:
        match = None
    return int(match[1]) * 1024 if match else _resident(pid)


def _look_elsewhere(pid: int) -> Process | None:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Process(pid, int(process.create_time() * 100), os.getsid(pid))
    except (psutil.Error, OSError):
        return None


def _environment_elsewhere(pid: int) -> list[bytes]:
    import psutil

    try:
        return [f"{k}={v}".encode() for k, v in psutil.Process(pid).environ().items()]
    except (psutil.Error, OSError):
        return []
