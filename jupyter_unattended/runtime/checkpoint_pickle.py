"""Pickling with large buffers streamed straight to the disk.

Both layers pickle through here. A buffer of a megabyte or more never passes through the pickle: it
is handed to ``put`` where it lies in memory, and on loading it is read straight into the memory of
the new array. So saving and loading need hardly more memory than the state itself.

What plain pickle gets wrong for arrays is put right here too, see `checkpoint_arrays`: views stay
views of the same memory, and an array that owned its memory owns it again.
"""

from __future__ import annotations

import functools
import io
import pickle
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from . import checkpoint_arrays, checkpoint_frames, checkpoint_tensors

#: Buffers from this size on are stored apart.
OUT_OF_BAND = 1024 * 1024

#: What `reducer_override` may answer: pickle's own forms, or NotImplemented.
Reduced = Any
Reducer = Callable[["BufferPickler", Any], Reduced]


class BufferPickler(pickle.Pickler):
    """A pickler that hands large buffers to `put`.

    Parameters
    ----------
    file
        Where the pickle itself goes.
    put
        Stores one contiguous buffer and returns the number to load it by.
    """

    def __init__(self, file: Any, put: Callable[[memoryview], int]) -> None:
        super().__init__(file, protocol=5, buffer_callback=self._foreign_buffer)
        self._put = put
        #: Numbers of the buffers that other libraries gave out of band, in order.
        self.foreign: list[int] = []
        #: The innermost object that pickle asked about: the culprit, when pickling fails.
        self.current: object = None
        #: One Python object for each thing that libraries make many for.
        self.shared: dict[object, object] = {}
        self.reducers: dict[type, Reducer] = {}
        for module in (checkpoint_arrays, checkpoint_frames, checkpoint_tensors):
            self.reducers.update(module.reducers())

    def reducer_override(self, obj: Any) -> Reduced:
        """Answer pickle's question how `obj` is to be saved."""
        self.current = obj
        reducer = self.reducers.get(type(obj))
        return NotImplemented if reducer is None else reducer(self, obj)

    def store(self, view: memoryview) -> int | pickle.PickleBuffer:
        """Return what stands for `view` in a loader's arguments, for `BufferUnpickler.fill`."""
        if view.nbytes >= OUT_OF_BAND:
            return self._put(view.cast("B") if view.nbytes else view)
        return pickle.PickleBuffer(view)

    def _foreign_buffer(self, buffer: pickle.PickleBuffer) -> bool:
        view = memoryview(buffer)
        if view.nbytes < OUT_OF_BAND:
            return True
        self.foreign.append(self._put(buffer.raw()))
        return False


_LOADERS: dict[tuple[str, str], Callable[..., Any]] = {
    (loader.__module__, loader.__name__): loader
    for loader in (checkpoint_arrays.load_array, checkpoint_tensors.load_storage)
}


class BufferUnpickler(pickle.Unpickler):
    """Inverse of `BufferPickler`.

    Parameters
    ----------
    file
        The pickle.
    foreign
        `BufferPickler.foreign` as it was after the dump.
    size
        Tells the size of a buffer by its number.
    read_into
        Fills memory from the buffer of a number.
    """

    def __init__(
        self,
        file: Any,
        foreign: Sequence[int],
        size: Callable[[int], int],
        read_into: Callable[[int, memoryview], None],
    ) -> None:
        super().__init__(file, buffers=self._foreign_buffers(foreign, size))
        self._read_into = read_into

    def find_class(self, module: str, name: str) -> Any:
        """Loaders that need the store are bound to this unpickler."""
        loader = _LOADERS.get((module, name))
        if loader is not None:
            return functools.partial(loader, self.fill)
        return super().find_class(module, name)

    def fill(self, data: Any, target: memoryview) -> None:
        """Fill `target` with what `BufferPickler.store` stored."""
        if isinstance(data, int):
            self._read_into(data, target)
        else:
            target[:] = memoryview(data).cast("B")

    def _foreign_buffers(
        self, numbers: Iterable[int], size: Callable[[int], int]
    ) -> Iterator[bytearray]:
        for number in numbers:
            data = bytearray(size(number))
            self._read_into(number, memoryview(data))
            yield data


#: What is saved by its name, or is code: next to nothing.
_BY_NAME = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)


class Captured:
    """A pickle in memory, with copies of the large buffers: what a thread may write later."""

    def __init__(self, obj: object, pickler: type[BufferPickler] = BufferPickler) -> None:
        file = io.BytesIO()
        self.buffers: list[bytes | memoryview] = []
        self._pickler = pickler(file, self._copy)
        self._pickler.dump(obj)
        self.foreign = self._pickler.foreign
        self.data = file.getvalue()

    def _copy(self, view: memoryview) -> int:
        self.buffers.append(bytes(view))
        return len(self.buffers) - 1

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self.data) + sum(len(buffer) for buffer in self.buffers)


def estimate_size(obj: object, limit: int = 100_000) -> int:
    """Guess the bytes of the large arrays in `obj` without touching their contents."""
    seen: set[int] = set()
    total = 0
    stack = [obj]
    while stack and len(seen) < limit:
        item = stack.pop()
        if id(item) in seen or isinstance(item, _BY_NAME):
            continue
        seen.add(id(item))
        size = _nbytes(item)
        if size is not None:
            total += size
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, (list, tuple, set, frozenset)):
            stack.extend(item)
        elif isinstance(item, (bytes, bytearray, str)):
            total += len(item)
        elif not isinstance(item, (int, float)) and hasattr(item, "__dict__"):
            stack.append(vars(item))
    return total


def _nbytes(item: object) -> int | None:
    try:
        if type(item).__module__.partition(".")[0] == "pandas" and hasattr(item, "memory_usage"):
            usage = item.memory_usage()
            return int(usage.sum() if hasattr(usage, "sum") else usage)
        size = getattr(item, "nbytes", None)
    except Exception:  # whatever an object does when it is asked: ctypes looks for a library
        return None
    return size if isinstance(size, int) else None
