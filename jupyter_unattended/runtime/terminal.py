"""The log of a run without a job directory: a file without a name, copied to the terminal.

With a file in between, and not a pipe, everything works as in a job: nothing that writes can ever
be held up, and what C code and child processes write is read back for the executed notebook.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import os
import tempfile
import threading
from pathlib import Path

from .files import write_all

_INTERVAL = 0.1
_CHUNK = 1024 * 1024
#: After so many copied bytes their space is given back.
_FREED = 16 * 1024 * 1024
_PUNCH_HOLE_AND_KEEP_SIZE = 0x02 | 0x01


class Terminal:
    """Stands in for standard output and error until the process ends."""

    def __init__(self) -> None:
        self._terminal = os.dup(1)
        self._saved_error = os.dup(2)
        with tempfile.TemporaryFile() as file:
            self._descriptor = os.dup(file.fileno())
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, os.O_APPEND)
        #: Where a log can open the file.
        self.log = Path(f"/proc/self/fd/{self._descriptor}")
        self._copied = self._freed = 0
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._reader = os.open(self.log, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(self._descriptor, 1)
        os.dup2(self._descriptor, 2)
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="unattended-terminal", daemon=True).start()
        atexit.register(self.restore)

    def copy(self) -> None:
        """Copy what is new."""
        with self._lock:
            while content := os.pread(self._reader, _CHUNK, self._copied):
                self._copied += len(content)
                with contextlib.suppress(OSError):  # the terminal is gone; the notebook goes on
                    write_all(self._terminal, content)
            if self._copied - self._freed > _FREED:
                libc = ctypes.CDLL(None)
                libc.fallocate(
                    self._reader,
                    _PUNCH_HOLE_AND_KEEP_SIZE,
                    ctypes.c_longlong(self._freed),
                    ctypes.c_longlong(self._copied - self._freed),
                )
                self._freed = self._copied

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self.copy()

    def restore(self) -> None:
        """Copy the rest and give standard output and error back."""
        if os.getpid() != self._owner:
            return
        self._ended.set()
        os.dup2(self._terminal, 1)
        os.dup2(self._saved_error, 2)
        self.copy()
