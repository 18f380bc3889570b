"""The code of a notebook's cells as Python, with what its magics do understood.

IPython's own input transformer turns a cell into Python; in the syntax tree of that, the calls that
stand for magics are replaced by what they mean to a reader of names: ``%time x = f()`` assigns x,
``%%capture out`` assigns out, ``%run other.py`` may define anything.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

from .reader import Notebook, tags

#: Module of the star import that stands for a magic which may define any name.
ANY_NAMES = "__any_names__"
#: Cell magics whose body is Python that runs in the notebook's namespace.
PYTHON_CELL_MAGICS = frozenset({"time", "timeit", "capture", "prun", "memit", "mprun", "lprun"})
#: Line magics whose rest is such Python.
PYTHON_LINE_MAGICS = frozenset({"time", "timeit", "prun", "memit", "mprun", "lprun"})
#: Cell magics that define nothing in the notebook (unless `--out NAME` says so).
_INERT_CELL_MAGICS = frozenset(
    {"bash", "sh", "script", "html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG",
     "perl", "ruby", "python", "python2", "python3", "pypy", "writefile", "file", "!", "sx",
     "system", "cmd", "mermaid"}
)  # fmt: skip
_DEFINING_LINE_MAGICS = frozenset({"run", "pylab", "load", "rerun", "macro"})
_OPTION = re.compile(r"^-{1,2}[A-Za-z]\S*$")


@dataclass(frozen=True)
class Magic:
    """A magic as written.

    Parameters
    ----------
    kind
        ``line`` for ``%name``, ``cell`` for ``%%name``, ``shell`` for ``!`` and ``!!``.
    name
        The magic's name; ``!`` for a shell command and ``!!`` for one whose output is wanted.
    text
        The rest of the line.
    body
        The rest of the cell, for a cell magic.
    line
        Line in the cell, from 1.
    nested
        Whether it stands inside a function, a loop or another block.
    """

    kind: str
    name: str
    text: str
    line: int
    body: str = ""
    nested: bool = False


@dataclass
class CellCode:
    """The code of one cell.

    Parameters
    ----------
    index
        Index of the cell in the notebook, from 0.
    source
        As written.
    python
        What IPython's transformer makes of it.
    tree
        Its syntax tree with magics understood; None where the cell is not valid.
    error
        What is wrong with it, where the cell is not valid.
    error_line
        Where.
    magics
        Its magics.
    """

    index: int
    source: str
    tags: list[str] = field(default_factory=list)
    python: str = ""
    tree: ast.Module | None = None
    error: str = ""
    error_line: int | None = None
    magics: list[Magic] = field(default_factory=list)


def read_cells(notebook: Notebook) -> list[CellCode]:
    """Return the code of every cell that a job runs."""
    return [read_cell(cell.source, index, tags(cell)) for index, cell in notebook.code_cells()]


def read_cell(source: str, index: int = 0, cell_tags: list[str] | None = None) -> CellCode:
    """Return the code of one cell."""
    code = CellCode(index, source, cell_tags or [])
    try:
        code.python = transform(source)
        code.tree = _parse(code.python)
    except SyntaxError as error:
        code.error, code.error_line = error.msg, error.lineno
        return code
    except (ValueError, RecursionError, MemoryError) as error:
        code.error = str(error) or "too deeply nested"
        return code
    understood = _Magics(code)
    understood.visit(code.tree)
    ast.fix_missing_locations(code.tree)
    return code


#: Whatever IPython might change: indentation at the start, prompts, magics, shell lines, help. It
#: may find too much; importing IPython takes long, and most cells are nothing but Python.
_NOT_JUST_PYTHON = re.compile(
    r"\A[ \t]|\?|^\s*(?:[%!,;/]|>>>|\.\.\.|In \[)|=\s*[%!]|[\r\f\v]", re.MULTILINE
)


@functools.lru_cache(maxsize=4096)
def transform(source: str) -> str:
    """Return what IPython makes of a cell.

    Lines keep their numbers, except after a magic that is continued over several.
    """
    lines = source.splitlines(keepends=True)
    blank = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if not _NOT_JUST_PYTHON.search("".join(lines[blank:])):
        return source if source.endswith("\n") else f"{source}\n"
    from IPython.core.inputtransformer2 import TransformerManager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformed = TransformerManager().transform_cell(  # type: ignore[no-untyped-call]
            "".join(lines[blank:])
        )
    return "\n" * blank + str(transformed)


def _parse(python: str) -> ast.Module:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = compile(python, "cell", "exec", flags)
        # Some errors are found late: return outside a function, two arguments of one name.
        compile(python, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def magic_call(node: ast.AST) -> tuple[str, list[str]] | None:
    """Return method and arguments of a ``get_ipython().method("…")``, which stands for a magic."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    owner = node.func.value
    if not isinstance(owner, ast.Call) or not isinstance(owner.func, ast.Name):
        return None
    if owner.func.id != "get_ipython" or owner.args:
        return None
    arguments = [
        arg.value
        for arg in node.args
        if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
    ]
    if len(arguments) != len(node.args):
        return None
    method = node.func.attr
    wanted = {"run_line_magic": 2, "run_cell_magic": 3, "system": 1, "getoutput": 1}
    return (method, arguments) if wanted.get(method) == len(arguments) else None


