"""What ``convert`` writes beside a notebook: start.sh, requirements.txt and a plain script."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import WorkspaceError
from . import startscript

if TYPE_CHECKING:
    from ..notebook.kernels import Kernel
    from ..notebook.reader import Notebook
    from ..notebook.requirements import Requirements


@dataclass(frozen=True)
class Written:
    """A file beside the notebook, and whether it was written or was there and kept."""

    path: Path
    kept: bool


def convert(
    notebook: Notebook,
    kernel: Kernel,
    requirements: Requirements,
    *,
    to: Literal["notebook", "script"] = "notebook",
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> list[Written]:
    """Write the files with which a notebook runs without us, and return them.

    A file that is already there may be a person's own work: it is kept unless `overwrite` is set.

    Parameters
    ----------
    notebook, kernel, requirements
        The notebook, the kernel whose interpreter start.sh calls, and what it installs.
    to
        ``script`` also writes the notebook as a plain script, which start.sh then runs.
    arguments, environment
        What start.sh uses when it is run without arguments and where a variable is not set.
    overwrite
        Whether to replace what is there.

    Raises
    ------
    WorkspaceError
        A file cannot be written.
    NotebookError
        The notebook cannot be written as a script; the text names the cell.
    """
    directory = notebook.path.parent
    files: list[tuple[str, str, bool]] = []
    target = notebook.path.name
    if to == "script":
        from ..notebook.script import to_script

        target = notebook.path.with_suffix(".py").name
        files.append((target, to_script(notebook), False))
    lines = [line.strip() for line in requirements.text.splitlines()]
    is_needed = any(line and not line.startswith("#") for line in lines)
    wanted = requirements.path.name if requirements.path else "requirements.txt"
    if requirements.path is None or requirements.path.parent != directory:
        wanted = "requirements.txt"
        if is_needed:
            files.append((wanted, requirements.text, False))
    script = startscript.render_beside(
        target=target,
        kind=to,
        python=str(kernel.python) if kernel.python else None,
        requirements=wanted if is_needed else None,
        arguments=arguments,
        environment=environment,
    )
    files.append(("start.sh", script, True))
    return [
        _write(directory / name, content, executable, overwrite)
        for name, content, executable in files
    ]


def _write(path: Path, content: str, executable: bool, overwrite: bool) -> Written:
    """Write a file whole or not at all."""
    if path.exists() and not overwrite:
        return Written(path, kept=True)
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod((0o777 if executable else 0o666) & ~umask)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        raise WorkspaceError(
            f"{path} cannot be written ({error.strerror}); make its directory writable."
        ) from error
    return Written(path, kept=False)
