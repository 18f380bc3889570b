"""Which files of the workspace are taken along."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jupyter_unattended.bundle import snapshot
from jupyter_unattended.bundle.snapshot import Snapshot
from jupyter_unattended.errors import InvalidInputError, WorkspaceError
from jupyter_unattended.notebook.code import read_cells
from jupyter_unattended.notebook.imports import scan
from jupyter_unattended.notebook.reader import load


def taken(directory: Path, source: str, workspace: Path | None = None, **options: int) -> Snapshot:
    """The snapshot for a notebook of one cell."""
    cell = {
        "id": "a",
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    path = directory / "n.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": [cell]}))
    notebook = load(path)
    return snapshot.take(
        notebook, scan(notebook, read_cells(notebook)), workspace or directory, **options
    )


def names(found: Snapshot) -> list[str]:
    return [place.as_posix() for place in found.files]


def put(directory: Path, *files: str, size: int = 0) -> None:
    for name in files:
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"#" * size)


def test_modules_and_whole_packages_that_are_imported(tmp_path: Path) -> None:
    put(tmp_path, "one.py", "other.py", "data.csv", "pack/__init__.py", "pack/table.json")
    put(tmp_path, "pack/deep/part.py", "pack/__pycache__/x.pyc", "pack/.git/HEAD", "src/far.py")
    (tmp_path / "one.py").write_text("import pack.deep.part\n")
    found = taken(tmp_path, "import sys, one\nsys.path.append('src')\nimport far")
    assert names(found) == [
        "far.py", "one.py", "pack/__init__.py", "pack/deep/part.py", "pack/table.json",
    ]  # fmt: skip
    found.install(tmp_path / "job")
    assert (tmp_path / "job/files/one.py").read_text() == "import pack.deep.part\n"
    assert (tmp_path / "job/files/pack/deep/part.py").is_file()


def test_ignore_files_are_in_gitignore_syntax(tmp_path: Path) -> None:
    home = tmp_path / "home"
    put(home, "pack/__init__.py", "pack/a.bin", "pack/keep.bin", "pack/big/x", "pack/sub/big/y")
    put(home, "pack/notes.txt", "secret.py")
    (home / ".unattendedignore").write_text(
        "# what a job does not need\n*.bin\n!keep.bin\n/pack/big/\n"
    )
    (tmp_path / ".unattendedignore").write_text("notes.*\nhome/secret.py\n")
    assert names(taken(home, "import pack, secret", tmp_path)) == [
        "pack/__init__.py", "pack/keep.bin", "pack/sub/big/y",
    ]  # fmt: skip


def test_ignore_files_that_cannot_be_used(tmp_path: Path) -> None:
    put(tmp_path, "one.py")
    (tmp_path / ".unattendedignore").write_bytes(b"\xff")
    with pytest.raises(InvalidInputError, match="unattendedignore cannot be read: it is not UTF-8"):
        taken(tmp_path, "import one")
    (tmp_path / ".unattendedignore").write_text("!\n")
    with pytest.raises(InvalidInputError, match="unattendedignore has an invalid line"):
        taken(tmp_path, "import one")


def test_too_much_names_the_largest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "pack/__init__.py", "pack/small.txt", size=10)
    put(tmp_path, "pack/weights of 日本.bin", size=2_000_000)
    put(tmp_path, "pack/table.csv", size=500_000)
    assert taken(tmp_path, "import pack").size == 2_500_020
    with pytest.raises(InvalidInputError) as error:
        taken(tmp_path, "import pack", limit=1_000_000)
    assert str(error.value) == (
        "The snapshot would have 2.5 MB, and 1.0 MB are allowed; name what the job does not need "
        "in .unattendedignore (largest: pack/weights of 日本.bin (2.0 MB), "
        "pack/table.csv (0.5 MB), pack/__init__.py (10 bytes), pack/small.txt (10 bytes))."
    )
    monkeypatch.setenv("UNATTENDED_SNAPSHOT_LIMIT", "1M")
    with pytest.raises(InvalidInputError, match=r"1\.0 MB are allowed"):
        taken(tmp_path, "import pack")
    monkeypatch.setenv("UNATTENDED_SNAPSHOT_LIMIT", "lots")
    with pytest.raises(
        InvalidInputError, match="UNATTENDED_SNAPSHOT_LIMIT: 'lots' is not an amount"
    ):
        taken(tmp_path, "import pack")


def test_links_and_special_files(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/module.py", "real.py", "pack/__init__.py")
    (tmp_path / "linked.py").symlink_to("real.py")
    (tmp_path / "pack/loop").symlink_to(".")
    (tmp_path / "pack/inner").symlink_to("../elsewhere")
    (tmp_path / "pack/broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pack/pipe")
    found = taken(tmp_path, "import linked, pack")
    assert names(found) == ["linked.py", "pack/__init__.py", "pack/inner/module.py"]
    found.install(tmp_path / "job")
    assert not (tmp_path / "job/files/linked.py").is_symlink()


def test_a_file_that_is_gone_meanwhile(tmp_path: Path) -> None:
    put(tmp_path, "one.py")
    found = taken(tmp_path, "import one")
    (tmp_path / "one.py").unlink()
    with pytest.raises(WorkspaceError, match=r"one\.py cannot be read for the snapshot"):
        found.install(tmp_path / "job")


def test_nothing_to_take(tmp_path: Path) -> None:
    found = taken(tmp_path, "import os")
    assert found == Snapshot({}, 0)
    found.install(tmp_path / "job")
    assert not (tmp_path / "job").exists()


def test_the_snapshot_of_an_earlier_job(tmp_path: Path) -> None:
    put(tmp_path, "pack/__init__.py", "it's.py", size=3)
    taken(tmp_path, "import pack").install(tmp_path / "job")
    found = snapshot.again(tmp_path / "job/files")
    assert (names(found), found.size) == (["pack/__init__.py"], 3)