def to_magic(call: tuple[str, list[str]], line: int, *, nested: bool = False) -> Magic:
    """Return the magic that a call found by `magic_call` stands for."""
    method, arguments = call
    if method == "run_cell_magic":
        name, text, body = arguments
        return Magic("cell", name, text, line, body, nested)
    if method == "run_line_magic":
        return Magic("line", arguments[0], arguments[1], line, nested=nested)
    return Magic("shell", "!" if method == "system" else "!!", arguments[0], line, nested=nested)


class _Magics(ast.NodeTransformer):
    """Puts what magics mean in the place of the calls that stand for them."""

    def __init__(self, code: CellCode) -> None:
        self.code = code
        self.depth = 0

    def generic_visit(self, node: ast.AST) -> ast.AST:
        deeper = isinstance(node, ast.stmt) and not isinstance(node, (ast.Expr, ast.Assign))
        self.depth += deeper
        try:
            return super().generic_visit(node)
        finally:
            self.depth -= deeper

    def visit_Expr(self, node: ast.Expr) -> Any:
        call = magic_call(node.value)
        if call is None:
            return self.generic_visit(node)
        return self._meaning(self._magic(call, node)) or ast.copy_location(ast.Pass(), node)

    def visit_Call(self, node: ast.Call) -> Any:
        call = magic_call(node)
        if call is None:
            return self.generic_visit(node)
        magic = self._magic(call, node)
        statements = self._meaning(magic) if magic.name in PYTHON_LINE_MAGICS else []
        if len(statements) == 1 and isinstance(statements[0], ast.Expr):
            return statements[0].value  # x = %timeit -o f()
        return ast.copy_location(ast.Constant(None), node)

    def _magic(self, call: tuple[str, list[str]], node: ast.stmt | ast.expr) -> Magic:
        magic = to_magic(call, node.lineno, nested=self.depth > 0)
        self.code.magics.append(magic)
        return magic

    def _meaning(self, magic: Magic) -> list[ast.stmt]:
        if magic.kind == "cell":
            return self._meaning_of_cell(magic)
        if magic.kind == "line" and magic.name in PYTHON_LINE_MAGICS:
            return self._python(without_options(magic.text), magic.line - 1)
        if magic.kind == "line" and _defines_any(magic):
            return [_any_names(magic.line)]
        return []

    def _meaning_of_cell(self, magic: Magic) -> list[ast.stmt]:
        if magic.name in PYTHON_CELL_MAGICS:
            names = _positional(magic.text)[:1] if magic.name == "capture" else []
            body = self._python(magic.body, magic.line)
            setup = without_options(magic.text) if magic.name in ("timeit", "time") else ""
            return [*self._python(setup, magic.line - 1), *body, *_assign(names, magic.line)]
        named = re.findall(r"--(?:out|err|proc)[ =]+(\w+)", magic.text)
        if magic.name in _INERT_CELL_MAGICS:
            return _assign(named, magic.line)
        return [*_assign(named, magic.line), _any_names(magic.line)]

    def _python(self, source: str, offset: int) -> list[ast.stmt]:
        """Read the Python in a magic; magics inside it are understood too."""
        inner = read_cell(source, self.code.index)
        if inner.tree is None:
            if not self.code.error:
                self.code.error = inner.error
                self.code.error_line = (inner.error_line or 1) + offset
            return []
        ast.increment_lineno(inner.tree, offset)
        self.code.magics.extend(
            Magic(m.kind, m.name, m.text, m.line + offset, m.body, m.nested) for m in inner.magics
        )
        return inner.tree.body


def without_options(text: str) -> str:
    """Drop the options before the code of a magic: ``-n 10 -r 3 f()`` is ``f()``."""
    words = text.split(" ")
    while words and _OPTION.match(words[0]):
        takes_value = re.fullmatch(r"-[nrplsTDm]", words[0]) is not None
        words = words[2 if takes_value else 1 :]
    return " ".join(words).strip()


def _positional(text: str) -> list[str]:
    return [word for word in text.split() if word.isidentifier()]


def _defines_any(magic: Magic) -> bool:
    if magic.name == "store":
        return "-r" in magic.text.split()
    return magic.name in _DEFINING_LINE_MAGICS


def _any_names(line: int) -> ast.stmt:
    node = ast.ImportFrom(module=ANY_NAMES, names=[ast.alias(name="*")], level=0)
    node.lineno = node.end_lineno = line
    node.col_offset = node.end_col_offset = 0
    return node


def _assign(names: list[str], line: int) -> list[ast.stmt]:
    statements = ast.parse("".join(f"{name} = None\n" for name in names)).body
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, (ast.stmt, ast.expr)):
                node.lineno = node.end_lineno = line
    return statements
