"""Reading a notebook from disk, with errors a person can act on. The file is never modified."""

from __future__ import annotations

import difflib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import NotebookError
from ..runtime.parameters import Parameter, candidates, find
from ..runtime.skipping import is_skipped
from .node import Node, from_json

#: The major version of the notebook format that can be read.
_NBFORMAT = 4


@dataclass(frozen=True)
class Notebook:
    """A notebook as it was read.

    Parameters
    ----------
    path
        Absolute path; symbolic links are kept as they are.
    node
        The content; sources are single strings.
    content
        The bytes of the file.
    """

    path: Path
    node: Node
    content: bytes

    @property
    def directory(self) -> Path:
        """The notebook's directory, which is its working directory."""
        return self.path.parent

    @property
    def kernel_name(self) -> str | None:
        """Name of the kernel in the notebook's metadata."""
        name = _dict(self.node.metadata.get("kernelspec")).get("name")
        return str(name) if name else None

    @property
    def language(self) -> str:
        """The language in the notebook's metadata, in lower case; ``python`` where it has none."""
        spec = _dict(self.node.metadata.get("kernelspec"))
        info = _dict(self.node.metadata.get("language_info"))
        language = str(spec.get("language") or info.get("name") or "python").lower()
        return "python" if language == "ipython" else language

    @property
    def title(self) -> str:
        """The first heading, or the file's name."""
        for cell in self.node.cells:
            if cell.cell_type == "markdown":
                for line in cell.source.splitlines():
                    if line.startswith("#") and line.strip("# "):
                        return str(line.strip("# "))
        return self.path.stem

    def code_cells(self) -> Iterator[tuple[int, Node]]:
        """Yield index and cell of every code cell that a job runs."""
        for index, cell in enumerate(self.node.cells):
            if cell.cell_type == "code" and not is_skipped(cell):
                yield index, cell

    @cached_property
    def _found(self) -> tuple[int | None, list[Parameter]]:
        return find(self.node)

    @property
    def parameters_cell(self) -> int | None:
        """Index of the cell tagged ``parameters``, None without one."""
        return self._found[0]

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters."""
        return self._found[1]

    @cached_property
    def candidates(self) -> list[Parameter]:
        """What could be parameters, where no cell is tagged."""
        return candidates(self.node) if self.parameters_cell is None else []


def load(path: str | os.PathLike[str], content: bytes | None = None) -> Notebook:
    """Read the notebook at `path`.

    Parameters
    ----------
    path
        Where it is.
    content
        Take this for what is in the file, which is not read.

    Raises
    ------
    NotebookError
        If there is none, or it cannot be used; the text says what to do.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - must not follow symbolic links
    content = _content(absolute) if content is None else content
    data = _json(absolute, content)
    _check_format(absolute, data)
    return Notebook(absolute, _node(absolute, data), content)


def tags(cell: Node) -> list[str]:
    """Return a cell's tags."""
    found = cell.get("metadata", {}).get("tags", [])
    return [str(tag) for tag in found] if isinstance(found, list) else []


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path for a message of one line: quoted where it would be hard to read."""
    text = os.fspath(path)
    return text if text.isprintable() and text.strip() == text else repr(text)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _content(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise NotebookError(f"{shown(path)} is a directory{_inside(path)}")
        if not stat.S_ISREG(mode):
            raise NotebookError(f"{shown(path)} is not a file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotebookError(f"There is no notebook {shown(path)}{_nearest(path)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotebookError(f"{shown(path)} cannot be read: {reason}") from None
    if not content.strip():
        raise NotebookError(f"{shown(path)} is empty; it is not a notebook yet")
    return content


def _inside(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.iterdir() if entry.suffix == ".ipynb")
    except OSError:
        return ""
    if not names:
        return " and holds no notebook"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"; name a notebook in it ({', '.join(map(shown, names[:5]))}{more})"


def _nearest(path: Path) -> str:
    try:
        names = [entry.stem for entry in path.parent.iterdir() if entry.suffix == ".ipynb"]
    except OSError:
        return f" (nor a directory {shown(path.parent)})"
    close = difflib.get_close_matches(path.stem, names, n=1)
    return f"; did you mean {shown(close[0] + '.ipynb')}?" if close else ""


def _json(path: Path, content: bytes) -> Any:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"{shown(path)} is not a notebook: byte {error.start} is not UTF-8 text"
        ) from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if path.suffix != ".ipynb":
            raise NotebookError(f"{shown(path)} is not a notebook (.ipynb)") from None
        line = text.splitlines()[error.lineno - 1 : error.lineno]
        if line and line[0].startswith(("<<<<<<<", "=======", ">>>>>>>")):
            raise NotebookError(
                f"{shown(path)} holds an unresolved merge conflict at line {error.lineno}"
            ) from None
        raise NotebookError(
            f"{shown(path)} is not valid JSON: {error.msg.lower()} at line {error.lineno}, "
            f"column {error.colno}"
        ) from None
    except RecursionError:
        raise NotebookError(f"{shown(path)} is not a notebook: it is nested too deep") from None


def _check_format(path: Path, data: Any) -> None:
    if not isinstance(data, dict) or not isinstance(data.get("nbformat"), int):
        raise NotebookError(f"{shown(path)} is JSON but not a notebook: it has no field nbformat")
    version = data["nbformat"]
    if version < _NBFORMAT:
        raise NotebookError(
            f"{shown(path)} is in notebook format {version}, of before 2015; upgrade it by opening "
            "and saving it in JupyterLab (or: jupyter nbconvert --to notebook --inplace FILE)."
        )
    if version > _NBFORMAT:
        raise NotebookError(
            f"{shown(path)} is in notebook format {version}, and this jupyter-unattended reads "
            f"{_NBFORMAT}; upgrade it (pip install --upgrade jupyter-unattended)."
        )
    cells = data.get("cells")
    if not isinstance(cells, list):
        raise NotebookError(f"{shown(path)} is not a notebook: it has no list of cells")
    for number, cell in enumerate(cells):
        problem = _cell_problem(cell)
        if problem:
            raise NotebookError(f"{shown(path)}: cell {number + 1} {problem}")
    if not isinstance(data.setdefault("metadata", {}), dict):
        raise NotebookError(f"{shown(path)} is not a notebook: its metadata are not an object")


def _cell_problem(cell: Any) -> str:
    if not isinstance(cell, dict):
        return "is not an object"
    if not isinstance(cell.get("cell_type"), str):
        return "has no cell_type"
    source = cell.get("source")
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        return "has no source"
    if not isinstance(cell.get("metadata", {}), dict):
        return "has metadata that are not an object"
    return ""


def _node(path: Path, data: dict[str, Any]) -> Node:
    for cell in data["cells"]:
        cell.setdefault("metadata", {})
    node = from_json(data)
    if not any(cell.cell_type == "code" and cell.source.strip() for cell in node.cells):
        raise NotebookError(f"{shown(path)} has no code; there is nothing to run")
    return node
