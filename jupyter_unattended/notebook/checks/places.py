"""Whether the notebook reaches for files that are outside the workspace."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..finding import Finding, Severity, Subject, nodes
from ..reader import shown

#: Functions that take a path first.
_TAKES_PATH = re.compile(
    r"open|Path|PurePath|listdir|scandir|makedirs|mkdir|chdir|rmtree|copy\w*|move|exists|isfile|"
    r"isdir|glob|iglob|walk|remove|unlink|read_\w+|to_(?:csv|json|parquet|pickle|excel|hdf|feather|"
    r"html|stata)|load\w*|save\w*|imread|imwrite|fromfile|tofile|genfromtxt|ImageFolder|connect|"
    r"from_pretrained|save_pretrained|join|File|FileHandler|ZipFile|from_file"
)
#: Names of variables and keywords that hold paths.
_HOLDS_PATH = re.compile(
    r"(?i)(?:.*_)?(?:path|dir|file|folder|root|directory|filename|home|cache)s?"
)
_LOOKS_LIKE_PATH = re.compile(r"(?:/|~/|~$|[A-Za-z]:[\\/])[^\n\0<>|*?\"]{0,400}\Z")
#: There everywhere, and not for keeping things.
_SYSTEM = ("/dev", "/proc", "/sys", "/usr", "/bin", "/etc", "/lib", "/run")
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108


def outside(subject: Subject) -> Iterator[Finding]:
    """Find absolute paths outside the workspace, where the job may not find anything."""
    seen: set[tuple[int, str]] = set()
    for cell in subject.cells:
        found: list[tuple[str, int]] = []
        for node, _ in nodes(cell.tree) if cell.tree is not None else ():
            found.extend(_paths(node))
        found.extend(
            (magic.text.strip().strip("'\""), magic.line)
            for magic in cell.magics
            if magic.kind == "line" and magic.name == "cd"
        )
        for text, line in found:
            finding = _judge(subject, text, cell.index, line)
            if finding is not None and (cell.index, text) not in seen:
                seen.add((cell.index, text))
                yield finding


def _paths(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the texts that are used as paths."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = name or (node.func.id if isinstance(node.func, ast.Name) else "")
        takes_path = _TAKES_PATH.fullmatch(name) is not None
        for position, argument in enumerate(node.args):
            yield from _text(argument, certain=takes_path and position == 0)
        for keyword in node.keywords:
            yield from _text(
                keyword.value, certain=_HOLDS_PATH.fullmatch(keyword.arg or "") is not None
            )
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        yield from _text(node.value, certain=any(_HOLDS_PATH.fullmatch(name) for name in names))


def _text(node: ast.expr, *, certain: bool) -> Iterator[tuple[str, int]]:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return
    text = node.value
    if _LOOKS_LIKE_PATH.match(text) and (certain or (text.count("/") > 1 and _exists(text))):
        yield text, node.lineno


def _exists(text: str) -> bool:
    try:
        return os.path.lexists(os.path.expanduser(text))  # noqa: PTH111
    except (OSError, ValueError):
        return False


def _judge(subject: Subject, text: str, cell: int, line: int) -> Finding | None:
    if not _LOOKS_LIKE_PATH.match(text) or text.startswith("//"):
        return None
    path = Path(os.path.normpath(os.path.expanduser(text)))  # noqa: PTH111
    if text in ("/", "~") or path.is_relative_to(subject.workspace):
        return None
    if path.is_relative_to(subject.workspace.resolve()):
        return None
    severity: Severity = "warning"
    if any(path.is_relative_to(place) for place in _TEMPORARY):
        return Finding("path-outside-workspace", "info", cell, line,
                       f"{shown(text)} is lost when the job moves to another machine",
                       "use a relative path for what must be kept")  # fmt: skip
    if any(path.is_relative_to(place) for place in _SYSTEM):
        return None
    return Finding("path-outside-workspace", severity, cell, line,
                   f"{shown(text)} is outside the workspace {shown(subject.workspace)}: a job "
                   "elsewhere does not find it",
                   "use a path relative to the notebook, or make it a parameter")  # fmt: skip
