"""Which variables do later cells use? Read from their sources and from the functions they call.

Where it cannot be known (``eval``, ``globals()``, a magic of unknown meaning), everything counts as
used: then a variable that cannot be saved prevents the snapshot, which costs time and is never
wrong.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Functions that reach any variable.
_REACH_ALL = frozenset({"eval", "exec", "globals", "locals", "vars", "dir", "compile"})
#: Line magics that use no variable and cell magics that hand their text to others.
_PLAIN_LINE = frozenset(
    {
        "matplotlib", "config", "load_ext", "reload_ext", "autoreload", "precision", "colors",
        "xmode", "pip", "conda", "cd", "pwd", "env", "set_env", "system", "sx", "mkdir", "ls",
        "cat", "alias", "automagic", "pylab", "gui", "logstop", "pprint", "writefile", "who",
    }
)  # fmt: skip
_PLAIN_CELL = frozenset(
    {"bash", "sh", "script", "writefile", "file", "html", "HTML", "markdown", "latex", "svg",
     "javascript", "js", "perl", "ruby", "system", "sx"}
)  # fmt: skip
#: Cell magics whose text is Python that runs in the namespace.
_PYTHON_CELL = frozenset({"time", "timeit", "capture", "prun"})
_PYTHON_LINE = frozenset({"time", "timeit", "prun"})
#: Magics that only set something up; they are run again when a snapshot is restored.
SETTINGS = frozenset(
    {"matplotlib", "config", "load_ext", "reload_ext", "autoreload", "precision", "colors",
     "xmode", "alias"}
)  # fmt: skip
_HISTORY = frozenset({"_", "__", "___", "In", "Out", "_ih", "_oh", "_i", "_ii", "_iii"})


@dataclass
class Uses:
    """What code uses.

    Parameters
    ----------
    names
        Variables that are read before the code itself has surely bound them.
    bound
        Variables that are surely bound at its end.
    everything
        Why it may use any variable; None if it may not.
    """

    names: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    everything: str | None = None

    @property
    def history(self) -> str | None:
        """Which variable of IPython's history is used."""
        return min(self.names & _HISTORY, default=None)


def of_cell(source: str, transform: Callable[[str], str]) -> Uses:
    """Return what the code of a cell uses."""
    try:
        tree = ast.parse(transform(source))
    except SyntaxError:
        return Uses(everything="its code cannot be parsed")
    return _of_module(tree, transform)


def of_cells(sources: Iterable[str], transform: Callable[[str], str]) -> Uses:
    """Return what several cells, one after the other, use of what was there before."""
    total = Uses()
    for source in sources:
        uses = of_cell(source, transform)
        total.names |= uses.names - total.bound
        total.bound |= uses.bound
        total.everything = total.everything or uses.everything
    return total


def _of_module(tree: ast.Module, transform: Callable[[str], str]) -> Uses:
    uses = Uses()
    for statement in tree.body:
        finder = _Finder(transform)
        finder.visit(statement)
        uses.names |= finder.loaded - uses.bound
        uses.everything = uses.everything or finder.everything
        uses.bound |= set(_surely_bound(statement))
    return uses


def _surely_bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that `statement` binds whatever happens, if it does not raise."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        for alias in statement.names:
            yield (alias.asname or alias.name).partition(".")[0]
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _target_names(target)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield from _target_names(statement.target)
    elif isinstance(statement, (ast.With, ast.AsyncWith)):
        for item in statement.items:
            if item.optional_vars is not None:
                yield from _target_names(item.optional_vars)
        for inner in statement.body:
            yield from _surely_bound(inner)
    elif isinstance(statement, ast.Delete):
        for target in statement.targets:
            yield from _target_names(target)


def _target_names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from _target_names(element)
    elif isinstance(target, ast.Starred):
        yield from _target_names(target.value)


