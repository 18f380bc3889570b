"""NumPy arrays in checkpoints: views stay views, owners stay owners, nothing is copied.

Imports NumPy only where the notebook did; an array cannot exist otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint_pickle import BufferPickler


def reducers() -> dict[type, Callable[[BufferPickler, Any], Any]]:
    """Return the reducers for NumPy's types, if NumPy is loaded."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return {}
    return {numpy.ndarray: _reduce_array, numpy.memmap: _reduce_memmap}


def _reduce_array(pickler: BufferPickler, array: Any) -> Any:
    import numpy as np

    base = _owner(array)
    if base is not None and not array.flags.owndata:
        if (
            type(base) is np.ndarray
            and _axes(base) is not None
            and base.dtype.hasobject == array.dtype.hasobject
        ):
            offset = _address(array) - _address(base)
            return load_view, (base, offset, *_layout(array))
        if type(base) is memoryview:
            base = base.obj
        if type(base) in (bytes, bytearray):
            offset = _address(array) - _address(np.frombuffer(base, np.uint8))
            return load_view, (base, offset, *_layout(array))
    if array.dtype.hasobject or array.dtype.kind == "T":
        return NotImplemented  # NumPy's own way: a list of the objects
    return _reduce_owner(pickler, array)


def _owner(array: Any) -> Any:
    """Return what the memory of `array` belongs to, also where NumPy put an object in between."""
    base = array.base
    while type(base).__name__ == "DummyArray" and hasattr(base, "base"):
        base = base.base  # of broadcast_to, sliding_window_view and the like
    return base


def _reduce_owner(pickler: BufferPickler, array: Any) -> Any:
    import numpy as np

    axes = _axes(array)
    if axes is None:
        array = np.ascontiguousarray(array)
        axes = tuple(range(array.ndim))
    data = None
    if array.nbytes:
        data = pickler.store(memoryview(array.transpose(axes).reshape(-1).view(np.uint8)))
    return load_array, (data, array.shape, array.dtype, axes, bool(array.flags.writeable))


def _reduce_memmap(pickler: BufferPickler, array: Any) -> Any:
    """Save a mapped file as an array: the file may change or go away before the next attempt."""
    import numpy as np

    return _reduce_owner(pickler, np.asarray(array))


def _axes(array: Any) -> tuple[int, ...] | None:
    """Return the order of axes in which the memory of `array` is without gaps, if there is one.

    ``(0, 1, …)`` is C order, its reverse Fortran's; a copy of a transposed array has others.
    """
    if array.flags.c_contiguous:
        return tuple(range(array.ndim))
    axes = tuple(sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis])))
    return axes if array.transpose(axes).flags.c_contiguous else None


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _layout(array: Any) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype, bool(array.flags.writeable)


def load_array(
    fill: Callable[[Any, memoryview], None],
    data: Any,
    shape: tuple[int, ...],
    dtype: Any,
    axes: tuple[int, ...],
    writeable: bool,
) -> Any:
    """Make an array that owns its memory and read the data straight into it."""
    import numpy as np

    if axes == tuple(range(len(shape))):
        array = np.empty(shape, dtype)
    elif axes == tuple(reversed(range(len(shape)))):
        array = np.empty(shape, dtype, order="F")
    else:
        # empty_like with order "K" lays the axes out as the template has them; pages of the
        # template that nobody touches cost nothing.
        template = np.empty([shape[axis] for axis in axes], dtype).transpose(np.argsort(axes))
        array = np.empty_like(template, order="K")
    if data is not None:
        flat: Any = array.transpose(axes).reshape(-1).view(np.uint8)
        fill(data, memoryview(flat))
    if not writeable:
        array.flags.writeable = False
    return array


def load_view(
    base: Any,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: Any,
    writeable: bool,
) -> Any:
    """Make an array on the memory of `base`, so that ``view.base is base`` again."""
    import numpy as np

    buffer = base
    if isinstance(base, np.ndarray):
        buffer = base.transpose(_axes(base))
        if base.nbytes and not base.dtype.hasobject:
            buffer = buffer.reshape(-1).view(np.uint8)
    view: Any = np.ndarray(shape, dtype, buffer=buffer, offset=offset, strides=strides)
    if not writeable:
        view.flags.writeable = False
    return view
