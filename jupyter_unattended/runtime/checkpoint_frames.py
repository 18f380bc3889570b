"""pandas objects in checkpoints.

pandas copies lazily: two frames may share memory, and each holds a record of the others that says
when a write must copy first. Plain pickle keeps the sharing and loses the record, so that after
loading a write to one frame would change the other. Here the record is saved too.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint_pickle import BufferPickler


def reducers() -> dict[type, Callable[[BufferPickler, Any], Any]]:
    """Return the reducers for pandas' types, if pandas is loaded and has such records (2.0)."""
    blocks = sys.modules.get("pandas.core.internals.blocks")
    managers = sys.modules.get("pandas.core.internals.managers")
    pandas = sys.modules.get("pandas")
    internals = sys.modules.get("pandas._libs.internals")
    if not (blocks and managers and pandas and hasattr(internals, "BlockValuesRefs")):
        return {}
    found: dict[type, Callable[[BufferPickler, Any], Any]] = {}
    found.update(dict.fromkeys(_family(blocks.Block), _reduce_block))
    found.update(dict.fromkeys(_family(pandas.Index), _reduce_index))
    found[managers.SingleBlockManager] = _reduce_single
    found[internals.BlockValuesRefs] = _reduce_refs  # type: ignore[union-attr]
    return found


def _family(base: Any) -> Iterator[type]:
    yield base
    for derived in base.__subclasses__():
        yield from _family(derived)


def _reduce_block(_pickler: BufferPickler, block: Any) -> Any:
    indexer = block.mgr_locs.indexer
    return load_block, (type(block), block.values, indexer, block.ndim, block.refs)


def _reduce_single(_pickler: BufferPickler, manager: Any) -> Any:
    return load_single, (type(manager), manager.blocks[0], manager.axes[0])


def _reduce_refs(_pickler: BufferPickler, _refs: Any) -> Any:
    return load_refs, ()


def _reduce_index(_pickler: BufferPickler, index: Any) -> Any:
    refs = vars(index).get("_references")
    if refs is None:  # or computed, as for a RangeIndex
        return NotImplemented
    reduced = index.__reduce_ex__(5)
    return load_index, (reduced[0], reduced[1], refs), *reduced[2:]


def load_refs() -> Any:
    """Make an empty record; the blocks that share it enter themselves."""
    internals: Any = importlib.import_module("pandas._libs.internals")

    return internals.BlockValuesRefs()


def load_block(kind: Any, values: Any, indexer: Any, ndim: int, refs: Any) -> Any:
    """Make a block that is entered in `refs`."""
    internals: Any = importlib.import_module("pandas._libs.internals")

    return kind(values, internals.BlockPlacement(indexer), ndim=ndim, refs=refs)


def load_single(kind: Any, block: Any, axis: Any) -> Any:
    """Make the manager of a Series."""
    return kind(block, axis)


def load_index(make: Any, arguments: tuple[Any, ...], refs: Any) -> Any:
    """Make an index that is entered in `refs`."""
    index = make(*arguments)
    index._references = refs
    refs.add_index_reference(index)
    return index
