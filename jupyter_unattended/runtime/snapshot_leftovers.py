"""What cells leave behind without anybody needing it: closed files, free locks, finished processes.

Left-overs like these stand in most namespaces. They hold nothing that could be lost, so they are
rebuilt; their counterparts that do hold something (an open file, a held lock) are refused by name.
"""

from __future__ import annotations

import _thread
import io
import os
import re
import struct
import subprocess
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .snapshot_pickle import NamespacePickler

_FILES: tuple[type, ...] = (
    io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO
)  # fmt: skip
_NAMES = {
    "socket": "a socket",
    "generator": "a generator that has not ended",
    "coroutine": "a coroutine",
    "async_generator": "an asynchronous generator",
    "Connection": "a connection",
    "Cursor": "a database cursor",
    "Thread": "a thread",
    "ThreadPoolExecutor": "a pool of threads",
    "ProcessPoolExecutor": "a pool of processes",
    "Pool": "a pool of processes",
    "Process": "a process",
    "Task": "a task",
    "Future": "a future",
    "mmap": "a mapped file",
    "HASH": "an unfinished hash",
    "SSLContext": "an SSL context",
    "module": "a module",
    "frame": "a frame",
    "traceback": "a traceback",
}
_POOLS = {
    "concurrent.futures.thread": "ThreadPoolExecutor",
    "concurrent.futures.process": "ProcessPoolExecutor",
}


class UnsaveableError(Exception):
    """Something holds what no snapshot can keep; the text is a noun phrase: ``a held lock``."""


def reducers() -> dict[type, Callable[[NamespacePickler, Any], Any]]:
    """Return the reducers for left-overs."""
    found: dict[type, Callable[[NamespacePickler, Any], Any]] = dict.fromkeys(_FILES, _reduce_file)
    found |= {
        _thread.LockType: _reduce_lock,
        _thread.RLock: _reduce_rlock,
        re.Match: _reduce_match,
        subprocess.Popen: _reduce_popen,
        types.GeneratorType: _reduce_generator,
        weakref.ref: _reduce_weakref,
        weakref.WeakValueDictionary: _reduce_weak_mapping,
        weakref.WeakKeyDictionary: _reduce_weak_mapping,
        weakref.WeakSet: _reduce_weak_set,
        type({}.keys()): _reduce_view("keys"),
        type({}.values()): _reduce_view("values"),
        type({}.items()): _reduce_view("items"),
        threading.Thread: _reduce_thread,
        struct.Struct: _reduce_struct,
    }
    # Else the queue inside of them would be named, which nobody knows of.
    for module, name in _POOLS.items():
        if module in sys.modules:
            found[getattr(sys.modules[module], name)] = _refuse
    return found


def describe(obj: object) -> str:
    """Name what cannot be saved, for a person."""
    if isinstance(obj, _FILES):
        name = getattr(obj, "name", None)
        return f"an open file ({name})" if isinstance(name, str) else "an open file"
    for cls in type(obj).__mro__:
        if cls.__name__ in _NAMES:
            return _NAMES[cls.__name__]
    name = f"{type(obj).__module__}.{type(obj).__qualname__}".removeprefix("builtins.")
    return f"an object of type {name.removeprefix('__main__.')}"


def _reduce_file(_pickler: NamespacePickler, file: Any) -> Any:
    for name in ("stdout", "stderr", "stdin", "__stdout__", "__stderr__", "__stdin__"):
        if file is getattr(sys, name, None):
            return getattr, (sys, name)
    if not file.closed:
        raise UnsaveableError(describe(file))
    return make_closed, (type(file), getattr(file, "name", None), getattr(file, "mode", "r"))


def make_closed(kind: type, name: Any, mode: str) -> Any:
    """Make a file that is closed."""
    raw = io.FileIO(os.devnull, "r+")
    raw.name = name
    file: Any = raw
    if kind is not io.FileIO:
        wrapper: Any = io.BufferedReader if kind is io.TextIOWrapper else kind
        file = wrapper(raw)
    if kind is io.TextIOWrapper:
        file = io.TextIOWrapper(file, encoding="utf-8")
        file.mode = mode
    file.close()
    return file


