"""Where checkpoints are kept: objects, and manifests that name them.

Both layers write through here. A manifest is the unit that exists or does not: it is published only
after every object it names is on the disk, and it carries its own checksum, so a process killed at
any moment leaves either the old manifest or the new one, and nothing in between is ever read.

Large buffers are objects of their own, which manifests share: a buffer that did not change since
the last save is compared with its object, byte for byte, and not written again. Chunks have CRC-32
checksums, which find torn and rotten files; a cryptographic hash would make saving several times
slower than the disk is, and who could forge one file here could forge all of them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import secrets
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

FORMAT = 1
#: Smaller payloads live inside the manifest, which saves two fsyncs and a file …
INLINE_LIMIT = 256 * 1024
#: … as long as the manifest stays small.
_INLINE_TOTAL = 1024 * 1024
CHUNK = 4 * 1024 * 1024
#: From this size on, hashing and writing are worth threads of their own.
_PARALLEL_FROM = 2 * CHUNK
_SAMPLES = 64


class CheckpointError(Exception):
    """A checkpoint cannot be used; the text says why in one sentence."""


@dataclass(frozen=True)
class Ref:
    """One stored payload: an object file, or bytes inside the manifest."""

    name: str
    size: int
    checksums: tuple[int, ...] = ()
    sample: int = 0
    inline: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        data: dict[str, Any] = {"name": self.name, "size": self.size}
        if self.inline is None:
            data |= {"checksums": list(self.checksums), "sample": self.sample}
        else:
            data["inline"] = base64.b64encode(self.inline).decode("ascii")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ref:
        """Inverse of `to_json`."""
        inline = data.get("inline")
        return cls(
            name=data["name"],
            size=data["size"],
            checksums=tuple(data.get("checksums", ())),
            sample=data.get("sample", 0),
            inline=None if inline is None else base64.b64decode(inline),
        )


@dataclass(frozen=True)
class Manifest:
    """One published checkpoint of a series."""

    series: str
    sequence: int
    written: float
    refs: tuple[Ref, ...]
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique within the store."""
        return f"{self.series}.{self.sequence:08d}"

    @property
    def size(self) -> int:
        """Bytes of everything it names, shared objects counted in full."""
        return sum(ref.size for ref in self.refs)


