"""What is going on in the process that a snapshot would lose: threads, child processes, tasks."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from .checkpoint_objects import THREAD_NAME

#: Threads that are started again by whoever needs them: ours, IPython's, tqdm's, joblib's; and
#: those that wait for a child process, which is looked at as such.
_HARMLESS_THREADS = (
    THREAD_NAME,
    "unattended",
    "asyncio-waitpid-",
    "IPythonHistorySavingThread",
    "QueueFeederThread",
    "QueueManagerThread",
    "ExecutorManagerThread",
    "pydevd",
)
_HARMLESS_CLASSES = ("TMonitor", "_ExecutorManagerThread", "HistorySavingThread")
#: Likewise child processes, by their command lines.
_HARMLESS_PROCESSES = (
    b"loky.backend.popen_loky_posix",
    b"loky.backend.resource_tracker",
    b"multiprocessing.resource_tracker",
    b"multiprocessing.forkserver",
    b"jupyter_unattended.runtime.snapshot_verify",
)
#: How long a thread may take to end, or to be idle, after it has told its result.
_BREATH = 0.2


def going_on() -> str | None:
    """Name something alive that would not come back; None if there is nothing."""
    return _thread() or _process() or _task()


def _thread() -> str | None:
    deadline = time.monotonic() + _BREATH
    for thread in threading.enumerate():
        harmless = (
            thread is threading.main_thread()
            or not thread.is_alive()
            or thread.name.startswith(_HARMLESS_THREADS)
            or type(thread).__name__ in _HARMLESS_CLASSES
            or isinstance(thread, threading._DummyThread)
            or _runs_loop_of_magics(thread)
            or _waits_for_coroutines(thread)
        )
        if harmless:
            continue
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            return f"a thread ({thread.name}) is running"
    return None


def _runs_loop_of_magics(thread: threading.Thread) -> bool:
    """Return whether this is what ``%%bash`` and the like leave running for the next of them."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    manager = getattr(shell, "magics_manager", None)
    magics = manager.registry.get("ScriptMagics") if manager is not None else None
    loop = getattr(magics, "event_loop", None)
    return loop is not None and getattr(getattr(thread, "_target", None), "__self__", None) is loop


def _waits_for_coroutines(thread: threading.Thread) -> bool:
    """Return whether this is what ``asyncio.to_thread`` left, and it has nothing to do."""
    loop = _current_loop()
    executor: Any = getattr(loop, "_default_executor", None)
    if executor is None or thread not in getattr(executor, "_threads", ()):
        return False
    idle = getattr(executor, "_idle_semaphore", None)
    deadline = time.monotonic() + _BREATH  # it tells the result first, and then that it is idle
    while idle is not None and time.monotonic() < deadline:
        if idle._value >= len(executor._threads):
            return True
        time.sleep(0.001)
    return False


def children() -> list[int]:
    """Return the process ids of this process's children."""
    found = []
    try:
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - each has those that it started
            with contextlib.suppress(ProcessLookupError):
                text = Path(f"/proc/self/task/{task}/children").read_text()
                found += [int(pid) for pid in text.split()]
    except OSError:
        return _children_by_scan()
    return found


def _children_by_scan() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[1]) == os.getpid() and after_name[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def _process() -> str | None:
    if not sys.platform.startswith("linux"):
        return None
    for pid in children():
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/stat").read_text()
            name = status[status.index("(") + 1 : status.rindex(")")]
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            ended = status[status.rindex(")") + 2] == "Z"
            if not ended and not any(part in command for part in _HARMLESS_PROCESSES):
                return f"a child process ({name}, {pid}) is running"
    return None


def _task() -> str | None:
    loop = _current_loop()
    if loop is None or loop.is_closed():
        return None
    for task in sys.modules["asyncio"].all_tasks(loop):
        if not task.done():
            return f"a task ({task.get_name()}) is waiting"
    return None


def _current_loop() -> Any:
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    with warnings.catch_warnings(), contextlib.suppress(RuntimeError):
        warnings.simplefilter("ignore")
        return asyncio.get_event_loop()
    return None
