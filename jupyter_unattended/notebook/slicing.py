"""Which cells does one cell need? A backward slice over a notebook's cells.

Cells are taken or left whole. Starting from the names the chosen cell reads, the cells above it are
walked from the nearest up: one that binds or changes a name still needed is taken, and the names it
reads are needed from there on; an unconditional assignment ends the search for that name. When in
doubt a cell is taken: a job that does a little too much is better than one that misses something.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .code import ANY_NAMES, CellCode, Magic

#: Line magics that set up the notebook and so belong to every slice.
_SETUP_MAGICS = frozenset({"matplotlib", "load_ext", "cd", "env", "set_env", "pip", "conda"})
_BUILTINS = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "exit", "quit"}


@dataclass
class Names:
    """What one cell does to names.

    Parameters
    ----------
    reads
        Names it reads from the notebook, also inside the functions it defines.
    binds
        Names it binds, perhaps only under a condition.
    sets
        Those of them that it binds at top level and without condition, before reading them.
    changes
        Names whose objects it may change: ``x.append(1)``, ``x[0] = 1``, ``x.a = 1``, ``x += 1``.
    binds_any
        Whether it may bind names that cannot be told: ``from m import *``, ``%run``.
    is_setup
        Whether it sets up the notebook for every cell: ``%matplotlib``, ``%env``, ``sys.path``.
    """

    reads: set[str] = field(default_factory=set)
    binds: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    binds_any: bool = False
    is_setup: bool = False


@dataclass(frozen=True)
class Slice:
    """The answer.

    Parameters
    ----------
    cells
        The cells to take, in the notebook's order, without the chosen one.
    missing
        Names that no cell above binds, sorted.
    """

    cells: list[CellCode]
    missing: list[str]


def backward_slice(above: Sequence[CellCode], chosen: CellCode) -> Slice:
    """Find the cells among `above` that `chosen` needs.

    Parameters
    ----------
    above
        The cells before the chosen one, in order. Cells that are not valid Python are left out.
    chosen
        The cell to run.
    """
    needed = names_of(chosen).reads - _BUILTINS
    taken: list[CellCode] = []
    for cell in reversed(above):
        if cell.tree is None:
            continue
        names = names_of(cell)
        touched = (names.binds | names.changes) & needed
        if not touched and not names.is_setup and not (names.binds_any and needed):
            continue
        taken.append(cell)
        needed -= names.sets
        needed |= names.reads - _BUILTINS
    taken.reverse()
    bound: set[str] = set()
    is_certain = True
    for cell in taken:
        names = names_of(cell)
        bound |= names.binds
        is_certain = is_certain and not names.binds_any
    missing = sorted(needed - bound) if is_certain else []
    return Slice(taken, missing)


def names_of(cell: CellCode) -> Names:
    """Tell what a cell does to names."""
    names = Names()
    if cell.tree is None:
        return names
    names.is_setup = any(map(_sets_up, cell.magics)) or _touches_import_path(cell.tree)
    for statement in cell.tree.body:
        one = _names_of_statement(statement)
        # Read before it is set: an earlier cell must still supply it.
        names.sets |= one.sets - names.reads - one.reads
        names.reads |= one.reads - (names.sets - one.sets)
        names.binds |= one.binds
        names.changes |= one.changes
        names.binds_any = names.binds_any or one.binds_any
    return names


def _sets_up(magic: Magic) -> bool:
    if magic.name == "load_ext" and magic.text.strip() == "jupyter_unattended":
        return False
    return magic.kind == "line" and magic.name in _SETUP_MAGICS


def _names_of_statement(statement: ast.stmt) -> Names:
    names = Names()
    table = _symbols(statement)
    if table is not None:
        _collect(table, names, is_top=True)
        # From Python 3.12 on the table of a scope has its comprehensions' own names in it.
        inner = _comprehensions_own(statement)
        names.reads -= inner
        names.binds -= inner
    _collect_changes(statement, names)
    names.changes -= names.binds - names.reads
    if isinstance(statement, ast.ImportFrom) and any(a.name == "*" for a in statement.names):
        names.binds_any = True
    names.binds_any = names.binds_any or any(
        isinstance(node, ast.ImportFrom) and node.module == ANY_NAMES
        for node in ast.walk(statement)
    )
    names.sets = _set_for_sure(statement)
    return names


def _symbols(statement: ast.stmt) -> symtable.SymbolTable | None:
    """Return Python's own analysis of scopes for one statement."""
    without_star = _drop_star_imports(statement)
    try:
        source = ast.unparse(without_star)
        return symtable.symtable(_as_coroutine(source, without_star), "cell", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return None


class _Occurrences(ast.NodeVisitor):
    """Sorts names into those that comprehensions bind for themselves and all others."""

    def __init__(self) -> None:
        self.own: set[str] = set()
        self.outside: set[str] = set()
        self._bound: list[set[str]] = []

    def visit_Name(self, node: ast.Name) -> None:
        is_own = any(node.id in bound for bound in self._bound)
        (self.own if is_own else self.outside).add(node.id)

    def _comprehension(self, node: ast.AST) -> None:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        self.visit(generators[0].iter)  # belongs to the scope around it
        targets = (name for generator in generators for name in ast.walk(generator.target))
        self._bound.append({name.id for name in targets if isinstance(name, ast.Name)})
        for child in ast.iter_child_nodes(node):
            if child is generators[0]:
                self.visit(generators[0].target)
                for condition in generators[0].ifs:
                    self.visit(condition)
            else:
                self.visit(child)
        self._bound.pop()

    visit_ListComp = visit_SetComp = _comprehension  # noqa: N815
    visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815


def _comprehensions_own(statement: ast.stmt) -> set[str]:
    """Return names that occur in no other place than comprehensions which bind them."""
    occurrences = _Occurrences()
    occurrences.visit(statement)
    return occurrences.own - occurrences.outside


def _drop_star_imports(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.ImportFrom) and any(a.name == "*" for a in statement.names):
        return ast.copy_location(ast.Pass(), statement)
    return statement


def _as_coroutine(source: str, statement: ast.stmt) -> str:
    """Make top-level await legal for `symtable`, which knows no flag for it.

    ``await x`` at the top reads what ``(x)`` reads, so the keyword is left out of the tree.
    """
    if not any(
        isinstance(n, (ast.Await, ast.AsyncFor, ast.AsyncWith)) for n in ast.walk(statement)
    ):
        return source
    body = "\n".join(f"    {line}" for line in source.splitlines())
    bound = sorted(_bound_at_top(statement))
    declared = f"    global {', '.join(bound)}\n" if bound else ""
    return f"async def _cell_():\n{declared}{body}\n"


def _bound_at_top(statement: ast.stmt) -> set[str]:
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del))
    }


