"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace(file: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace `file` as a whole: temporary file, fsync, rename.

    Raises
    ------
    OSError
        If it cannot be done; the file is as it was, and nothing is left behind.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`, also where the system takes it in pieces."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class AppendFile:
    """An append-only file of lines; each line is one ``write``, so that lines never mix.

    A line that an earlier writer left torn is ended first, so that no new line is glued to it.
    What cannot be written (no space left) is given up: `append` returns False and never raises.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._torn = False

    def append(self, line: bytes) -> bool:
        """Append `line`, which comes without its newline; return whether all of it was written."""
        try:
            if self._descriptor is None:
                self._open()
            assert self._descriptor is not None
            content = (b"\n" if self._torn else b"") + line + b"\n"
            written = os.write(self._descriptor, content)
        except OSError:
            return False
        self._torn = written < len(content) and written > 0
        return written == len(content)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._file, flags, 0o666)
        size = os.fstat(self._descriptor).st_size
        self._torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
