"""What a notebook imports, itself and through the modules of its workspace."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeGuard

from ..runtime.annotations import last_name
from .code import ANY_NAMES, CellCode
from .reader import Notebook

#: Under what condition an import runs: always, only if something holds, only if it succeeds.
Condition = Literal["", "if", "try"]
_FORGIVING = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_PIP = re.compile(
    r"(?:^|[;&|]\s*)(?:\S*python[\d.]*|\{sys\.executable\}|\$\{?sys\.executable\}?)?\s*"
    r"(?:-m\s+)?(?:uv\s+)?pip[\d.]*\s+install\s+(?P<rest>[^;&|]+)"
)
#: pip's options that take a value of their own.
_PIP_VALUES = {"-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-t", "--target",
               "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--prefix",
               "--root", "--upgrade-strategy", "--platform", "--python-version"}  # fmt: skip
#: Those of them that requirements.txt understands as well.
_PIP_KEPT = {"-i", "--index-url", "--extra-index-url", "-f", "--find-links"}


@dataclass(frozen=True)
class Import:
    """One import.

    Parameters
    ----------
    module
        Dotted name; ``from a import b`` is ``a.b``, because b may be a module.
    cell
        Index of the cell; None for one in a module of the workspace.
    line
        Line in the cell or file.
    condition
        Whether it may be left out.
    file
        The module of the workspace that imports it.
    """

    module: str
    cell: int | None
    line: int
    condition: Condition = ""
    file: Path | None = None

    @property
    def top(self) -> str:
        """The first part of the dotted name."""
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Install:
    """Something that a ``%pip install`` line installs.

    `option` is the option before it, such as ``-r`` or ``--index-url``; empty for a package.
    """

    text: str
    cell: int
    line: int
    option: str = ""


@dataclass
class Imports:
    """Everything that a notebook imports.

    `local` are the files of the workspace among it, with the directory that Python finds them in.
    """

    outside: list[Import] = field(default_factory=list)
    local: dict[Path, Path] = field(default_factory=dict)
    installs: list[Install] = field(default_factory=list)


def scan(notebook: Notebook, cells: Sequence[CellCode]) -> Imports:
    """Find the imports in cells, and in the modules of the workspace that they lead to."""
    found = Imports()
    roots = [notebook.directory, *_added_roots(notebook.directory, cells)]
    waiting: list[Import] = []
    written: set[str] = set()
    for cell in cells:
        if cell.tree is not None:
            waiting.extend(_imports(cell.tree, cell.index))
        for magic in cell.magics:
            found.installs.extend(_installs(magic.name, magic.text, cell.index, magic.line))
            if magic.kind == "cell" and magic.name in ("writefile", "file"):
                written.update(Path(word).stem for word in magic.text.split()[-1:])
            if magic.name == "run":
                waiting.extend(_of_script(notebook.directory, magic.text, found))
    seen: set[tuple[str, Path | None]] = set()
    while waiting:
        one = waiting.pop(0)
        if (one.module, one.file) in seen:
            continue
        seen.add((one.module, one.file))
        files = _local_files(one.module, roots)
        if not files:
            # What %%writefile makes is there by the time it is imported.
            if one.top not in written and not _is_local(one.top, roots):
                found.outside.append(one)
            continue
        for file, root in files:
            if file not in found.local:
                found.local[file] = root
                waiting.extend(_of_file(file, root))
    return found


def _imports(
    tree: ast.AST, cell: int | None, file: Path | None = None, package: str = ""
) -> Iterator[Import]:
    for node, condition in _walk(tree, ""):
        for module in _modules(node, package):
            yield Import(module, cell, node.lineno, condition, file)


def _walk(node: ast.AST, condition: Condition) -> Iterator[tuple[ast.stmt | ast.expr, Condition]]:
    """Yield statements and calls with the condition under which they run."""
    for child in ast.iter_child_nodes(node):
        inner = condition
        if isinstance(node, ast.Try) and isinstance(child, (ast.stmt, ast.ExceptHandler)):
            inner = "try" if _forgives(node) else condition
        elif isinstance(node, (ast.If, ast.FunctionDef, ast.AsyncFunctionDef, ast.Match)):
            inner = "try" if _is_for_types(node) else (condition or "if")
        if isinstance(child, (ast.Import, ast.ImportFrom, ast.Call)):
            yield child, inner
        yield from _walk(child, inner)


def _forgives(node: ast.Try) -> bool:
    for handler in node.handlers:
        if handler.type is None:
            return True
        names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if any(isinstance(name, ast.Name) and name.id in _FORGIVING for name in names):
            return True
    return False


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _modules(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.module in (ANY_NAMES, "__future__"):
            return []
        base = node.module or ""
        if node.level:
            parents = package.split(".")
            base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
        names = ("" if alias.name == "*" else f".{alias.name}" for alias in node.names)
        return [f"{base}{name}" for name in names] if base else []
    if isinstance(node, ast.Call) and node.args:
        name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        called = last_name(node.func) in ("__import__", "import_module")
        if called and isinstance(name, str) and re.fullmatch(r"\w+(\.\w+)*", name):
            return [name]
    return []


# -- modules of the workspace ----------------------------------------------------------------------


def _added_roots(directory: Path, cells: Iterable[CellCode]) -> list[Path]:
    """Return the directories that cells add to sys.path by name."""
    roots: list[Path] = []
    for cell in cells:
        for node in ast.walk(cell.tree) if cell.tree is not None else ():
            if _adds_to_path(node):
                parts = (part for part in ast.walk(node) if isinstance(part, ast.Constant))
                roots.extend(directory / part.value for part in parts if _is_name(part.value))
    return [root for root in roots if root.is_dir()]


def _adds_to_path(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and last_name(node.func) in ("append", "insert", "extend")
        and ast.unparse(node.func).startswith("sys.path.")
    )


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) < 1000 and "\0" not in value


def _is_local(top: str, roots: Iterable[Path]) -> bool:
    """Whether a module without a file of its own is of the workspace all the same."""
    return any(any((root / top).glob("*.py")) or any(root.glob(f"{top}.*.so")) for root in roots)


def _local_files(module: str, roots: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Return the files that importing `module` runs, if it is one of the workspace."""
    for root in roots:
        files: list[Path] = []
        place = root
        for part in module.split("."):
            if not part.isidentifier():
                break
            if (place / part / "__init__.py").is_file():
                files.append(place / part / "__init__.py")
            elif (place / f"{part}.py").is_file():
                files.append(place / f"{part}.py")
                break
            elif not (place / part).is_dir():
                break
            place = place / part
        if files:
            return [(file, root) for file in files]
    return []