def _collect(table: symtable.SymbolTable, names: Names, *, is_top: bool) -> None:
    for symbol in table.get_symbols():
        name = symbol.get_name()
        is_global = is_top or symbol.is_global()
        if not is_global or name == "_cell_":
            continue
        if symbol.is_referenced():
            names.reads.add(name)
        if symbol.is_assigned() or symbol.is_imported() or (is_top and symbol.is_namespace()):
            names.binds.add(name)
    for child in table.get_children():
        _collect(child, names, is_top=False)


def _set_for_sure(statement: ast.stmt) -> set[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).partition(".")[0] for a in statement.names} - {"*"}
    targets: Iterable[ast.expr] = ()
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    found: set[str] = set()
    for target in targets:
        parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        found |= {part.id for part in parts if isinstance(part, ast.Name)}
    return found


def _collect_changes(statement: ast.stmt, names: Names) -> None:
    for node in ast.walk(statement):
        if isinstance(node, ast.AugAssign):
            root = _root(node.target)
            names.changes |= root
            names.reads |= root
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(
            node.ctx, (ast.Store, ast.Del)
        ):
            names.changes |= _root(node)
        elif isinstance(node, ast.Call):
            # A method may change its object, a function its arguments.
            if isinstance(node.func, ast.Attribute):
                names.changes |= _root(node.func)
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                if _is_statement_call(statement, node):
                    names.changes |= _root(argument)


def _is_statement_call(statement: ast.stmt, call: ast.Call) -> bool:
    """Whether the call stands alone, as one made for its effect does: ``shuffle(data)``."""
    return isinstance(statement, ast.Expr) and statement.value is call and not _only_shows(call)


def _only_shows(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in {"print", "display", "len", "repr"}


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _touches_import_path(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("sys", "path"), ("os", "environ"), ("os", "chdir")}
        for node in ast.walk(tree)
    )
