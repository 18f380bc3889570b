"""Where output goes: the log, read back so that no output of a cell is missed.

File descriptors 1 and 2 are the log file itself, opened to append, with no pipe in between: what C
code and child processes write is in the log at once, whoever is killed. Text that Python writes
goes there too, through a private descriptor whose offset after each write tells where it landed.
What lies between is not ours: it was written by others, and is read back into the outputs.
"""

from __future__ import annotations

import codecs
import io
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

#: Of a gap larger than twice this, the middle is not read back; outputs would not keep it anyway.
_GAP = 4 * 1024 * 1024
#: More than this is not held back for the end of its line.
_LINE = 8 * 1024


class Log:
    """The log of an attempt.

    Parameters
    ----------
    file
        The log file; file descriptors 1 and 2 append to it.
    sink
        Gets every piece of output, as the name of its stream and text.
    guard
        Context manager that holds signals back.
    read_back
        Whether what others write belongs to the notebook's outputs.
    """

    def __init__(
        self,
        file: Path,
        sink: Callable[[str, str], None],
        guard: Any,
        *,
        read_back: bool = True,
    ) -> None:
        self._read_back = read_back
        self._descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._end = os.fstat(self._descriptor).st_size
        self._sink = sink
        self._guard = guard
        self._lock = threading.RLock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lost = 0
        self._in_child = False
        # Parts of a line that print() hands over one by one, and the stream they are for.
        self._held: list[str] = []
        self._held_for = ""
        self._held_size = 0
        os.register_at_fork(
            before=self._before_fork,
            after_in_parent=self._lock.release,
            after_in_child=self._after_fork,
        )

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._flush()

    def _after_fork(self) -> None:
        # The private descriptor's offset is shared with the parent: a write of ours would move it
        # under the parent's feet. What a child writes is read back by the parent like all the rest.
        self._lock = threading.RLock()
        self._in_child = True

    def write(self, name: str, text: str) -> None:
        """Write text of the stream `name`, to the log and to the sink.

        A line that has not ended yet may be held back until it has, or until `flush` or `sync`: so
        lines stay whole, and a print of five values is one write.
        """
        with self._guard, self._lock:
            if self._held and self._held_for != name:
                self._flush()
            self._held.append(text)
            self._held_for = name
            self._held_size += len(text)
            if "\n" in text or self._held_size > _LINE:
                self._flush()

    def flush(self) -> None:
        """Write what is held back."""
        if self._held:
            with self._guard, self._lock:
                self._flush()

    def _flush(self) -> None:
        if not self._held:
            return
        name, text = self._held_for, "".join(self._held)
        self._held.clear()
        self._held_size = 0
        if self._in_child:
            _write_or_lose(2 if name == "stderr" else 1, _bytes(text))
            return
        self._append(_bytes(text))
        self._sink(name, text)

    def note(self, text: str) -> None:
        """Write text to the log that is no output of the notebook, on a line of its own."""
        with self._guard, self._lock:
            if not self._in_child:
                self._flush()
                start = "" if self._is_at_line_start() else "\n"
                self._append(_bytes(start + text))

    def _is_at_line_start(self) -> bool:
        try:
            size = os.fstat(self._descriptor).st_size
            return size == 0 or os.pread(self._descriptor, 1, size - 1) == b"\n"
        except OSError:
            return True

    def sync(self) -> None:
        """Pass on what others have written until now."""
        with self._guard, self._lock:
            self._flush()
            if not self._in_child:
                self._read_gap(os.fstat(self._descriptor).st_size)

    def _append(self, content: bytes) -> None:
        if self._lost:
            lost = self._lost
            notice = (
                b"\n[unattended] %d bytes of output are missing here: no space was left\n" % lost
            )
            written = _write_or_lose(self._descriptor, notice)
            if written:
                self._account(written)
            if written < len(notice):
                self._lost += len(content)
                return
            self._lost = 0
        written = _write_or_lose(self._descriptor, content)
        self._lost += len(content) - written
        if written:
            self._account(written)

    def _account(self, written: int) -> None:
        """Note that the last `written` bytes are ours, after reading what came before them."""
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        self._read_gap(end - written)
        self._end = end

    def _read_gap(self, until: int) -> None:
        if not self._read_back:
            self._end = max(until, self._end)
            return
        if until - self._end > 2 * _GAP:
            self._read(self._end + _GAP)
            self._sink("stdout", "\n[unattended] more output is in the log only\n")
            self._end = until - _GAP
        if until > self._end:
            self._read(until)

    def _read(self, until: int) -> None:
        while self._end < until:
            try:
                content = os.pread(self._descriptor, until - self._end, self._end)
            except OSError:
                content = b""
            if not content:  # somebody truncated the log
                self._end = until
                return
            self._end += len(content)
            self._sink("stdout", self._decoder.decode(content))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _write_or_lose(descriptor: int, content: bytes) -> int:
    """Write what can be written and return how much that was: a full disk ends no notebook."""
    written = 0
    try:
        while written < len(content):
            written += os.write(descriptor, content[written:] if written else content)
    except OSError:
        pass
    return written


class LogStream(io.TextIOBase):
    """``sys.stdout`` or ``sys.stderr`` of the notebook."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    mode = "w"

    def __init__(self, log: Log, name: str, descriptor: int) -> None:
        super().__init__()
        self._log = log
        self._stream = name
        self._descriptor = descriptor
        self.name = f"<{name}>"
        # Whoever writes bytes here writes like C code does.
        self.buffer: BinaryIO = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115

    def write(self, text: str, /) -> int:
        """Write `text`; whole lines are in the log when this returns."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._log.write(self._stream, text)
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:  # type: ignore[override]
        """Write `lines`."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Write a line that has not ended yet."""
        self._log.flush()

    def fileno(self) -> int:
        """Return the descriptor that child processes may be given; it is the log too."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return False."""
        return False

    def readable(self) -> bool:
        """Return False."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    def reconfigure(self, **_: Any) -> None:
        """Do nothing: text is written at once, in UTF-8."""

    def close(self) -> None:
        """Stay open, as the streams of a kernel do."""
