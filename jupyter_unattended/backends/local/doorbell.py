"""Waking the agent of this host, and starting one where there is none.

The agent holds a lock for as long as it lives and listens on a socket; both are on a file system of
this host. Whoever finds the lock free takes it and hands it to the agent that it starts, so that
however many submit at once, one agent is started.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

from ... import statedir
from . import environment


def lock_path(state_dir: Path) -> Path:
    """Return the path of the agent's lock."""
    return statedir.runtime_path(state_dir, ".lock")


def socket_path(state_dir: Path) -> Path:
    """Return the path of the agent's socket."""
    return statedir.runtime_path(state_dir, ".sock")


def ring(state_dir: Path) -> None:
    """Wake the agent; start one if there is none. Call it after what it shall see is committed."""
    if not wake(state_dir):
        lock = take_lock(state_dir)
        if lock is not None:
            try:
                _start(state_dir, lock)
            finally:
                os.close(lock)


def is_alive(state_dir: Path) -> bool:
    """Whether an agent of this state directory runs on this host."""
    lock = take_lock(state_dir)
    if lock is None:
        return True
    os.close(lock)
    return False


def take_lock(state_dir: Path) -> int | None:
    """Take the agent's lock until its descriptors are closed; None if somebody has it."""
    path = lock_path(state_dir)
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        # Somebody may have removed the file between opening and locking it.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        os.close(lock)


def release_lock(state_dir: Path, lock: int) -> None:
    """Give the lock back; its file goes, which `take_lock` expects."""
    lock_path(state_dir).unlink(missing_ok=True)
    os.close(lock)


def listen(state_dir: Path) -> socket.socket:
    """Return the agent's socket, bound; only for who holds the lock."""
    path = socket_path(state_dir)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


def wake(state_dir: Path) -> bool:
    """Wake the agent; return whether there is one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as caller:
        caller.setblocking(False)
        try:
            caller.sendto(b"!", str(socket_path(state_dir)))
        except BlockingIOError:
            return True  # It has more rings waiting than it needs.
        except OSError:
            return False
    return True


def _start(state_dir: Path, lock: int) -> None:
    command = [
        sys.executable, "-m", "jupyter_unattended.backends.local.agent",
        "--state-dir", str(state_dir), "--lock", str(lock),
    ]  # fmt: skip
    # The shell ends at once: nobody is the agent's parent, and no zombie is left to anybody. A
    # session of its own: it outlives the terminal, the notebook server and their signals.
    subprocess.run(
        ["/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=[lock],
        cwd="/",
        env=environment.of_agent(),
        check=True,
    )
