"""The agent: one process per user and host that runs the local backend's queue.

Started on demand by whoever submits or looks at jobs, detached from it, and gone when there is
nothing left to do. It may be killed at any moment: the next one goes on from the queue, the job
directories and the processes it finds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

from ...errors import StoreError
from ...statedir import DamagedError
from . import doorbell, machine, processes
from .queue import LocalQueue, open_queue, queue_file
from .supervisor import Supervisor

#: Seconds without work after which the agent ends; ``UNATTENDED_AGENT_IDLE`` overrides.
_IDLE = 60.0
#: How often it looks whether others wrote to the queue without ringing, in seconds.
_LOOK = 5.0
#: How often it notes that it lives, and how old a note may be before its writer is taken for dead.
_HEARTBEAT, _STALE = 15.0, 60.0
_LOG_SIZE = 1 << 20


class Log:
    """The agent's log: two files of a megabyte, and silence where they cannot be written."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, text: str) -> None:
        """Write one line."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(OSError):
            if self._file.exists() and self._file.stat().st_size > _LOG_SIZE:
                self._file.replace(self._file.with_suffix(".log.1"))
            with self._file.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(f"{stamp} [{os.getpid()}] {text}\n")


class Agent:
    """The loop around a `Supervisor`.

    Parameters
    ----------
    state_dir
        The state directory whose queue of this host it runs.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._log = Log(state_dir / f"agent-{machine.hostname()}.log")
        self._identity = f"{processes.boot_id()} {processes.namespace()}"
        self._noted = 0.0
        self._idle = float(os.environ.get("UNATTENDED_AGENT_IDLE", _IDLE))
        self._ending = False

    def run(self, lock: int) -> None:
        """Work until there is nothing left to do; `lock` is released at the end."""
        self._log("started")
        while True:
            listener = doorbell.listen(self._state_dir)
            try:
                self._run_queue(listener)
            finally:
                listener.close()
                doorbell.socket_path(self._state_dir).unlink(missing_ok=True)
                doorbell.release_lock(self._state_dir, lock)
            # Whoever submitted while the lock was still held relied on this agent.
            again = None if self._ending else self._take_up_again()
            if again is None:
                self._log("ended")
                return
            lock = again

    def stop(self, *_: object) -> None:
        """End at the next opportunity; jobs go on, and the next agent finds them."""
        self._ending = True

    def _run_queue(self, listener: socket.socket) -> None:
        queue = open_queue(queue_file(self._state_dir))
        try:
            self._wait_for_namesake(queue)
            supervisor = Supervisor(queue, self._state_dir, self._log)
            while self._work(queue, supervisor, listener):
                # Deleted or damaged: whoever looks at the jobs puts them into a new one.
                queue.close()
                if not self._state_dir.is_dir():
                    return
                queue = open_queue(queue_file(self._state_dir))
                supervisor.use(queue)
                self._log("the queue was replaced")
            with contextlib.suppress(StoreError):
                queue.forget_agent()
        finally:
            queue.close()

    def _take_up_again(self) -> int | None:
        if not self._state_dir.is_dir():
            return None
        with open_queue(queue_file(self._state_dir)) as queue:
            return doorbell.take_lock(self._state_dir) if queue.has_work() else None

    def _wait_for_namesake(self, queue: LocalQueue) -> None:
        """Wait while an agent of another container with the same host name lives.

        Its processes cannot be seen from here; taking them for dead would run jobs twice.
        """
        while not self._ending:
            seen = queue.agent_seen()
            if seen is None or seen[0] == self._identity or time.time() - seen[1] > _STALE:
                return
            self._log("another agent with this host name lives in another container; waiting")
            time.sleep(2.0)

    def _work(self, queue: LocalQueue, supervisor: Supervisor, listener: socket.socket) -> bool:
        """Work until there is nothing left to do; return True when the queue was replaced."""
        last_work = time.monotonic()
        while not self._ending:
            wait = 2.0
            try:
                wait = supervisor.step()
                self._note(queue)
                if queue.has_work():
                    last_work = time.monotonic()
            except DamagedError as error:
                self._log(str(error))
                return True
            except StoreError as error:
                self._log(str(error))
            if queue.is_replaced():
                return True
            left = self._idle - (time.monotonic() - last_work)
            if left <= 0:
                return False
            self._sleep(queue, supervisor, listener, min(wait, max(left, 0.05)))
        return False

    def _sleep(
        self,
        queue: LocalQueue,
        supervisor: Supervisor,
        listener: socket.socket,
        seconds: float,
    ) -> None:
        """Sleep until a time, a ring, the end of a process, or a change in the queue."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        for descriptor in supervisor.pidfds:
            poll.register(descriptor, select.POLLIN)
        # Without descriptors for processes their end has to be looked for.
        step = _LOOK if hasattr(os, "pidfd_open") else 0.5
        with contextlib.suppress(StoreError):
            version = queue.version()
            while not self._ending:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                ready = poll.poll(min(left, step) * 1000)
                if ready:
                    self._answer(listener)
                    for descriptor, _ in ready:
                        if descriptor != listener.fileno():
                            supervisor.drop(descriptor)
                    return
                if step < _LOOK or queue.version() != version:
                    return
            return
        time.sleep(min(seconds, 1.0))

    @staticmethod
    def _answer(listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                listener.recv(16)

    def _note(self, queue: LocalQueue) -> None:
        if time.monotonic() - self._noted > _HEARTBEAT:
            queue.note_agent(self._identity, os.getpid())
            self._noted = time.monotonic()


def main() -> int:
    """Run the agent; return its exit code."""
    parser = argparse.ArgumentParser(prog="jupyter-unattended-agent", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--lock", type=int, help="descriptor of the lock, already taken")
    options = parser.parse_args()
    lock = options.lock if options.lock is not None else doorbell.take_lock(options.state_dir)
    if lock is None:
        return 0
    os.set_inheritable(lock, False)
    agent = Agent(options.state_dir)
    # The shell that started us in the background ignores these; the jobs must not inherit that.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, agent.stop)
    try:
        agent.run(lock)
    except Exception:
        Log(options.state_dir / f"agent-{machine.hostname()}.log")(traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
