"""The large payloads of checkpoints: files of their own, checked chunk by chunk.

Chunks have CRC-32 checksums, which find torn and rotten files; a cryptographic hash would make
saving several times slower than the disk is, and who could forge one file here could forge all.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .checkpoint_manifest import CheckpointError, Ref

CHUNK = 4 * 1024 * 1024
#: From this size on, checking and writing are worth threads of their own.
_PARALLEL_FROM = 2 * CHUNK
_SAMPLES = 64
#: Threads of this name are ours; a snapshot is not refused because of them.
THREAD_NAME = "unattended-checkpoint"


class Objects:
    """The directory of a store's payloads.

    Parameters
    ----------
    directory
        Where they are.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read_into(self, ref: Ref, target: memoryview) -> None:
        """Fill `target` with the payload of `ref`, checking every chunk."""
        with self._open(ref) as descriptor:
            _parallel(
                len(ref.checksums),
                ref.size,
                lambda index: self.read_chunk(descriptor, ref, index, target),
            )

    def holds(self, ref: Ref, view: memoryview) -> bool:
        """Return whether the payload of `ref` is `view`, byte for byte."""
        buffer = bytearray(CHUNK)
        try:
            with self._open(ref) as descriptor:
                for index in range(len(ref.checksums)):
                    start = index * CHUNK
                    del buffer[ref.size - start :]
                    self.read_chunk(descriptor, ref, index, memoryview(buffer), start)
                    if buffer != view[start : start + CHUNK]:
                        return False
        except CheckpointError:
            return False
        return True

    @contextlib.contextmanager
    def open(self, ref: Ref) -> Iterator[IO[bytes]]:
        """Open the payload of `ref` for reading from start to end, checked as it is read."""
        with self._open(ref) as descriptor:
            yield io.BufferedReader(_CheckedFile(self, ref, descriptor), CHUNK)

    def read_chunk(
        self, descriptor: int, ref: Ref, index: int, target: memoryview, origin: int = 0
    ) -> None:
        """Read and check one chunk of `ref`; `target` begins at byte `origin` of the payload."""
        start = index * CHUNK
        part = target[start - origin : start - origin + CHUNK]
        done = 0
        while done < len(part):
            try:
                count = os.preadv(descriptor, [part[done:]], start + done)
            except OSError as error:
                raise CheckpointError(
                    f"{ref.name[:12]} cannot be read ({error.strerror})"
                ) from error
            if count == 0:
                raise CheckpointError(f"{ref.name[:12]} is shorter than it was when it was saved")
            done += count
        if zlib.crc32(part) != ref.checksums[index]:
            with contextlib.suppress(OSError):  # never again the reason not to write it
                (self.directory / ref.name).unlink()
            raise CheckpointError(f"{ref.name[:12]} does not match its checksum")

    @contextlib.contextmanager
    def _open(self, ref: Ref) -> Iterator[int]:
        path = self.directory / ref.name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise CheckpointError(f"{path.name[:12]} cannot be read ({error.strerror})") from error
        try:
            check_owned(os.fstat(descriptor), str(path))
            yield descriptor
        finally:
            os.close(descriptor)

    def check_present(self, ref: Ref) -> None:
        """Raise `CheckpointError` unless the payload of `ref` is there, as long as it was."""
        if ref.inline is not None:
            return
        try:
            status = (self.directory / ref.name).stat()
        except OSError as error:
            raise CheckpointError(f"{ref.name[:12]} is missing ({error.strerror})") from error
        if status.st_size != ref.size:
            raise CheckpointError(f"{ref.name[:12]} has {status.st_size} bytes of {ref.size}")


class _CheckedFile(io.RawIOBase):
    """A stored payload as a file; no byte is handed out before its chunk was checked."""

    def __init__(self, objects: Objects, ref: Ref, descriptor: int) -> None:
        super().__init__()
        self._objects, self._ref, self._descriptor = objects, ref, descriptor
        self._index = 0
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._rest and self._index < len(self._ref.checksums):
            start = self._index * CHUNK
            chunk = memoryview(bytearray(min(CHUNK, self._ref.size - start)))
            self._objects.read_chunk(self._descriptor, self._ref, self._index, chunk, start)
            self._index += 1
            self._rest = chunk
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class PendingFile:
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
        """Append to it."""
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
        """Give it its name, once it is on the disk."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        os.close(self._descriptor)
        self._descriptor = -1
        self._path.rename(self._directory / self.name)

    def abandon(self) -> None:
        """Remove it, unless it has its name."""
        if self._thread is not None:
            self._thread.join()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with contextlib.suppress(OSError):
                self._path.unlink()


def sync_directory(directory: Path) -> None:
    """Make renames in `directory` survive a power cut, where the file system can."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some network file systems answer EINVAL
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_owned(status: os.stat_result, path: str) -> None:
    """Raise `CheckpointError` if anybody but this user could have written `path`."""
    if status.st_uid != os.geteuid():
        raise CheckpointError(f"{path} belongs to user {status.st_uid}, not to the job's user")
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise CheckpointError(f"{path} can be written by other users")


def sample_of(view: memoryview) -> int:
    """Guess, in microseconds, whether a buffer is one that was stored before.

    A wrong guess costs time and nothing else: a name decides.
    """
    value = 0
    step = max(4096, len(view) // _SAMPLES)
    for start in range(0, len(view), step):
        value = zlib.crc32(view[start : start + 256], value)
    return value


def checksums_of(view: memoryview) -> tuple[int, ...]:
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
