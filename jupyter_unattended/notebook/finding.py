"""What preflight finds, and what it looks at."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from .code import CellCode
from .kernels import Kernel
from .reader import Notebook
from .requirements import Requirements

Severity = Literal["error", "warning", "info"]
#: A cell with this tag is expected to fail.
RAISES_TAG = "raises-exception"


@dataclass(frozen=True)
class Finding:
    """Something that may keep a notebook from running with nobody there.

    Parameters
    ----------
    code
        A stable name, such as ``undefined-name``.
    severity
        An ``error`` stops a submit unless it is forced.
    cell
        Index of the cell in the notebook, from 0 (people count from 1); None for all of it.
    line
        Line in the cell, from 1.
    message
        What is wrong, in one sentence.
    fix
        What to do.
    """

    code: str
    severity: Severity
    cell: int | None
    line: int | None
    message: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Subject:
    """What the checks look at."""

    notebook: Notebook
    cells: Sequence[CellCode]
    kernel: Kernel
    requirements: Requirements | None
    workspace: Path

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """What imported names stand for: ``plt`` is ``matplotlib.pyplot``."""
        found: dict[str, str] = {}
        for cell in self.cells:
            for node in ast.walk(cell.tree) if cell.tree is not None else ():
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        name = alias.asname or alias.name.partition(".")[0]
                        found[name] = alias.name if alias.asname else name
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    for alias in node.names:
                        found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    @cached_property
    def stored(self) -> Mapping[str, list[int]]:
        """The cells that give each name a value, other than by importing it."""
        found: dict[str, list[int]] = {}
        for cell in self.cells:
            for node in ast.walk(cell.tree) if cell.tree is not None else ():
                name = ""
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    name = node.id
                elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    name = node.name
                if name:
                    found.setdefault(name, []).append(cell.index)
        return found

    def dotted(self, node: ast.expr) -> str:
        """Return the full name of what is called; empty where it is not a plain name.

        A name that the notebook itself defines is not what it would be otherwise.
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        if node.id in self.stored and node.id not in self.aliases:
            return ""
        return ".".join([self.aliases.get(node.id, node.id), *reversed(parts)])


def nodes(tree: ast.AST, *, certain: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node, and whether it runs for certain when its cell does.

    What is in a function, a branch or a try block may not.
    """
    for child in ast.iter_child_nodes(tree):
        inner = certain and not (
            isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Try, ast.If,
                              ast.IfExp, ast.Match, ast.ExceptHandler))
        )  # fmt: skip
        yield child, inner
        yield from nodes(child, certain=inner)