class CheckpointStore:
    """The checkpoints of one job in one directory.

    Parameters
    ----------
    root
        The directory; made at the first write, readable by its owner alone.
    note
        Called with one sentence for everything that was passed over.
    """

    def __init__(self, root: Path, note: Callable[[str], object] = lambda _text: None) -> None:
        self.root = Path(root)
        self.note = note
        self._objects = self.root / "objects"
        self._parsed: dict[str, Manifest] = {}
        self._prepared = False
        self.lock = threading.RLock()

    # --- writing -----------------------------------------------------------------------------

    def begin(self, series: str) -> Publication:
        """Start a new checkpoint of `series`; nothing can be seen of it until it is published."""
        self._prepare()
        return Publication(self, series)

    def _prepare(self) -> None:
        if self._prepared:
            return
        self._objects.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in (self.root, self._objects):
            status = directory.stat()
            if status.st_uid == os.geteuid() and status.st_mode & 0o077:
                directory.chmod(0o700)
        self._sweep()
        self._prepared = True

    def _sweep(self) -> None:
        """Remove what attempts that were killed while saving left behind."""
        named = {ref.name for manifest in self._all() for ref in manifest.refs}
        for entry in list(os.scandir(self._objects)) + list(os.scandir(self.root)):
            temporary = entry.name.startswith(".tmp-")
            orphan = Path(entry.path).parent == self._objects and entry.name not in named
            if entry.is_file(follow_symlinks=False) and (temporary or orphan):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()

    def prune(self, series: str, keep: int, pinned: frozenset[int] = frozenset()) -> None:
        """Remove all of `series` but the newest `keep` and the `pinned` sequence numbers."""
        with self.lock:
            sequences = self._sequences(series)
            doomed = [n for n in sequences[: max(0, len(sequences) - keep)] if n not in pinned]
            self._remove([self._path(series, n) for n in doomed])

    def remove(self, series_prefix: str) -> None:
        """Remove every series whose name starts with `series_prefix`."""
        with self.lock:
            self._remove([p for p in self._files() if p.name.startswith(series_prefix)])

    def _remove(self, doomed: list[Path]) -> None:
        if not doomed:
            return
        candidates: set[str] = set()
        for path in doomed:
            manifest = self._parsed.pop(path.name, None) or self._try_parse(path)
            if manifest is not None:
                candidates |= {ref.name for ref in manifest.refs if ref.inline is None}
            with contextlib.suppress(OSError):
                path.unlink()
        # Manifests first, then what only they named: a kill in between leaves garbage for
        # `_sweep`, never a manifest without its objects.
        if candidates:
            candidates -= {ref.name for manifest in self._all() for ref in manifest.refs}
        for name in candidates:
            with contextlib.suppress(OSError):
                (self._objects / name).unlink()

    # --- reading -----------------------------------------------------------------------------

    def newest_first(self, series: str) -> Iterator[Manifest]:
        """Yield the usable manifests of `series`; the others are passed over with a note."""
        sequences = self._sequences(series)
        if sequences:
            self.check_ownership()
        for number in reversed(sequences):
            path = self._path(series, number)
            try:
                manifest = self._parse(path)
                for ref in manifest.refs:
                    self._check_present(ref)
            except CheckpointError as error:
                self.note(f"checkpoint {path.stem} is passed over: {error}")
                continue
            yield manifest

    def series(self, prefix: str = "") -> list[str]:
        """Names of the series that have a manifest and start with `prefix`."""
        names = {path.name.rsplit(".", 2)[0] for path in self._files()}
        return sorted(name for name in names if name.startswith(prefix))

    def read_into(self, ref: Ref, target: memoryview) -> None:
        """Fill `target` with the payload of `ref`, checking every chunk."""
        if ref.inline is not None:
            target[:] = ref.inline
            return
        with self._open(ref) as descriptor:
            _parallel(
                len(ref.checksums),
                ref.size,
                lambda index: self._read_chunk(descriptor, ref, index, target),
            )

    def read(self, ref: Ref) -> bytes | bytearray:
        """Return the payload of `ref`, checked."""
        if ref.inline is not None:
            return ref.inline
        data = bytearray(ref.size)
        self.read_into(ref, memoryview(data))
        return data

    def holds(self, ref: Ref, view: memoryview) -> bool:
        """Return whether the payload of `ref` is `view`, byte for byte."""
        buffer = bytearray(CHUNK)
        try:
            with self._open(ref) as descriptor:
                for index in range(len(ref.checksums)):
                    start = index * CHUNK
                    del buffer[ref.size - start :]
                    self._read_chunk(descriptor, ref, index, memoryview(buffer), start)
                    if buffer != view[start : start + CHUNK]:
                        return False
        except CheckpointError:
            return False
        return True

    @contextlib.contextmanager
    def open(self, ref: Ref) -> Iterator[IO[bytes]]:
        """Open the payload of `ref` for reading from start to end, checked as it is read."""
        if ref.inline is not None:
            yield io.BytesIO(ref.inline)
            return
        with self._open(ref) as descriptor:
            yield io.BufferedReader(_CheckedFile(self, ref, descriptor), CHUNK)

    def check_ownership(self) -> None:
        """Raise `CheckpointError` unless only this user could have written here.

        Unpickling runs code, so whoever can write a checkpoint can run anything as the job's user.
        """
        for directory in (self.root, self._objects):
            try:
                status = directory.stat()
            except FileNotFoundError:
                continue
            _check_owned(status, str(directory))

    def _read_chunk(
        self, descriptor: int, ref: Ref, index: int, target: memoryview, origin: int = 0
    ) -> None:
        start = index * CHUNK
        part = target[start - origin : start - origin + CHUNK]
        done = 0
        while done < len(part):
            count = os.preadv(descriptor, [part[done:]], start + done)
            if count == 0:
                raise CheckpointError(f"{ref.name[:12]} is shorter than it was when it was saved")
            done += count
        if zlib.crc32(part) != ref.checksums[index]:
            with contextlib.suppress(OSError):  # never again the reason not to write it
                (self._objects / ref.name).unlink()
            raise CheckpointError(f"{ref.name[:12]} does not match its checksum")

    @contextlib.contextmanager
    def _open(self, ref: Ref) -> Iterator[int]:
        path = self._objects / ref.name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise CheckpointError(f"{path.name[:12]} cannot be read ({error.strerror})") from error
        try:
            _check_owned(os.fstat(descriptor), str(path))
            yield descriptor
        finally:
            os.close(descriptor)

    def _check_present(self, ref: Ref) -> None:
        if ref.inline is not None:
            return
        try:
            status = (self._objects / ref.name).stat()
        except OSError as error:
            raise CheckpointError(f"{ref.name[:12]} is missing ({error.strerror})") from error
        if status.st_size != ref.size:
            raise CheckpointError(f"{ref.name[:12]} has {status.st_size} bytes of {ref.size}")

    # --- manifests ---------------------------------------------------------------------------

    def _path(self, series: str, sequence: int) -> Path:
        return self.root / f"{series}.{sequence:08d}.json"

    def _files(self) -> list[Path]:
        return sorted(self.root.glob("[!.]*.json"))

    def _sequences(self, series: str) -> list[int]:
        numbers = []
        for path in self._files():
            stem, _, number = path.stem.rpartition(".")
            if stem == series and number.isdecimal():
                numbers.append(int(number))
        return sorted(numbers)

    def _all(self) -> list[Manifest]:
        found = (self._try_parse(path) for path in self._files())
        return [manifest for manifest in found if manifest is not None]

    def _try_parse(self, path: Path) -> Manifest | None:
        try:
            return self._parse(path)
        except CheckpointError:
            return None

    def _parse(self, path: Path) -> Manifest:
        known = self._parsed.get(path.name)
        if known is not None:
            return known
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                _check_owned(os.fstat(descriptor), str(path))
                body, _, tail = file.read().partition(b"\n")
        except OSError as error:
            raise CheckpointError(f"its manifest cannot be read ({error.strerror})") from error
        if tail.strip().decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
            raise CheckpointError("its manifest does not match its checksum")
        data = json.loads(body)
        if data["format"] != FORMAT:
            raise CheckpointError(f"it has format {data['format']}, this version reads {FORMAT}")
        manifest = Manifest(
            series=data["series"],
            sequence=data["sequence"],
            written=data["written"],
            refs=tuple(Ref.from_json(ref) for ref in data["refs"]),
            meta=data["meta"],
        )
        self._parsed[path.name] = manifest
        return manifest