def _of_file(file: Path, root: Path) -> list[Import]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    inside = file.relative_to(root).parent
    return list(_imports(tree, None, file, ".".join(inside.parts)))


def _of_script(directory: Path, text: str, found: Imports) -> list[Import]:
    for word in text.split():
        if word.endswith(".py") and (directory / word).is_file():
            file = directory / word
            found.local[file] = directory if file.is_relative_to(directory) else file.parent
            return _of_file(file, found.local[file])
    return []


# -- installs --------------------------------------------------------------------------------------


def _installs(magic: str, text: str, cell: int, line: int) -> Iterator[Install]:
    command = f"pip {text}" if magic == "pip" else f"uv {text}" if magic == "uv" else text
    if magic not in ("!", "!!", "pip", "uv", "bash", "sh"):
        return
    for match in _PIP.finditer(command):
        try:
            words = shlex.split(match["rest"])
        except ValueError:
            continue
        while words:
            word = words.pop(0)
            option, separator, value = word.partition("=")
            if option in _PIP_VALUES and word.startswith("-"):
                value = value if separator else (words.pop(0) if words else "")
                kept = _PIP_KEPT | {"-r", "--requirement", "-e", "--editable"}
                if option in kept and value:
                    yield Install(value, cell, line, option)
            elif word.startswith(">"):
                break  # redirected output
            elif not word.startswith("-") and not re.match(r"\d>", word):
                yield Install(word, cell, line)
