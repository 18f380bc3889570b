"""The examples, run by nbclient: they work as notebooks, whoever runs them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [
    # What nbclient and its kernels leave open is not ours to close.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def executed(name: str, directory: Path) -> tuple[str, list[str]]:
    """Run an example in `directory`; return what it printed, and the kinds of its outputs."""
    node = nbformat.read(EXAMPLES / name, 4)
    NotebookClient(node, timeout=90, resources={"metadata": {"path": str(directory)}}).execute()
    outputs = [output for cell in node.cells for output in cell.get("outputs", ())]
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    return text, [kind for output in outputs for kind in output.get("data", ())]


def test_train_digits(tmp_path: Path) -> None:
    text, kinds = executed("train-digits.ipynb", tmp_path)
    accuracy = re.search(r"epoch  30 .* accuracy ([\d.]+)%", text)
    assert accuracy is not None
    assert float(accuracy[1]) > 90
    assert kinds.count("image/png") == 4


def test_library_report(tmp_path: Path) -> None:
    text, kinds = executed("library-report.ipynb", tmp_path)
    assert re.search(r"Python 3\.\d+\.\d+: \d{3} modules, \d{4,5} functions", text)
    assert kinds.count("image/png") == 2
    assert kinds.count("text/html") == 3


def test_estimate_pi(tmp_path: Path) -> None:
    text, _ = executed("estimate-pi.ipynb", tmp_path)
    assert re.search(r"running on Linux \S+, hash seed 0", text)
    assert re.search(r"π ≈ 3\.1[34]\d+ ± 0\.00\d+", text)
    assert "10 estimates, hash seed 0" in text
    assert list(tmp_path.iterdir()) == []
