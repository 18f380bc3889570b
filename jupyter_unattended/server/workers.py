"""Processes for what takes long.

Checking a notebook is computing, and while one thread computes, Python lets no other run for
milliseconds at a time: a server that checks notebooks in its own threads answers everybody late.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .tasks import Context, encode


class Workers:
    """Runs tasks, as many at once as there are workers; the others wait their turn.

    Parameters
    ----------
    count
        How many processes at most; they are started when they are needed. With 0, a thread of this
        process does the work.
    context
        What the tasks are given.
    idle
        A process that had no work for so many seconds ends, and gives its memory back.
    """

    def __init__(self, count: int, context: Context, idle: float = 600.0) -> None:
        self._context = context
        self._idle = idle
        self._in_process = count < 1
        self._threads = ThreadPoolExecutor(max(1, count), "unattended-work")
        self._free: list[_Worker] = []
        self._lock = threading.Lock()
        self._closed = False

    async def run(self, task: Callable[..., Any], *arguments: Any) -> bytes | None:
        """Return, as JSON, what ``task(context, *arguments)`` returns, or raise what it raises.

        `task` is a function of the module ``tasks``, and `arguments` are plain data.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._run, task, arguments)

    def close(self) -> None:
        """End the processes, as soon as they have done what they do."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for worker in free:
            worker.close()

    def _run(self, task: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes | None:
        if self._in_process:
            return encode(task(self._context, *arguments))
        while True:
            with self._lock:
                worker = self._free.pop() if self._free else None
            if worker is None:
                worker = _Worker(self._context, self._idle)
            try:
                answer = worker.ask(task, arguments)
            except _EndedIdleError:
                continue
            with self._lock:
                if not self._closed:
                    self._free.append(worker)
                    worker = None
            if worker is not None:
                worker.close()
            if isinstance(answer, Exception):
                raise answer
            return answer


class _Worker:
    """One process."""

    def __init__(self, context: Context, idle: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", str(idle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # `python -m` looks for modules in the working directory first; here are none.
            cwd="/",
            # Ctrl-C in the server's terminal does not interrupt a submit.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._send(context)

    def ask(self, task: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes | Exception | None:
        """Return what came of a task; an exception, if it raised one."""
        try:
            self._send((task, arguments))
            answer: bytes | Exception | None = pickle.load(self._answers)  # noqa: S301 - our own
            return answer
        except (OSError, EOFError) as error:
            self.close()
            if self._process.returncode == 0:
                raise _EndedIdleError from error
            raise RuntimeError(
                f"the process that did it ended with {self._process.returncode}; look at the list "
                "of jobs before you try again"
            ) from error

    def close(self) -> None:
        """End the process, when it has done what it does."""
        with contextlib.suppress(OSError):
            self._requests.close()
        self._answers.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:  # it has nothing to do: what it was asked is answered
            self._process.kill()
            self._process.wait()

    def _send(self, what: object) -> None:
        pickle.dump(what, self._requests)
        self._requests.flush()


class _EndedIdleError(Exception):
    """The process had ended by itself before it was asked: nothing was done."""
