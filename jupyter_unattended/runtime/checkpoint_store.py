"""Where checkpoints are kept: objects, and manifests that name them.

Both layers write through here. A manifest is the unit that exists or does not: it is published only
after every object it names is on the disk, and it carries its own checksum, so a process killed at
any moment leaves either the old manifest or the new one, and nothing in between is ever read.

Large buffers are objects of their own, which manifests share: a buffer that did not change since
the last save is compared with its object, byte for byte, and not written again.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .checkpoint_manifest import CheckpointError, Manifest, Ref
from .checkpoint_objects import Objects, PendingFile, check_owned, sync_directory
from .checkpoint_publication import Publication


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
        self.objects = Objects(self.root / "objects")
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
        self.objects.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in (self.root, self.objects.directory):
            status = directory.stat()
            if status.st_uid == os.geteuid() and status.st_mode & 0o077:
                directory.chmod(0o700)
        self._sweep()
        self._prepared = True

    def _sweep(self) -> None:
        """Remove what attempts that were killed while saving left behind."""
        named = {ref.name for manifest in self.manifests() for ref in manifest.refs}
        for entry in list(os.scandir(self.objects.directory)) + list(os.scandir(self.root)):
            temporary = entry.name.startswith(".tmp-")
            orphan = Path(entry.path).parent == self.objects.directory and entry.name not in named
            if entry.is_file(follow_symlinks=False) and (temporary or orphan):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()

    def add(self, series: str, refs: tuple[Ref, ...], meta: dict[str, Any]) -> tuple[Manifest, int]:
        """Write the next manifest of `series`; return it, and its bytes.

        All objects it names must be on the disk.
        """
        sequence = max(self._sequences(series), default=0) + 1
        manifest = Manifest(series, sequence, time.time(), refs, meta)
        content = manifest.encoded()
        path = self._path(series, sequence)
        file = PendingFile(self.root)
        try:
            file.write(memoryview(content))
            file.finish(path.name)
            file.place()
        except BaseException:
            file.abandon()
            raise
        sync_directory(self.root)
        self._parsed[path.name] = manifest
        return manifest, len(content)

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
            candidates -= {ref.name for manifest in self.manifests() for ref in manifest.refs}
        for name in candidates:
            with contextlib.suppress(OSError):
                (self.objects.directory / name).unlink()

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
                    self.objects.check_present(ref)
            except CheckpointError as error:
                self.note(f"checkpoint {path.stem} is passed over: {error}")
                continue
            yield manifest

    def manifests(self) -> list[Manifest]:
        """Return all that can be read, of every series."""
        found = (self._try_parse(path) for path in self._files())
        return [manifest for manifest in found if manifest is not None]

    def series(self, prefix: str = "") -> list[str]:
        """Names of the series that have a manifest and start with `prefix`."""
        names = {path.name.rsplit(".", 2)[0] for path in self._files()}
        return sorted(name for name in names if name.startswith(prefix))

    def read_into(self, ref: Ref, target: memoryview) -> None:
        """Fill `target` with the payload of `ref`, checking every chunk."""
        if ref.inline is not None:
            target[:] = ref.inline
        else:
            self.objects.read_into(ref, target)

    def read(self, ref: Ref) -> bytes | bytearray:
        """Return the payload of `ref`, checked."""
        if ref.inline is not None:
            return ref.inline
        data = bytearray(ref.size)
        self.read_into(ref, memoryview(data))
        return data

    @contextlib.contextmanager
    def open(self, ref: Ref) -> Iterator[IO[bytes]]:
        """Open the payload of `ref` for reading from start to end, checked as it is read."""
        if ref.inline is not None:
            yield io.BytesIO(ref.inline)
            return
        with self.objects.open(ref) as file:
            yield file

    def check_ownership(self) -> None:
        """Raise `CheckpointError` unless only this user could have written here.

        Unpickling runs code, so whoever can write a checkpoint can run anything as the job's user.
        """
        for directory in (self.root, self.objects.directory):
            try:
                status = directory.stat()
            except FileNotFoundError:
                continue
            check_owned(status, str(directory))

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
                check_owned(os.fstat(descriptor), str(path))
                content = file.read()
        except OSError as error:
            raise CheckpointError(f"its manifest cannot be read ({error.strerror})") from error
        manifest = Manifest.decoded(content)
        self._parsed[path.name] = manifest
        return manifest
