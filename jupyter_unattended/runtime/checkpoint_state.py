"""Writing a pickled object into the store and reading it back, for both layers."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .checkpoint_manifest import CheckpointError, Manifest, Ref
from .checkpoint_pickle import BufferPickler, BufferUnpickler, Captured
from .checkpoint_publication import Publication
from .checkpoint_store import CheckpointStore


def dump(
    publication: Publication,
    obj: object,
    make: Callable[[Any, Callable[[memoryview], int]], BufferPickler] = BufferPickler,
) -> dict[str, Any]:
    """Pickle `obj` into `publication`; the answer belongs into the manifest's meta."""
    buffers: list[Ref] = []

    def put(view: memoryview) -> int:
        buffers.append(publication.put(view))
        return len(buffers) - 1

    stream = publication.stream()
    pickler = make(stream, put)
    with _no_collection():
        pickler.dump(obj)
    return _description(stream.finish(), buffers, pickler.foreign)


def write(publication: Publication, captured: Captured) -> dict[str, Any]:
    """Write what was captured in memory before; the same answer as `dump`."""
    buffers = [publication.put(buffer) for buffer in captured.buffers]
    return _description(publication.put(captured.data), buffers, captured.foreign)


def _description(pickle: Ref, buffers: list[Ref], foreign: list[int]) -> dict[str, Any]:
    return {
        "pickle": pickle.name,
        "buffers": [ref.name for ref in buffers],
        "foreign": foreign,
    }


def load(
    store: CheckpointStore,
    manifest: Manifest,
    description: Mapping[str, Any],
    make: Callable[..., BufferUnpickler] = BufferUnpickler,
) -> Any:
    """Inverse of `dump`.

    Raises
    ------
    CheckpointError
        If a payload cannot be read or does not match its checksum. What unpickling itself raises
        is passed on.
    """
    refs = {ref.name: ref for ref in manifest.refs}
    try:
        buffers = [refs[digest] for digest in description["buffers"]]
        pickle = refs[description["pickle"]]
    except KeyError as error:
        raise CheckpointError("its manifest does not name all of its parts") from error
    with store.open(pickle) as file, _no_collection():
        unpickler = make(
            file,
            description["foreign"],
            lambda number: buffers[number].size,
            lambda number, target: store.read_into(buffers[number], target),
        )
        return unpickler.load()


@contextmanager
def passing_over(store: CheckpointStore, manifest: Manifest) -> Iterator[None]:
    """Turn a `CheckpointError` in the block into a note that `manifest` is not used."""
    try:
        yield
    except CheckpointError as error:
        store.note(f"checkpoint {manifest.name} is passed over: {error}")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Millions of new objects that all stay would have the garbage collector look for nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
