"""A checkpoint on its way to the disk: first its objects, then the manifest that names them."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .checkpoint_manifest import Manifest, Ref
from .checkpoint_objects import CHUNK, PendingFile, checksums_of, sample_of, sync_directory

if TYPE_CHECKING:
    from .checkpoint_store import CheckpointStore

#: Smaller payloads live inside the manifest, which saves two fsyncs and a file …
INLINE_LIMIT = 256 * 1024
#: … as long as the manifest stays small.
_INLINE_TOTAL = 1024 * 1024


class Publication:
    """A checkpoint on its way to the disk.

    Use as a context manager: what was not published when the block is left is removed.
    """

    def __init__(self, store: CheckpointStore, series: str) -> None:
        self._store = store
        self._series = series
        self._refs: list[Ref] = []
        self._pending: list[PendingFile] = []
        #: Objects that a buffer may turn out to be, by size and sample.
        self._known: dict[tuple[int, int], list[Ref]] = {}
        for manifest in store.manifests():
            for ref in manifest.refs if manifest.series == series else ():
                if ref.inline is None and ref.sample:
                    known = self._known.setdefault((ref.size, ref.sample), [])
                    if ref not in known:
                        known.append(ref)
        self._inline_bytes = 0
        self.written_bytes = 0

    def __enter__(self) -> Publication:
        return self

    def __exit__(self, *_exception: object) -> None:
        for pending in self._pending:
            pending.abandon()
        self._pending.clear()

    def put(self, buffer: Any) -> Ref:
        """Store one contiguous buffer; it must not change before this returns."""
        view = memoryview(buffer).cast("B")
        size = len(view)
        if size <= INLINE_LIMIT and self._inline_bytes + size <= _INLINE_TOTAL:
            self._inline_bytes += size
            data = bytes(view)
            return self._add(Ref(hashlib.sha256(data).hexdigest(), size, inline=data))
        sample = sample_of(view)
        candidates = self._known.get((size, sample), ())
        if candidates:
            checksums = checksums_of(view)
            for ref in candidates:
                if ref.checksums == checksums and self._store.objects.holds(ref, view):
                    return self._add(ref)
        pending = PendingFile(self._store.objects.directory)
        self._pending.append(pending)
        pending.write(view)
        self.written_bytes += size
        pending.finish(secrets.token_hex(16))
        # Computed while the disk is busy, the checksums cost next to no time.
        return self._add(Ref(pending.name, size, checksums_of(view), sample))

    def stream(self) -> Stream:
        """Return a file to write a payload of unknown length into, piece by piece."""
        return Stream(self)

    def _add(self, ref: Ref) -> Ref:
        self._refs.append(ref)
        return ref

    def publish(
        self, meta: Mapping[str, Any], keep: int = 2, pinned: frozenset[int] = frozenset()
    ) -> Manifest:
        """Make the checkpoint exist, then remove all but the newest `keep` and the `pinned`."""
        store = self._store
        with store.lock:
            for pending in self._pending:
                pending.place()
            if self._pending:
                sync_directory(store.objects.directory)
            self._pending.clear()
            unique = {ref.name: ref for ref in self._refs}
            manifest, size = store.add(self._series, tuple(unique.values()), dict(meta))
            self.written_bytes += size
            store.prune(self._series, keep, pinned)
        return manifest


class Stream:
    """A payload that is hashed and written as it comes."""

    def __init__(self, publication: Publication) -> None:
        self._publication = publication
        self._checksums: list[int] = []
        self._part = bytearray()
        self._size = 0
        self._pending: PendingFile | None = None

    def write(self, data: Any) -> int:
        """Take the next piece; large ones are not copied."""
        view = memoryview(data).cast("B")
        size = len(view)
        if self._part:
            room = CHUNK - len(self._part)
            self._part += view[:room]
            view = view[room:]
            if len(self._part) == CHUNK:
                self._take(memoryview(self._part))
                self._part = bytearray()
        while len(view) >= CHUNK:
            self._take(view[:CHUNK])
            view = view[CHUNK:]
        self._part += view
        self._size += size
        return size

    def _take(self, chunk: memoryview) -> None:
        if self._pending is None:
            self._pending = PendingFile(self._publication._store.objects.directory)
            self._publication._pending.append(self._pending)
        self._checksums.append(zlib.crc32(chunk))
        self._pending.write(chunk)

    def finish(self) -> Ref:
        """End the payload; what `Publication.put` returns."""
        publication = self._publication
        if self._pending is None:
            return publication.put(self._part)
        if self._part:
            self._take(memoryview(self._part))
        publication.written_bytes += self._size
        self._pending.finish(secrets.token_hex(16))
        return publication._add(Ref(self._pending.name, self._size, tuple(self._checksums)))
