from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from jupyter_unattended.image import ties
from jupyter_unattended.notebook.checks import places
from jupyter_unattended.notebook.code import read_cells
from jupyter_unattended.notebook.finding import Subject
from jupyter_unattended.notebook.kernels import Kernel
from jupyter_unattended.notebook.reader import Notebook
from jupyter_unattended.notebook.requirements import Requirements, Unmapped
from tests.unit.notebook.notebooks import document


def find(tmp_path: Path, *cells: str) -> list[ties.Tie]:
    import nbformat

    node = nbformat.from_dict(document(*cells))  # type: ignore[no-untyped-call]
    notebook = Notebook(tmp_path / "work" / "n.ipynb", node, b"")
    kernel = Kernel("python3", "python", None, "ipython")
    cells_ = read_cells(notebook)
    findings = list(places.outside(Subject(notebook, cells_, kernel, None, tmp_path / "work")))
    return ties.find(cells_, findings, Requirements("", "imports"))


def test_data_outside_the_workspace_with_its_size(tmp_path: Path) -> None:
    # Not in a temporary directory: those are no data.
    with tempfile.TemporaryDirectory(dir=Path.home(), prefix=".unattended-test-") as data:
        (Path(data) / "images").write_bytes(bytes(170_000))
        (found,) = find(tmp_path, f"root = open('{data}')")
    assert found.kind == "data"
    assert found.message == f"{data}, 170 kB: mount read-only"
    assert found.option == f"--data {data}:ro"


def test_servers_variables_and_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    found = find(
        tmp_path,
        "import os\nurl = 'http://localhost:5000/mlflow'\nx = os.environ['HF_TOKEN']\n"
        "y = os.getenv('LEVEL', 'info')\nz = os.environ.get('UNATTENDED_JOB_ID')",
        "model.to('cuda')",
        "os.environ['SET'] = '1'; host = 'notlocalhost:1'",
    )
    assert [(tie.kind, tie.option) for tie in found] == [
        ("server", "--network host"),
        ("variable", "--secret-env HF_TOKEN"),
        ("variable", "-e LEVEL"),
        ("gpu", "--gpus 1"),
    ]
    assert "which is not set here either" in found[1].message


def test_sizes_are_counted_in_a_limited_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(1000))
    assert ties.size_of(tmp_path) == (1000, True)
    assert ties.size_of(tmp_path / "a" / "b") == (1000, True)


def test_what_requirements_cannot_supply() -> None:
    unmapped = [
        Unmapped("mine", "no installed package has it; it is at /opt/mine", 2, installed=True),
        Unmapped("gone", "no module of that name in the kernel python3", 3),
        Unmapped("perhaps", "no module of that name in the kernel python3", optional=True),
    ]
    found = ties.find([], [], Requirements("", "imports", unmapped=unmapped))
    assert [(tie.message, tie.cell) for tie in found] == [
        (
            "mine is here and cannot be installed elsewhere: no installed package has it; it is at "
            "/opt/mine",
            2,
        ),
        ("gone is not here either: no module of that name in the kernel python3", 3),
    ]