class Publication:
    """A checkpoint on its way to the disk.

    Use as a context manager: what was not published when the block is left is removed.
    """

    def __init__(self, store: CheckpointStore, series: str) -> None:
        self._store = store
        self._series = series
        self._refs: list[Ref] = []
        self._pending: list[_Pending] = []
        #: Objects that a buffer may turn out to be, by size and sample.
        self._known: dict[tuple[int, int], list[Ref]] = {}
        for manifest in store._all():
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
        sample = _sample(view)
        candidates = self._known.get((size, sample), ())
        if candidates:
            checksums = _checksums(view)
            for ref in candidates:
                if ref.checksums == checksums and self._store.holds(ref, view):
                    return self._add(ref)
        pending = _Pending(self._store._objects)
        self._pending.append(pending)
        pending.write(view)
        self.written_bytes += size
        pending.finish(secrets.token_hex(16))
        # Computed while the disk is busy, the checksums cost next to no time.
        return self._add(Ref(pending.name, size, _checksums(view), sample))

    def stream(self) -> Stream:
        """Return a file to write a payload of unknown length into, piece by piece."""
        return Stream(self)

    def _add(self, ref: Ref) -> Ref:
        self._refs.append(ref)
        return ref

    def publish(self, meta: Mapping[str, Any], keep: int = 2, **pins: frozenset[int]) -> Manifest:
        """Make the checkpoint exist, then remove all but the newest `keep` of its series."""
        store = self._store
        with store.lock:
            for pending in self._pending:
                pending.place()
            if self._pending:
                sync_directory(store._objects)
            self._pending.clear()
            unique = {ref.name: ref for ref in self._refs}
            sequence = max(store._sequences(self._series), default=0) + 1
            manifest = Manifest(
                self._series, sequence, time.time(), tuple(unique.values()), dict(meta)
            )
            body = json.dumps(
                {
                    "format": FORMAT,
                    "series": manifest.series,
                    "sequence": sequence,
                    "written": manifest.written,
                    "refs": [ref.to_json() for ref in manifest.refs],
                    "meta": manifest.meta,
                },
                separators=(",", ":"),
            ).encode()
            text = body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n"
            path = store._path(self._series, sequence)
            file = _Pending(store.root)
            try:
                file.write(memoryview(text))
                file.finish(path.name)
                file.place()
            except BaseException:
                file.abandon()
                raise
            sync_directory(store.root)
            store._parsed[path.name] = manifest
            self.written_bytes += len(text)
            store.prune(self._series, keep, **pins)
        return manifest


