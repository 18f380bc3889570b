"""Programs that a cluster consists of: started with a log of their own, ended by process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Programs:
    """The running programs of one cluster.

    Who they are is kept in ``DIRECTORY/NAME.json``, so that what a killed harness left behind can
    be ended by the next one.
    """

    def __init__(self, directory: Path, logs: Path) -> None:
        self.directory = directory
        self.logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for path in (directory, logs):
            path.mkdir(parents=True, exist_ok=True)

    def start(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a program; its log is ``LOGS/NAME.log``."""
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self._running[name] = process
        record = {"pid": process.pid, "started": start_time(process.pid)}
        (self.directory / f"{name}.json").write_text(json.dumps(record))

    def stop(self, name: str, grace: float = 10, *, kill: bool = False) -> None:
        """End a program and wait for it: SIGTERM, and SIGKILL after `grace` seconds."""
        process = self._running.pop(name, None)
        if process is not None:
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        (self.directory / f"{name}.json").unlink(missing_ok=True)

    def alive(self, name: str) -> bool:
        """Whether a program runs."""
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def log_tail(self, name: str, size: int = 3000) -> str:
        """The end of a program's log."""
        path = self.logs / f"{name}.log"
        return path.read_text(errors="replace")[-size:] if path.exists() else ""

    def names(self) -> list[str]:
        """The programs that were started and not stopped, the newest first."""
        return list(reversed(self._running))

    def wait_for(self, name: str, ready: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait until `ready`; an end or a delay is an error with its log."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.alive(name):
                raise RuntimeError(f"{name} ended before {what}:\n{self.log_tail(name)}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not in {timeout:.0f} s\n{self.log_tail(name)}")
            time.sleep(0.05)


def end_recorded(directory: Path, grace: float = 10) -> None:
    """End the programs that an earlier, killed harness recorded in `directory`."""
    for record in sorted(directory.glob("*.json")):
        content = json.loads(record.read_text())
        end(content["pid"], content["started"], grace)
        record.unlink()


def end(pid: int, started: str, grace: float = 10) -> None:
    """End the process `pid` if it is still the one that began at `started`."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10)):
        deadline = time.monotonic() + patience
        if start_time(pid) != started:
            return
        os.kill(pid, number)
        while start_time(pid) == started and time.monotonic() < deadline:
            time.sleep(0.05)


def start_time(pid: int) -> str:
    """When a process began, in clock ticks since boot; empty if there is none or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if stat[0] in "ZX" else stat[19]


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()
