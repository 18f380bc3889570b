"""A notebook as a plain script, for people who want to leave notebooks behind.

Magics become what they stand for, or the notebook is refused and the cell named; parameters become
command line options; cells with a top-level ``await`` become coroutines. What comes out needs no
IPython.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import NotebookError, UnsupportedError
from ..runtime.annotations import last_name
from ..runtime.skipping import is_skipped
from .code import (
    PYTHON_CELL_MAGICS,
    Magic,
    magic_call,
    read_cell,
    to_magic,
    transform,
    without_options,
)
from .finding import RAISES_TAG
from .reader import Notebook, shown, tags
from .script_arguments import helper_sources, options
from .script_magics import (
    Names,
    UntranslatableError,
    cell_statement,
    expression,
    statement,
    written,
)
from .script_source import awaits, bound_names, edited, indented, own_nodes, parse, span

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from .node import Node

_SHOWN = {"display", "clear_output", "HTML", "Markdown", "Latex", "Pretty", "Code"}
_OURS = {"report", "progress", "on_stop", "stop_requested"}
_HELPERS = {
    "display": (
        "def display(*objects, **_):\n"
        '    """Print what a notebook would show."""\n'
        "    print(*objects, sep='\\n')\n"
    ),
    "clear_output": (
        'def clear_output(wait=False):\n    """Leave the output alone: a script has only one."""\n'
    ),
    **{
        name: f'def {name}(data=""):\n    """Show a text as it is."""\n    return data\n'
        for name in ("HTML", "Markdown", "Latex", "Pretty", "Code")
    },
}
#: A cell that ends in one of these shows its value, which is what it is there for.
_SHOWING_CALLS = {"head", "tail", "describe", "sample", "value_counts", "round", "sort_values",
                  "reset_index", "agg", "mean", "sum", "median", "max", "min", "std", "count",
                  "unique", "nunique", "nlargest", "nsmallest", "pivot_table", "corr", "query",
                  "to_frame", "score", "len", "sorted", "type", "list", "dict", "set", "tuple",
                  "str", "repr", "abs", "to_string"}  # fmt: skip


def to_script(notebook: Notebook) -> str:
    """Return the notebook as the source of a script.

    Raises
    ------
    NotebookError
        If a cell has no counterpart in a script; the text names it and says why.
    UnsupportedError
        If nbconvert is not installed.
    """
    if notebook.language != "python":
        raise NotebookError(
            f"{shown(notebook.path.name)} is in {notebook.language}; only Python can be a script"
        )
    try:
        from nbconvert import PythonExporter
    except ImportError:
        raise UnsupportedError(
            "A script is written with nbconvert, which is not installed here "
            "(pip install 'jupyter-unattended[script]')."
        ) from None
    node = _Writer(notebook).translated()
    exporter = PythonExporter(  # type: ignore[no-untyped-call]
        exclude_input_prompt=True, exclude_output_prompt=True
    )
    text, _ = exporter.from_notebook_node(node)
    text = re.sub(r"\A#!.*\n# coding: utf-8\n+", "#!/usr/bin/env python3\n", text).rstrip() + "\n"
    text = text.replace("\n# \n", "\n#\n")
    try:
        compile(text, "script", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise NotebookError(
            f"{shown(notebook.path.name)} cannot be written as a script: {error}"
        ) from error
    _check_name(notebook, text)
    return text


def _check_name(notebook: Notebook, text: str) -> None:
    """Refuse a script that would be imported in the place of a module: it comes first there."""
    name = notebook.path.stem
    imported = {
        module.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for module in _modules(node)
    }
    if name in imported or name in sys.stdlib_module_names:
        raise NotebookError(
            f"{shown(notebook.path.name)} cannot be written as a script: {name}.py would be "
            f"imported in the place of the module {name}; rename the notebook."
        )


class _Writer:
    """Translates the cells of one notebook."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        known, taken = _names(notebook)
        self.names = Names(known, taken)
        self.shown: set[str] = set()
        self.awaits = False

    def translated(self) -> NotebookNode:
        """Return the notebook without magics, preceded by what the script needs."""
        from nbformat import NotebookNode, from_dict

        def new(kind: str, source: str) -> dict[str, Any]:
            code: dict[str, Any] = (
                {"outputs": [], "execution_count": None} if kind == "code" else {}
            )
            return {"cell_type": kind, "metadata": {}, "source": source, **code}

        cells = []
        for index, cell in enumerate(self.notebook.node.cells):
            if cell.cell_type == "markdown":
                cells.append(new("markdown", cell.source))
            elif cell.cell_type == "code" and not is_skipped(cell):
                source = self._cell(index, cell)
                if source.strip():
                    cells.append(new("code", source))
                if index == self.notebook.parameters_cell and self.notebook.parameters:
                    source = options(self.notebook.parameters, self.notebook.title, self.names)
                    cells.append(new("code", source))
        document = {
            "nbformat": 4,
            "nbformat_minor": 4,
            "metadata": {"language_info": {"name": "python", "file_extension": ".py"}},
            "cells": [new("code", self._head()), *cells],
        }
        node = from_dict(document)  # type: ignore[no-untyped-call]
        assert isinstance(node, NotebookNode)
        return node

    def _head(self) -> str:
        heading = f"{self.notebook.title.rstrip('.')}.\n\nWritten from {self.notebook.path.name}."
        parts = [f'"""{heading}\n"""' if _is_plain(heading) else repr(heading)]
        helpers = [_HELPERS[name] for name in _HELPERS if name in self.shown]
        helpers += helper_sources(self.names)
        loop = ""
        if self.awaits:
            asyncio = self.names.module("asyncio")
            loop = f"_loop = {asyncio}.new_event_loop()\n{asyncio}.set_event_loop(_loop)"
        parts.append("\n".join(self.names.imports()))
        parts += [f"\n{helper.rstrip()}" for helper in helpers]
        parts.append(("\n" if helpers else "") + loop if loop else "")
        return "\n\n".join(part for part in parts if part.strip())

    def _cell(self, index: int, cell: Node) -> str:
        code = read_cell(cell.source, index)
        if code.error:
            self._refuse(index, f"it is not valid Python: {code.error}")
        try:
            text = self._translate(code.python, last=True)
        except UntranslatableError as error:
            self._refuse(index, str(error))
        tree = parse(text)
        for node in ast.walk(tree):
            problem = _ipython_only(node, self.names)
            if problem:
                self._refuse(index, problem)
        if RAISES_TAG in tags(cell):
            body = indented(text, tree)
            traceback = self.names.module("traceback")
            text = f"try:\n{body}\nexcept Exception:\n    {traceback}.print_exc()\n"
            tree = parse(text)
        return self._awaiting(index, text, tree) if awaits(tree) else text

    def _refuse(self, index: int, problem: str) -> NoReturn:
        raise NotebookError(
            f"{shown(self.notebook.path.name)} cannot be written as a script: "
            f"cell {index + 1}: {problem}"
        )

    # -- magics and other edits --------------------------------------------------------------------

    def _translate(self, python: str, *, last: bool = False) -> str:
        tree = parse(python)
        edits: list[tuple[ast.stmt | ast.expr, str]] = []
        self._visit(tree.body, edits, nested=False)
        text = edited(python, edits)
        return self._printing(text, python) if last else text

    def _visit(
        self, body: Sequence[ast.AST], edits: list[tuple[ast.stmt | ast.expr, str]], *, nested: bool
    ) -> None:
        for node in body:
            if isinstance(node, ast.Expr):
                call = magic_call(node.value)
                if call is not None:
                    new = self._statement(to_magic(call, node.lineno))
                    if nested and all(line.startswith("#") for line in new.splitlines()):
                        new = f"pass  {new}"
                    edits.append((node, new))
                    continue
            if isinstance(node, ast.Call):
                call = magic_call(node)
                if call is not None:
                    edits.append((node, expression(to_magic(call, node.lineno), self.names)))
                    continue
            if isinstance(node, ast.ImportFrom):
                replaced = self._import(node)
                if replaced is not None:
                    edits.append((node, replaced))
            self._visit(list(ast.iter_child_nodes(node)), edits, nested=True)

    def _statement(self, magic: Magic) -> str:
        if magic.kind == "cell":
            if magic.name in PYTHON_CELL_MAGICS - {"timeit"}:
                return self._python_cell(magic)
            return cell_statement(magic, self.names)
        if magic.kind == "line" and magic.name in ("time", "prun"):
            body = self._translate(transform(without_options(magic.text))).rstrip("\n")
            return self._timed(body) if magic.name == "time" else body
        return statement(magic, self.names)

    def _python_cell(self, magic: Magic) -> str:
        body = self._translate(transform(magic.body)).rstrip("\n")
        if magic.name == "time":
            return self._timed(body)
        if magic.name != "capture":
            return body
        if any(not word.startswith("-") for word in magic.text.split()):
            raise UntranslatableError(f"what {written(magic)} keeps has no counterpart in a script")
        contextlib, io = self.names.module("contextlib"), self.names.module("io")
        silent = f"{contextlib}.redirect_stdout({io}.StringIO())"
        return f"with {silent}:\n{indented(body or 'pass', parse(body or 'pass'))}"

    def _timed(self, body: str) -> str:
        time = self.names.module("time")
        seconds = f'f"{{{time}.perf_counter() - _start:.3f}} seconds"'
        return f"_start = {time}.perf_counter()\n{body}\nprint({seconds})"

    def _import(self, node: ast.ImportFrom) -> str | None:
        """Replace what only IPython or a job has; None to leave the import as it is."""
        wanted = {alias.name for alias in node.names}
        plain = all(alias.asname is None for alias in node.names)
        if (
            node.module in ("IPython.display", "IPython.core.display")
            and wanted <= _SHOWN
            and plain
        ):
            self.shown |= wanted
            return f"# {ast.unparse(node)}"
        if node.module == "jupyter_unattended" and wanted <= _OURS and plain:
            names = sorted(wanted)
            others = "".join(f"\n    {name} = {names[0]}" for name in names[1:])
            return (
                f"try:\n    {ast.unparse(node)}\n"
                "except ImportError:  # not in a job: there is nobody to tell\n\n"
                f"    def {names[0]}(*args, **values):\n"
                f'        """Do nothing outside a job."""\n{others}'
            ).rstrip()
        return None

    def _printing(self, text: str, original: str) -> str:
        """Print the value of the last expression, where a cell is there to show it."""
        body = parse(text).body
        if not body or not isinstance(body[-1], ast.Expr) or original.rstrip().endswith(";"):
            return text
        last = body[-1]
        value = last.value
        if isinstance(value, ast.Call):
            if last_name(value.func) == "display" and "display" not in self.names.known:
                self.shown.add("display")
            if last_name(value.func) not in _SHOWING_CALLS:
                return text
        elif isinstance(value, (ast.Await, ast.Yield, ast.Constant)):
            return text
        start, end = span(text, value)
        return edited(text, [(last, f"print({text[start:end]})")])

    # -- top-level await ---------------------------------------------------------------------------

    def _awaiting(self, index: int, text: str, tree: ast.Module) -> str:
        """Put a cell with a top-level await into a coroutine whose names are global."""
        self.awaits = True
        edits: list[tuple[ast.stmt | ast.expr, str]] = []
        for node in own_nodes(tree):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                value = ast.unparse(node.value) if node.value is not None else ""
                edits.append((node, f"{node.target.id} = {value}" if value else "pass"))
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                self._refuse(index, "a star import beside a top-level await cannot be translated")
        text = edited(text, edits)
        tree = parse(text)
        bound = sorted({name for name, _ in bound_names(tree)})
        declared = f"    global {', '.join(bound)}\n" if bound else ""
        name = f"_cell_{index + 1}"
        body = indented(text.rstrip("\n"), tree)
        return f"async def {name}():\n{declared}{body}\n\n\n_loop.run_until_complete({name}())"


def _names(notebook: Notebook) -> tuple[set[str], set[str]]:
    """Return the notebook's names, and those of them that are not a module of the same name."""
    known: set[str] = set()
    taken: set[str] = set()
    for _, cell in notebook.code_cells():
        tree = read_cell(cell.source).tree
        for name, module in bound_names(tree) if tree is not None else ():
            known.add(name)
            if module != name:
                taken.add(name)
    return known, taken


def _modules(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports, without relative ones."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return []


def _ipython_only(node: ast.AST, names: Names) -> str:
    """Return what a node needs that only IPython has."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if node.id == "get_ipython":
            return "get_ipython() has no counterpart in a script"
        if node.id in ("In", "Out", "_", "__") and node.id not in names.known:
            return f"{node.id}, what IPython remembers, has no counterpart in a script"
    if any(module.partition(".")[0] == "IPython" for module in _modules(node)):
        return f"it needs IPython: {ast.unparse(node)}"
    return ""


def _is_plain(text: str) -> bool:
    return '"""' not in text and "\\" not in text and not text.endswith('"')