class _Finder(ast.NodeVisitor):
    """Names that a statement reads, its own bindings within loops and ``with`` set aside."""

    def __init__(self, transform: Callable[[str], str]) -> None:
        self._transform = transform
        self.loaded: set[str] = set()
        self.everything: str | None = None
        self._bound: list[set[str]] = [set()]

    def visit_Name(self, node: ast.Name) -> None:
        used = isinstance(node.ctx, (ast.Load, ast.Del))
        if used and not any(node.id in names for names in self._bound):
            self.loaded.add(node.id)
            if node.id in _REACH_ALL:
                self.everything = f"it uses {node.id}()"

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.loaded.add(node.target.id)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not self._visit_magic(node):
            self.generic_visit(node)

    def _visit_for(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._visit_with_names(set(_target_names(node.target)), [node.target, *node.body])
        for statement in node.orelse:
            self.visit(statement)

    visit_For = visit_AsyncFor = _visit_for  # noqa: N815

    def _visit_with(self, node: ast.With | ast.AsyncWith) -> None:
        names: set[str] = set()
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                names |= set(_target_names(item.optional_vars))
        self._visit_with_names(names, [*node.body])

    visit_With = visit_AsyncWith = _visit_with  # noqa: N815

    def _visit_comprehension(self, node: Any) -> None:
        names: set[str] = set()
        for generator in node.generators:
            names |= set(_target_names(generator.target))
        self._visit_with_names(names, [*ast.iter_child_nodes(node)])

    visit_ListComp = visit_SetComp = visit_DictComp = _visit_comprehension  # noqa: N815
    visit_GeneratorExp = _visit_comprehension  # noqa: N815

    def _visit_with_names(self, names: set[str], nodes: Sequence[ast.AST]) -> None:
        self._bound.append(names)
        for node in nodes:
            self.visit(node)
        self._bound.pop()

    def _visit_function(self, node: Any) -> None:
        """Take the global names of the compiled function; it may be called at any time."""
        body: list[ast.stmt]
        body = [ast.Expr(node)] if isinstance(node, ast.Lambda) else [node]
        module = ast.fix_missing_locations(ast.Module(body=body, type_ignores=[]))
        names = names_of_code(compile(module, "<cell>", "exec", dont_inherit=True))
        if not isinstance(node, ast.Lambda):
            names.discard(node.name)
        self.loaded |= names
        if names & _REACH_ALL:
            self.everything = f"it uses {min(names & _REACH_ALL)}()"
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call):
                self._visit_magic(inner)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function  # noqa: N815

    def _visit_magic(self, node: ast.Call) -> bool:
        """Look into ``get_ipython().run_line_magic(…)``, which magics are transformed into."""
        call = magic_call(node)
        if call is None:
            return False
        method, arguments = call
        name = arguments[0].lstrip("%") if arguments else ""
        text = arguments[-1] if len(arguments) > 1 else ""
        if (method == "run_line_magic" and name in _PYTHON_LINE) or (
            method == "run_cell_magic" and name in _PYTHON_CELL
        ):
            self._visit_source(text)
        elif method in ("system", "getoutput"):
            self._visit_expansions(arguments[0] if arguments else "")
        elif method == "run_line_magic" and name in _PLAIN_LINE:
            self._visit_expansions(text)
        elif not (method == "run_cell_magic" and name in _PLAIN_CELL):
            self.everything = f"it uses the magic %{name}"
        else:
            self._visit_expansions(arguments[1])
        return True

    def _visit_source(self, source: str) -> None:
        uses = of_cell(source, self._transform)
        self.loaded |= uses.names
        self.everything = self.everything or uses.everything

    def _visit_expansions(self, text: str) -> None:
        """``$name`` and ``{expression}`` in the line of a magic are variables."""
        for part in text.replace("{", " { ").replace("$", " $").split():
            if part.startswith("$"):
                name = part[1:].partition(".")[0].partition("[")[0]
                if name.isidentifier():
                    self.loaded.add(name)
            elif part == "{":
                self.everything = self.everything or "it puts an expression into a command"


def magic_call(node: ast.AST) -> tuple[str, list[str]] | None:
    """Return (method, constant arguments) of a call that IPython made of a magic."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == "get_ipython"
    ):
        arguments = [
            argument.value
            for argument in node.args
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        ]
        return node.func.attr, arguments
    return None


def settings_of(source: str, transform: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return the magics of a cell that only set something up, as (name, line)."""
    try:
        tree = ast.parse(transform(source))
    except SyntaxError:
        return []
    found = []
    for statement in tree.body:
        if isinstance(statement, ast.Expr):
            call = magic_call(statement.value)
            if call is not None and call[0] == "run_line_magic" and call[1][0] in SETTINGS:
                found.append((call[1][0], call[1][1] if len(call[1]) > 1 else ""))
    return found


def bindings(source: str, transform: Callable[[str], str]) -> set[str]:
    """Return the variables that the code of a cell may bind."""
    try:
        tree = ast.parse(transform(source))
    except SyntaxError:
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
    return found


def reached(names: Iterable[str], namespace: Mapping[str, Any]) -> set[str]:
    """Return `names` and every variable that functions and classes behind them use in turn."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        if name in namespace:
            todo.extend(_names_behind(namespace[name], namespace))
    return found


def _names_behind(value: Any, namespace: Mapping[str, Any]) -> set[str]:
    names: set[str] = set()
    seen: set[int] = set()
    todo = [value]
    while todo and len(seen) < 20_000:
        item = todo.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, types.FunctionType):
            if item.__globals__ is namespace:
                names |= names_of_code(item.__code__)
            todo.extend(item.__defaults__ or ())
            todo.extend((item.__kwdefaults__ or {}).values())
            todo.extend(_contents_of(item.__closure__ or ()))
            todo.extend(vars(item).values())
        elif isinstance(item, types.MethodType):
            todo += [item.__func__, item.__self__]
        elif isinstance(item, (classmethod, staticmethod)):
            todo.append(item.__func__)
        elif isinstance(item, property):
            todo += [item.fget, item.fset, item.fdel]
        elif isinstance(item, type):
            if item.__module__ == "__main__":
                todo.extend(vars(item).values())
                todo.extend(item.__mro__[1:])
        elif isinstance(item, Mapping):
            todo.extend(list(item.values())[:2000])
        elif isinstance(item, (list, tuple, set, frozenset)):
            todo.extend(list(item)[:2000])
        elif not isinstance(item, (str, bytes, int, float, types.ModuleType)):
            if type(item).__module__ == "__main__":
                todo.append(type(item))
            todo.append(getattr(item, "__wrapped__", None))
            todo.append(getattr(item, "func", None))
            todo.append(getattr(item, "__dict__", None))
    return names


def _contents_of(cells: Iterable[types.CellType]) -> Iterator[Any]:
    for cell in cells:
        with contextlib.suppress(ValueError):  # an empty one
            yield cell.cell_contents


def names_of_code(code: types.CodeType) -> set[str]:
    """Return the global names that code uses, also in functions inside it."""
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "DELETE_GLOBAL")
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_of_code(constant)
    return names
