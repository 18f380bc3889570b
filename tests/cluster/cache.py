"""Where things that take long to make are kept, so that only a new machine pays for them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def directory() -> Path:
    """The cache: $UNATTENDED_TEST_CACHE, else a directory in the user's cache directory."""
    chosen = os.environ.get("UNATTENDED_TEST_CACHE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "jupyter-unattended" / "tests"


def key(*parts: str | bytes) -> str:
    """A short name for everything that a cached thing was made from."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time make the thing called `name`."""
    directory().mkdir(parents=True, exist_ok=True)
    with (directory() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made(name: str, make: Callable[[Path], None]) -> Path:
    """The cached directory `name`; `make` fills it the first time, all or nothing.

    Older ones that share `name` up to its last dash are removed once a new one is there.
    """
    target = directory() / name
    with locked(name):
        if not target.is_dir():
            fresh = target.with_name(f"{name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            make(fresh)
            fresh.rename(target)
            family = name.rpartition("-")[0]
            for other in directory().glob(f"{family}-*"):
                if other != target and other.is_dir() and other.name.rpartition("-")[0] == family:
                    shutil.rmtree(other, ignore_errors=True)
    return target
