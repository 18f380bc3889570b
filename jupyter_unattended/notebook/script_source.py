"""The source of cells: what it binds, and edits that leave everything else as it was written."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence


def parse(python: str) -> ast.Module:
    """Return the syntax tree; ``await`` may stand at the top."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = compile(python, "cell", "exec", flags)
    assert isinstance(tree, ast.Module)
    return tree


def bound_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the names that a cell binds; with the module, where it is one."""
    local: set[str] = set()
    for node in own_nodes(tree):
        if isinstance(node, ast.comprehension):
            local |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    for node in own_nodes(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            if node.id not in local or _is_assigned(tree, node.id):
                yield node.id, ""
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, ""
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield alias.asname or top, "" if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            yield from ((a.asname or a.name, "") for a in node.names if a.name != "*")
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name, ""


def awaits(tree: ast.AST) -> bool:
    """Whether a cell awaits something outside of its functions."""
    return any(
        isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith))
        or (isinstance(node, ast.comprehension) and bool(node.is_async))
        for node in own_nodes(tree)
    )


def edited(text: str, edits: Sequence[tuple[ast.stmt | ast.expr, str]]) -> str:
    """Replace nodes by new source; what has several lines is indented as the node is."""
    places = sorted(((*span(text, node), node, new) for node, new in edits), key=lambda e: -e[0])
    for start, end, node, new in places:
        if "\n" in new and node.col_offset:
            inner = indented(new, parse(new), node.col_offset)
            new = inner.lstrip(" ")
        text = text[:start] + new + text[end:]
    return text


def indented(text: str, tree: ast.Module, by: int = 4) -> str:
    """Indent a text, but not the insides of its strings."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
        if is_text or isinstance(node, ast.JoinedStr):
            assert isinstance(node, ast.expr)
            inside.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    lines = text.split("\n")
    return "\n".join(
        line if number in inside or not line.strip() else " " * by + line
        for number, line in enumerate(lines, 1)
    )


def own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are not inside a function or class of the cell."""
    for node in ast.iter_child_nodes(tree):
        yield node
        inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        if not isinstance(node, inner):
            yield from own_nodes(node)


def _is_assigned(tree: ast.AST, name: str) -> bool:
    """Whether a name is bound outside comprehensions too."""
    inside = {
        id(n)
        for node in own_nodes(tree)
        if isinstance(node, ast.comprehension)
        for n in ast.walk(node.target)
    }
    return any(
        isinstance(node, ast.Name)
        and node.id == name
        and isinstance(node.ctx, ast.Store)
        and id(node) not in inside
        for node in own_nodes(tree)
    )


def span(text: str, node: ast.stmt | ast.expr) -> tuple[int, int]:
    """Return where a node is in the text."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)

    def place(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)
