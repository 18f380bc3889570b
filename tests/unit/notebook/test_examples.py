"""The examples as they are kept: without outputs, valid, and ready to run unattended."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest

from jupyter_unattended.notebook import preflight, reader, requirements
from jupyter_unattended.notebook.kernels import Kernel

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.ipynb"))
KERNEL = Kernel("python3", "python", Path(sys.executable), "ipython")


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"estimate-pi", "library-report", "train-digits"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_kept_without_outputs(path: Path) -> None:
    node = nbformat.read(path, 4)
    nbformat.validate(node)
    assert (node.nbformat, node.nbformat_minor) == (4, 5)
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_preflight_has_nothing_to_say(path: Path) -> None:
    notebook = reader.load(path)
    collected = requirements.collect(notebook, KERNEL)
    assert preflight.check(notebook, KERNEL, collected) == []
    assert collected.unmapped == []


def test_parameters_of_the_examples() -> None:
    notebook = reader.load(EXAMPLES[0].parent / "train-digits.ipynb")
    found = {parameter.name: parameter for parameter in notebook.parameters}
    assert found["epochs"].description == "how often the network sees every picture"
    assert found["hidden_layers"].items == "int"
    assert found["activation"].choices == ("relu", "tanh", "logistic")
    assert found["seed"].nullable
