"""Does a snapshot fit this process? Asked before anything of it is unpickled.

A snapshot of another Python is not merely wrong: functions of 3.11 crash 3.12. So whatever does not
fit means going from the top, with the reason.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .parameters import source_of
from .snapshot_pickle import is_workspace_module


def python() -> dict[str, str]:
    """Return what must be the same for pickled code and data to be read."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "implementation": sys.implementation.name,
        "bytecode": importlib.util.MAGIC_NUMBER.hex(),
        "machine": platform.machine(),
        "byteorder": sys.byteorder,
    }


def sources_digest(cells: Sequence[Mapping[str, Any]], upto: int) -> str:
    """Return a hash of the sources of the code cells up to and including index `upto`."""
    sources = [source_of(cell) for cell in cells[: upto + 1] if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def versions(baseline: Iterable[str]) -> dict[str, str]:
    """Return the distributions of the libraries that the notebook imported, with versions."""
    known = {name.partition(".")[0] for name in baseline}
    found = {}
    for name in {name.partition(".")[0] for name in sys.modules}:
        if name in known or name in sys.stdlib_module_names or name.startswith("_"):
            continue
        distribution = _distribution(name)
        if distribution is not None:
            found[distribution] = importlib.metadata.version(distribution)
    return found


@functools.lru_cache(maxsize=4096)
def _distribution(module: str) -> str | None:
    """Return the distribution that a top-level module is from."""
    try:
        importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        names = _by_module().get(module)
        return names[0] if names else None
    return module


@functools.lru_cache(maxsize=1)
def _by_module() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def workspace_files() -> dict[str, str]:
    """Return the user's own modules that are loaded, with hashes of their files."""
    found = {}
    for module in list(sys.modules.values()):
        if is_workspace_module(module) and module.__name__ != "__main__":
            file = str(module.__file__)
            digest = _digest_of(file)
            if digest is not None:
                found[file] = digest
    return found


def _digest_of(file: str) -> str | None:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None


def misfit(
    meta: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], arguments: Sequence[str]
) -> str | None:
    """Return why a snapshot does not fit this process and notebook; None if it does."""
    here = python()
    for what, saved in meta["python"].items():
        if here[what] != saved:
            names = {
                "python": "Python",
                "bytecode": "Python's bytecode",
                "machine": "the processor",
            }
            return f"{names.get(what, what)} is {here[what]} and was {saved} when it was saved"
    if list(arguments) != list(meta["arguments"]):
        return "the job was started with other arguments"
    if meta["covers"] >= len(cells) or sources_digest(cells, meta["covers"]) != meta["sources"]:
        return "cells before the point where it would go on were changed"
    for file, digest in meta["workspace_files"].items():
        if _digest_of(file) != digest:
            return f"{Path(file).name}, which the notebook imports, was changed"
    for name, saved in meta["versions"].items():
        problem = _version_misfit(name, saved)
        if problem is not None:
            return problem
    return None


def _version_misfit(name: str, saved: str) -> str | None:
    try:
        here = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} {saved} is not installed here"
    return None if _minor(here) == _minor(saved) else f"{name} is {here} and was {saved}"


def _minor(version: str) -> tuple[str, ...]:
    return tuple(re.split(r"[.+-]", version)[:2])


def patched(meta: Mapping[str, Any]) -> list[str]:
    """Return the libraries that differ by no more than a patch release."""
    found = []
    for name, saved in meta["versions"].items():
        here = importlib.metadata.version(name)
        if here != saved:
            found.append(f"{name} {saved} → {here}")
    return found