class Stream:
    """A payload that is hashed and written as it comes."""

    def __init__(self, publication: Publication) -> None:
        self._publication = publication
        self._checksums: list[int] = []
        self._part = bytearray()
        self._size = 0
        self._pending: _Pending | None = None

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
            self._pending = _Pending(self._publication._store._objects)
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


class _CheckedFile(io.RawIOBase):
    """A stored payload as a file; no byte is handed out before its chunk was checked."""

    def __init__(self, store: CheckpointStore, ref: Ref, descriptor: int) -> None:
        super().__init__()
        self._store, self._ref, self._descriptor = store, ref, descriptor
        self._index = 0
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._rest and self._index < len(self._ref.checksums):
            start = self._index * CHUNK
            chunk = memoryview(bytearray(min(CHUNK, self._ref.size - start)))
            self._store._read_chunk(self._descriptor, self._ref, self._index, chunk, start)
            self._index += 1
            self._rest = chunk
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Pending:
    """A file under a temporary name; `finish` starts its fsync, `place` waits and renames."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / f".tmp-{os.getpid()}-{threading.get_ident()}-{time.time_ns()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = 0
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None
        self.name = ""

    def write(self, view: memoryview) -> None:
        while view:
            count = os.write(self._descriptor, view[:CHUNK])
            self._size += count
            view = view[count:]

    def finish(self, name: str) -> None:
        """Start to bring it to the disk; it is to be called `name`."""
        self.name = name
        if self._size < _PARALLEL_FROM:
            self._sync()
        else:  # the next buffer is hashed and written while the disk takes this one
            self._thread = threading.Thread(target=self._sync, name=THREAD_NAME, daemon=True)
            self._thread.start()

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            self._error = error

    def place(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        os.close(self._descriptor)
        self._descriptor = -1
        self._path.rename(self._directory / self.name)

    def abandon(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with contextlib.suppress(OSError):
                self._path.unlink()


#: Threads of this name are ours; a snapshot is not refused because of them.
THREAD_NAME = "unattended-checkpoint"


def sync_directory(directory: Path) -> None:
    """Make renames in `directory` survive a power cut, where the file system can."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some network file systems answer EINVAL
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_owned(status: os.stat_result, path: str) -> None:
    if status.st_uid != os.geteuid():
        raise CheckpointError(f"{path} belongs to user {status.st_uid}, not to the job's user")
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise CheckpointError(f"{path} can be written by other users")


def _sample(view: memoryview) -> int:
    """Guess, in microseconds, whether a buffer is one that was stored before.

    A wrong guess costs time and nothing else: a name decides.
    """
    value = 0
    step = max(4096, len(view) // _SAMPLES)
    for start in range(0, len(view), step):
        value = zlib.crc32(view[start : start + 256], value)
    return value


def _checksums(view: memoryview) -> tuple[int, ...]:
    """Return the checksums of the chunks of `view`."""
    found = [0] * -(-len(view) // CHUNK)

    def check(index: int) -> None:
        found[index] = zlib.crc32(view[index * CHUNK : (index + 1) * CHUNK])

    _parallel(len(found), len(view), check)
    return tuple(found)


def _parallel(count: int, size: int, work: Callable[[int], None]) -> None:
    """Call `work` for 0 … count-1, in threads if `size` is worth it; raise the first error."""
    workers = min(4, os.cpu_count() or 1) if size >= _PARALLEL_FROM else 1
    errors: list[BaseException] = []

    def run(first: int) -> None:
        try:
            for index in range(first, count, workers):
                if errors:
                    return
                work(index)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(first,), name=THREAD_NAME, daemon=True)
        for first in range(1, workers)
    ]
    for thread in threads:
        thread.start()
    run(0)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
