"""Preflight: whether a notebook would run from top to bottom with nobody there.

Few false alarms matter more than many findings: an error is something that is sure to fail or to
wait, because errors stop a submit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..errors import KernelError
from .checks import names, packages, people, places, shell
from .code import CellCode, read_cells
from .finding import Finding, Severity, Subject
from .kernels import Kernel
from .reader import Notebook
from .requirements import Requirements

__all__ = ["Finding", "Severity", "check", "errors"]

_ORDER = {"error": 0, "warning": 1, "info": 2}
#: Checks of Python code.
_PYTHON: Sequence[Callable[[Subject], Iterable[Finding]]] = (
    names.syntax,
    names.undefined,
    names.script_names,
    names.unused_parameters,
    people.calls,
    people.widgets,
    people.magics,
    shell.shell,
    places.outside,
    packages.modules,
    packages.local_installs,
    packages.installs,
)


def check(
    notebook: Notebook,
    kernel: Kernel | KernelError,
    requirements: Requirements | None = None,
    workspace: Path | None = None,
    cells: Sequence[CellCode] | None = None,
) -> list[Finding]:
    """Look for what would keep a notebook from running unattended.

    Parameters
    ----------
    notebook
        The notebook.
    kernel
        Its kernel, or the error that was raised when it was looked for.
    requirements
        What `requirements.collect` returned; without it, imports are not checked.
    workspace
        By default the notebook's directory.
    cells
        The notebook's code, where it was read already.

    Returns
    -------
    list of Finding
        In the order of the cells; what concerns the whole notebook comes first.
    """
    found: list[Finding] = []
    if isinstance(kernel, KernelError):
        found.append(Finding("no-kernel", "error", None, None, str(kernel)))
        kernel = Kernel(notebook.kernel_name or "", notebook.language, None, "nbclient")
        interpreter: Iterable[Finding] = ()
    else:
        interpreter = packages.interpreter(_subject(notebook, [], kernel, requirements, workspace))
    found.extend(interpreter)
    if kernel.language == "python":
        read = read_cells(notebook) if cells is None else cells
        subject = _subject(notebook, read, kernel, requirements, workspace)
        for one in _PYTHON:
            found.extend(one(subject))
    return sorted(found, key=_place)


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that stop a submit."""
    return [finding for finding in findings if finding.severity == "error"]


def _subject(
    notebook: Notebook,
    cells: Sequence[CellCode],
    kernel: Kernel,
    requirements: Requirements | None,
    workspace: Path | None,
) -> Subject:
    return Subject(notebook, cells, kernel, requirements, workspace or notebook.directory)


def _place(finding: Finding) -> tuple[int, int, int]:
    cell = -1 if finding.cell is None else finding.cell
    return cell, finding.line or 0, _ORDER[finding.severity]
