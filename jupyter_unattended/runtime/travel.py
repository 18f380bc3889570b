"""Putting the runtime into a job directory, from where it runs without this package."""

from __future__ import annotations

import functools
import importlib.util
import io
import marshal
import os
import zipfile
from pathlib import Path

#: The Python modules, in one file: a job directory is often on a network file system, where every
#: file costs at every submit and at every start. Python runs and imports such a file as it is.
ARCHIVE = "jupyter_unattended.zip"

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parent
#: What start.sh calls before Python can be relied on.
_FILES = ("attempt.sh", "requirements_met.py")


def install(target: Path) -> None:
    """Write the runtime into the job directory `target`, as ``target/runtime``.

    Compiled modules for this Python come along, so that a job need not compile anything; another
    Python reads the sources beside them.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    directory = target / "runtime"
    directory.mkdir()
    for name, content in _contents():
        descriptor = os.open(
            directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666
        )
        with open(descriptor, "wb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
            written = 0
            while written < len(content):
                written += stream.write(content[written:])


@functools.lru_cache(maxsize=1)
def _contents() -> list[tuple[str, bytes]]:
    files = [(name, (_HERE / name).read_bytes()) for name in _FILES]
    return [*files, (ARCHIVE, _archive())]


def _archive() -> bytes:
    package = "jupyter_unattended"
    modules = {"__main__": _HERE / "bootstrap.py"}
    for name in ("__init__", "_version"):
        modules[f"{package}/{name}"] = _PACKAGE / f"{name}.py"
    for file in sorted(_HERE.glob("*.py")):
        # requirements_met is also called as a module, by a start.sh that `convert` wrote.
        if file.name not in ("bootstrap.py", "travel.py"):
            modules[f"{package}/runtime/{file.stem}"] = file
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:

        def add(name: str, content: bytes) -> None:
            # One date for all, so that the same runtime is the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)

        for name, file in modules.items():
            source = file.read_bytes()
            add(f"{name}.py", source)
            add(f"{name}.pyc", _compiled(f"{name}.py", source))
    return buffer.getvalue()


def _compiled(name: str, source: bytes) -> bytes:
    """Return the module compiled for this Python, as good as its source for ever (PEP 552)."""
    code = compile(source, f"{ARCHIVE}/{name}", "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little")
    return header + importlib.util.source_hash(source) + marshal.dumps(code)
