"""Whether cells are valid, and whether names are defined when cells run from top to bottom."""

from __future__ import annotations

import ast
import copy
import difflib
import re
from collections.abc import Iterator

from ...errors import KernelError
from ...runtime.skipping import is_skipped
from .. import environment
from ..code import CellCode, read_cell
from ..finding import RAISES_TAG, Finding, Subject, nodes

#: What IPython puts into the namespace.
_GIVEN = {"display", "get_ipython", "In", "Out", "exit", "quit", "_", "__", "___", "_i", "_ii",
          "_iii", "_ih", "_oh", "_dh", "__IPYTHON__"}  # fmt: skip
_HISTORY = re.compile(r"_i?\d+\Z")


def syntax(subject: Subject) -> Iterator[Finding]:
    """Find cells that are not valid Python."""
    broken = [cell for cell in subject.cells if cell.error and RAISES_TAG not in cell.tags]
    if broken and subject.kernel.python is not None and not subject.kernel.is_this_python:
        # Another version of Python may think otherwise, and it is the one that counts.
        try:
            answers = environment.compiles(subject.kernel, [c.python or c.source for c in broken])
        except KernelError:
            answers = [{} for _ in broken]
        broken = [cell for cell, answer in zip(broken, answers, strict=True) if answer is not None]
    for cell in broken:
        message = f"the cell is not valid Python: {cell.error}"
        yield Finding("syntax-error", "error", cell.index, cell.error_line, message,
                      "correct the cell, or tag it skip-execution")  # fmt: skip


def undefined(subject: Subject) -> Iterator[Finding]:
    """Find names that are used before any cell defines them."""
    from pyflakes.checker import Checker
    from pyflakes.messages import UndefinedName

    module, starts = _joined(subject)
    known = _GIVEN | {parameter.name for parameter in subject.notebook.parameters}
    checker = Checker(module, "notebook", builtins=known)
    unclear = "\n".join(cell.source for cell in subject.cells if cell.error)
    seen: set[tuple[int, str]] = set()
    for message in sorted(checker.messages, key=lambda one: int(one.lineno)):
        if not isinstance(message, UndefinedName):
            continue
        name = str(message.message_args[0])
        cell = next(c for start, c in reversed(starts) if start < message.lineno)
        line = message.lineno - next(start for start, c in starts if c is cell)
        if (cell.index, name) in seen or _HISTORY.match(name) or RAISES_TAG in cell.tags:
            continue
        if re.search(rf"\b{re.escape(name)}\b", unclear):
            continue  # a cell that could not be read may define it
        seen.add((cell.index, name))
        yield _undefined(subject, cell, line, name)


def script_names(subject: Subject) -> Iterator[Finding]:
    """Find ``__file__``, which scripts have and notebooks have not."""
    for cell in subject.cells:
        for node, certain in nodes(cell.tree) if cell.tree is not None else ():
            if isinstance(node, ast.Name) and node.id == "__file__" and certain:
                message = "__file__ is not defined in a notebook"
                fix = "use pathlib.Path.cwd(): the working directory is the notebook's own"
                yield Finding("undefined-name", "error", cell.index, node.lineno, message, fix)
                return


def _joined(subject: Subject) -> tuple[ast.Module, list[tuple[int, CellCode]]]:
    """Join the cells into one module; line numbers go on from cell to cell."""
    module = ast.Module(body=[], type_ignores=[])
    starts: list[tuple[int, CellCode]] = []
    start = 0
    for cell in subject.cells:
        if cell.tree is None:
            continue
        starts.append((start, cell))
        tree = copy.deepcopy(cell.tree)
        ast.increment_lineno(tree, start)
        module.body.extend(tree.body)
        start += cell.source.count("\n") + cell.python.count("\n") + 2
    return module, starts


def _undefined(subject: Subject, cell: CellCode, line: int, name: str) -> Finding:
    code, fix = "undefined-name", ""
    later = [index for index in subject.stored.get(name, ()) if index > cell.index]
    if later:
        message = f"{name} is used here, but defined only in cell {later[0] + 1}"
        fix = "move that cell above this one: cells run from top to bottom"
    elif name in _defined_in_skipped_cells(subject):
        message = f"{name} is defined only in a cell that a job skips"
        fix = "define it in a cell that is not tagged skip-execution or interactive-only"
    else:
        message = f"{name} is not defined by any cell above"
        near = difflib.get_close_matches(name, [*subject.stored, *subject.aliases], n=1, cutoff=0.8)
        fix = f"did you mean {near[0]}?" if near else "define or import it first"
    return Finding(code, "error", cell.index, line, message, fix)


def _defined_in_skipped_cells(subject: Subject) -> set[str]:
    found: set[str] = set()
    for cell in subject.notebook.node.cells:
        if cell.cell_type == "code" and is_skipped(cell):
            tree = read_cell(cell.source).tree
            for node in ast.walk(tree) if tree is not None else ():
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    found.add(node.id)
                elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    found.add(node.name)
                elif isinstance(node, ast.alias):
                    found.add(node.asname or node.name.partition(".")[0])
    return found


def unused_parameters(subject: Subject) -> Iterator[Finding]:
    """Find parameters that no cell uses: setting them changes nothing."""
    index = subject.notebook.parameters_cell
    if index is None or not subject.notebook.parameters:
        return
    others = [cell for cell in subject.cells if cell.index != index]
    # As text, so that magics, strings such as df.query("a < @b") and broken cells count as uses.
    text = "\n".join(re.sub(r"(?m)^\s*#.*$", "", cell.source) for cell in others)
    if re.search(r"\b(globals|locals|vars)\(\)", text):
        return
    own = next((cell for cell in subject.cells if cell.index == index), None)
    used: set[str] = set()
    for node in ast.walk(own.tree) if own is not None and own.tree is not None else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            used.update(re.findall(r"\w+", node.value))
    for parameter in subject.notebook.parameters:
        if parameter.name in used or re.search(rf"\b{re.escape(parameter.name)}\b", text):
            continue
        line = _line_of(own, parameter.name)
        yield Finding("unused-parameter", "warning", index, line,
                      f"no cell uses the parameter {parameter.name}",
                      "remove it, or use it in place of a constant")  # fmt: skip


def _line_of(cell: CellCode | None, name: str) -> int | None:
    for number, line in enumerate(cell.source.splitlines() if cell else (), 1):
        if re.match(rf"\s*{re.escape(name)}\b", line):
            return number
    return None
