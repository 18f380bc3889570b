"""Whether the kernel's environment and requirements.txt supply what is imported."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator

from .. import environment
from ..finding import RAISES_TAG, Finding, Severity, Subject
from ..imports import Import
from ..reader import shown
from ..requirements import KNOWN_NAMES, Requirements, canonical

#: The runtime's oldest Python.
_OLDEST = (3, 10)


def modules(subject: Subject) -> Iterator[Finding]:
    """Find imports that neither the kernel's environment nor requirements.txt supplies."""
    requirements = subject.requirements
    if requirements is None or subject.kernel.python is None:
        return
    outside = requirements.imports.outside
    known = environment.inspect(
        subject.kernel,
        {one.module for one in outside} | {"IPython"},
        subject.notebook.directory,
    )
    expected = {cell.index for cell in subject.cells if RAISES_TAG in cell.tags}
    promised = _promised(requirements)
    absent = {name for name in promised if name not in known.packages}
    reported: set[str] = set()
    for one in outside:
        if known.modules[one.module].found or one.top in reported or one.cell in expected:
            continue
        if one.condition == "try" or one.top == "jupyter_unattended":
            continue
        package = KNOWN_NAMES.get(one.top, one.top)
        if {canonical(one.top), canonical(package)} & promised:
            continue
        reported.add(one.top)
        yield _missing(subject, one, package, absent)


def _promised(requirements: Requirements) -> set[str]:
    """Return the packages that requirements.txt and the cells install, by canonical name."""
    texts = [line.strip() for line in requirements.text.splitlines()]
    texts += [install.text for install in requirements.imports.installs if not install.option]
    matches = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", text) for text in texts)
    return {canonical(match[0]) for match in matches if match}


def _missing(subject: Subject, one: Import, package: str, absent: set[str]) -> Finding:
    kernel = shown(subject.kernel.name)
    where = f"{shown(one.file.name)} imports" if one.file else "this cell imports"
    severity: Severity = "warning" if one.condition or absent else "error"
    message = f"{where} {one.top}, which neither the kernel {kernel} nor requirements.txt has"
    if absent:
        message += f" (unless one of these has it: {', '.join(sorted(absent)[:5])})"
    fix = f"install it, or add {package} to requirements.txt"
    return Finding("missing-module", severity, one.cell, one.line, message, fix)


def local_installs(subject: Subject) -> Iterator[Finding]:
    """Find packages that exist only in this environment."""
    requirements = subject.requirements
    for one in requirements.unmapped if requirements is not None else ():
        if one.installed:
            message = f"{one.module} cannot be in requirements.txt: {one.reason}"
            fix = "a job in this environment finds it; for another one, install it there"
            yield Finding("local-install", "info", one.cell, one.line, message, fix)


def interpreter(subject: Subject) -> Iterator[Finding]:
    """Find out whether the kernel's interpreter can run a job."""
    kernel = subject.kernel
    if kernel.runner == "nbclient":
        if importlib.util.find_spec("nbclient") is None:
            message = f"the kernel {shown(kernel.name)} ({kernel.language}) needs nbclient"
            yield Finding("no-nbclient", "error", None, None, message, "pip install nbclient")
        return
    known = environment.inspect(kernel, {"IPython"}, subject.notebook.directory)
    version = tuple(int(part) for part in known.python_version.split(".")[:2])
    if version < _OLDEST:
        message = (
            f"the kernel {shown(kernel.name)} is Python {known.python_version}; a job needs 3.10"
        )
        yield Finding("python-too-old", "error", None, None, message, "choose another kernel")
    text = subject.requirements.text if subject.requirements is not None else ""
    if not known.has_ipython and not re.search(r"(?im)^\s*(ipython|ipykernel|jupyter)\b", text):
        message = f"the kernel {shown(kernel.name)} has no IPython, which runs the cells"
        fix = f"{kernel.python} -m pip install ipython, or add ipython to requirements.txt"
        yield Finding("no-ipython", "error", None, None, message, fix)


def installs(subject: Subject) -> Iterator[Finding]:
    """Find cells that install packages: every attempt does so again."""
    requirements = subject.requirements
    seen: set[int] = set()
    for install in requirements.imports.installs if requirements is not None else ():
        if install.cell not in seen:
            seen.add(install.cell)
            yield Finding("installs-packages", "info", install.cell, install.line,
                          "this cell installs packages, again at every attempt",
                          "put them into requirements.txt beside the notebook")  # fmt: skip