def _reduce_lock(_pickler: NamespacePickler, lock: Any) -> Any:
    if lock.locked():
        raise UnsaveableError("a lock that is held")
    return threading.Lock, ()


def _reduce_rlock(_pickler: NamespacePickler, lock: Any) -> Any:
    if not lock.acquire(blocking=False):
        raise UnsaveableError("a lock that is held")
    lock.release()
    if lock._is_owned():
        raise UnsaveableError("a lock that is held")
    return threading.RLock, ()


def _reduce_match(_pickler: NamespacePickler, match: Any) -> Any:
    arguments = (match.re, match.string, match.start(), match.end(), match.endpos)
    again = make_match(*arguments)
    if again is None or again.regs != match.regs:
        raise UnsaveableError("a match of a regular expression")
    return make_match, arguments


def make_match(pattern: Any, text: Any, start: int, end: int, endpos: int) -> Any:
    """Match again what was matched."""
    found = pattern.match(text, start, endpos)
    return found if found is None or found.end() == end else pattern.fullmatch(text, start, end)


def _reduce_popen(_pickler: NamespacePickler, process: Any) -> Any:
    if process.poll() is None:
        raise UnsaveableError(f"a running process ({process.pid})")
    return NotImplemented


def _reduce_generator(_pickler: NamespacePickler, generator: Any) -> Any:
    if generator.gi_frame is not None:
        raise UnsaveableError("a generator that has not ended")
    return make_ended_generator, ()


def make_ended_generator() -> Any:
    """Make a generator that has nothing more to give."""
    generator = (item for item in [None])
    list(generator)
    return generator


def _reduce_weakref(_pickler: NamespacePickler, reference: Any) -> Any:
    target = reference()
    if target is None:
        return make_dead_reference, ()
    if getattr(reference, "__callback__", None) is not None:
        return weakref.ref, (target, reference.__callback__)
    return weakref.ref, (target,)


def make_dead_reference() -> Any:
    """Make a weak reference to something that is gone."""
    return weakref.ref(type("Gone", (), {})())


def _reduce_weak_mapping(_pickler: NamespacePickler, mapping: Any) -> Any:
    return type(mapping), (dict(mapping),)


def _reduce_weak_set(_pickler: NamespacePickler, weak: Any) -> Any:
    return weakref.WeakSet, (list(weak),)


def _reduce_view(name: str) -> Callable[[NamespacePickler, Any], Any]:
    def reduce(_pickler: NamespacePickler, view: Any) -> Any:
        import gc

        return make_view, (gc.get_referents(view)[0], name)

    return reduce


def make_view(mapping: Any, name: str) -> Any:
    """Make a view of a dict."""
    return getattr(mapping, name)()


def reduce_exception(error: BaseException) -> Any:
    """Reduce an exception whose class has an ``__init__`` of its own.

    Pickle would call it with ``args``, which need not be what it takes. NotImplemented for others.
    """
    kind = type(error)
    own = isinstance(kind.__init__, types.FunctionType)
    if not own or kind.__reduce__ is not BaseException.__reduce__:
        return NotImplemented
    return make_exception, (kind, error.args), vars(error) or None


def make_exception(kind: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """Make an exception without calling its ``__init__``."""
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    return error


def _reduce_struct(_pickler: NamespacePickler, layout: struct.Struct) -> Any:
    return struct.Struct, (layout.format,)


def _refuse(_pickler: NamespacePickler, obj: object) -> Any:
    raise UnsaveableError(describe(obj))


def _reduce_thread(_pickler: NamespacePickler, thread: threading.Thread) -> Any:
    if thread.is_alive():
        raise UnsaveableError(f"a running thread ({thread.name})")
    raise UnsaveableError("a thread")
