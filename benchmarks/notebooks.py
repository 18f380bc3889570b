"""The notebooks that are measured, each with the script that does the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

_CPU = """
def collatz(limit):
    longest = 0
    for start in range(1, limit):
        length, number = 1, start
        while number != 1:
            number = number // 2 if number % 2 == 0 else 3 * number + 1
            length += 1
        longest = max(longest, length)
    return longest

print(collatz({limit}))
"""


def write(directory: Path, name: str, cells: Sequence[str]) -> tuple[Path, Path]:
    """Write a notebook and the script that does the same, and return their paths."""
    notebook, script = directory / f"{name}.ipynb", directory / f"{name}.py"
    node = new_notebook(cells=[new_code_cell(source) for source in cells])
    node.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    nbformat.write(node, notebook)
    script.write_text("\n".join(cells) + "\n")
    return notebook, script


def one_cell(directory: Path) -> tuple[Path, Path]:
    """Write one cell that prints a line."""
    return write(directory, "one-cell", ["print('hello')"])


def hundred_cells(directory: Path) -> tuple[Path, Path]:
    """Write a hundred cells that each compute a little and print a line."""
    cells = [f"x{n} = sum(range({n}))\nprint('cell', {n}, x{n})" for n in range(100)]
    return write(directory, "hundred-cells", cells)


def cpu_bound(directory: Path, limit: int = 2_500_000) -> tuple[Path, Path]:
    """Write one cell of pure Python that keeps a core busy for a good while."""
    return write(directory, "cpu-bound", [_CPU.format(limit=limit)])
