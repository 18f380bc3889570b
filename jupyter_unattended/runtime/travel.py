"""Putting the runtime into a job directory, from where it runs without this package."""

from __future__ import annotations

import functools
import importlib.util
import marshal
import os
from pathlib import Path

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parent
_STANDALONE = {
    "bootstrap.py": "__main__.py",
    "attempt.sh": "attempt.sh",
    "requirements_met.py": "requirements_met.py",
}


def install(target: Path) -> None:
    """Write the runtime into the job directory `target`, as ``target/runtime``.

    Compiled modules for this Python come along, so that a job need not compile anything.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    directories, contents = _contents()
    for directory in directories:
        (target / directory).mkdir()
    for name, content in contents:
        descriptor = os.open(
            target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666
        )
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)


@functools.lru_cache(maxsize=1)
def _contents() -> tuple[list[str], list[tuple[str, bytes]]]:
    package = "runtime/jupyter_unattended"
    contents: list[tuple[str, bytes]] = [
        (f"runtime/{there}", (_HERE / here).read_bytes()) for here, there in _STANDALONE.items()
    ]
    for name in ("__init__.py", "_version.py"):
        contents += _module(f"{package}/{name}", _PACKAGE / name)
    for file in sorted(_HERE.glob("*.py")):
        # requirements_met is also called as a module, by a start.sh that `convert` wrote.
        if file.name not in ("bootstrap.py", "travel.py"):
            contents += _module(f"{package}/runtime/{file.name}", file)
    directories = ["runtime", package, f"{package}/runtime"]
    directories += [f"{package}/__pycache__", f"{package}/runtime/__pycache__"]
    return directories, contents


def _module(name: str, file: Path) -> list[tuple[str, bytes]]:
    """Return the module and its compiled form, which is valid as long as the source is this one."""
    source = file.read_bytes()
    cache = importlib.util.cache_from_source(name)
    code = compile(source, name, "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + (0b11).to_bytes(4, "little")
    compiled = header + importlib.util.source_hash(source) + marshal.dumps(code)
    return [(name, source), (cache, compiled)]
