"""``%%submit``: one cell as a job, with the cells it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NotebookError
from ..job import service
from ..notebook import reader
from ..notebook.code import read_cell, read_cells
from ..notebook.slicing import Slice, backward_slice
from ..request import Request
from ..runtime.parameters import source_of

if TYPE_CHECKING:
    from ..jobs.view import JobView
    from .recorder import Run


@dataclass(frozen=True)
class CellNotebook:
    """A notebook made of one cell and those it needs.

    Parameters
    ----------
    content
        The notebook, as bytes of an .ipynb file.
    told
        What was taken, in a sentence for the person.
    """

    content: bytes
    told: str


def derive(path: Path, body: str, run: Run | None) -> CellNotebook:
    """Make a notebook of the cell `body` and the cells above it that it needs.

    Parameters
    ----------
    path
        The notebook that the cell stands in, as it was last saved.
    body
        The cell without its first line.
    run
        The run of that cell, by which it is found in the notebook.

    Raises
    ------
    NotebookError
        If the cell has a mistake, needs something that no cell above it defines, or is not in the
        file yet.
    """
    import nbformat

    notebook = reader.load(path)
    chosen = read_cell(body)
    if chosen.error:
        line = f", line {chosen.error_line + 1}" if chosen.error_line else ""
        raise NotebookError(f"This cell is not valid{line}: {chosen.error}")
    position = _position(notebook, run)
    above = [cell for cell in read_cells(notebook) if cell.index < position]
    found = backward_slice(above, chosen)
    if found.missing:
        names = ", ".join(found.missing)
        raise NotebookError(
            f"This cell needs {names}, which no cell above it in {path.name} defines; "
            "save the notebook if the definition is new, or move it above this cell"
        )
    node = nbformat.from_dict(dict(notebook.node))  # type: ignore[no-untyped-call]
    last = nbformat.v4.new_code_cell(body)  # type: ignore[no-untyped-call]
    node["cells"] = [notebook.node.cells[cell.index] for cell in found.cells] + [last]
    node["nbformat_minor"] = max(5, node.get("nbformat_minor", 5))
    for number, cell in enumerate(node["cells"]):
        cell.setdefault("id", f"cell-{number}")
    text = nbformat.writes(node, version=4)  # type: ignore[no-untyped-call]
    return CellNotebook(text.encode(), _told(found))


def submit(request: Request, made: CellNotebook, *, force: bool) -> JobView:
    """Submit a derived notebook; it runs where the notebook that it is from would."""
    return service().submit(
        request.spec(),
        force=force,
        secrets=request.secrets,
        content=made.content,
    )


def _position(notebook: reader.Notebook, run: Run | None) -> int:
    """Return the index of the cell that is running; cells above it come before it."""
    if run is not None:
        for index, cell in enumerate(notebook.node.cells):
            if run.cell_id is not None and cell.get("id") == run.cell_id:
                return index
        for index, cell in enumerate(notebook.node.cells):
            if source_of(cell).strip() == run.source.strip():
                return index
    raise NotebookError(
        f"This cell is not in {notebook.path.name} as it was last saved; save the notebook and "
        "run it again"
    )


def _told(found: Slice) -> str:
    if not found.cells:
        return "Runs this cell alone; it needs no other."
    numbers = ", ".join(str(cell.index + 1) for cell in found.cells)
    several = len(found.cells) > 1
    return f"Runs this cell with cell{'s' if several else ''} {numbers}, which it needs."
