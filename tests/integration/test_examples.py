"""The examples run as jobs, and what they show is what they should."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from .command_line import CommandLine

_EXAMPLES = Path(__file__).parents[2] / "examples"
_NAMES = sorted(path.stem for path in _EXAMPLES.glob("*.ipynb"))


def _run(cli: CommandLine, name: str, *words: str) -> tuple[nbformat.NotebookNode, str, Path]:
    """Run a copy of an example; return the executed notebook, the log and the job directory."""
    shutil.copy(_EXAMPLES / f"{name}.ipynb", cli.cwd)
    done = cli("submit", f"{name}.ipynb", "--wait", *words)
    assert done.returncode == 0, done.stderr
    job = done.stdout.strip()
    directory = cli.cwd / ".unattended" / job
    notebook = nbformat.read(directory / "output.ipynb", 4)
    nbformat.validate(notebook)
    return notebook, cli("logs", job).stdout, directory


def _data(notebook: nbformat.NotebookNode, kind: str) -> list[Any]:
    return [
        output.data[kind]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]


def test_there_are_examples_and_all_are_tested() -> None:
    assert _NAMES == ["estimate-pi", "library-report", "train-digits"]


@pytest.mark.parametrize("name", _NAMES)
def test_an_example_passes_the_check_and_has_no_outputs(cli: CommandLine, name: str) -> None:
    checked = cli("check", _EXAMPLES / f"{name}.ipynb")
    assert checked.returncode == 0, checked.stdout
    source = nbformat.read(_EXAMPLES / f"{name}.ipynb", 4)
    assert not any(cell.get("outputs") for cell in source.cells)


def test_train_digits(cli: CommandLine) -> None:
    notebook, log, directory = _run(cli, "train-digits", "--epochs", "12")
    assert len(_data(notebook, "image/png")) >= 4
    assert "precision" in log
    metrics = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in metrics] == list(range(1, 13))
    assert metrics[-1]["values"]["loss"] < metrics[0]["values"]["loss"] / 2
    shown = json.loads(cli("show", "--json", "train-digits").stdout)
    assert shown["spec"]["parameters"]["epochs"] == 12
    progress = shown["progress"]
    assert progress["cells_done"] == progress["cells_total"]
    injected = [c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert "epochs = 12" in injected[0].source.replace(": int", "")


def test_library_report(cli: CommandLine) -> None:
    notebook, _, _ = _run(cli, "library-report", "--package", "json", "--table-file", "table.csv")
    assert len(_data(notebook, "text/html")) >= 2
    assert len(_data(notebook, "image/png")) >= 2
    # A relative path is one in the notebook's directory, as it is interactively.
    assert len((cli.cwd / "table.csv").read_text().splitlines()) > 1


def test_estimate_pi(cli: CommandLine) -> None:
    _, log, _ = _run(cli, "estimate-pi", "--", "--darts", "20000", "--workers", "2")
    assert "running on Linux" in log
    assert "hash seed 0" in log
    assert "π ≈ 3.1" in log
