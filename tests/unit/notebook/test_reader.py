"""Reading notebooks, and what is said about files that are none."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from notebooks import document, tagged

from jupyter_unattended.errors import NotebookError
from jupyter_unattended.notebook.reader import load, shown


def write(path: Path, content: object) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refused(path: Path) -> str:
    with pytest.raises(NotebookError) as error:
        load(path)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_what_is_read(tmp_path: Path) -> None:
    content = document(
        {"cell_type": "markdown", "source": ["text\n", "# The *title*\n"]},
        tagged("n = 1", "parameters"),
        {"source": ["a = 1\n", "b"]},
        tagged("input()", "interactive-only"),
        tagged("x", "skip-execution"),
        kernelspec={"name": "ir", "language": "R"},
    )
    path = write(tmp_path / "a.ipynb", content)
    before = path.stat().st_mtime_ns
    notebook = load(path)
    assert notebook.title == "The *title*"
    assert [(i, c.source) for i, c in notebook.code_cells()] == [(1, "n = 1"), (2, "a = 1\nb")]
    assert (notebook.kernel_name, notebook.language) == ("ir", "r")
    assert notebook.parameters_cell == 1
    assert notebook.content == path.read_bytes()
    assert path.stat().st_mtime_ns == before


def test_defaults_and_older_minor_formats(tmp_path: Path) -> None:
    content = document("x = 1", {"source": "x"})
    content["nbformat_minor"] = 2
    del content["cells"][1]["metadata"]
    notebook = load(write(tmp_path / "a.ipynb", content))
    assert (notebook.kernel_name, notebook.language) == (None, "python")
    assert notebook.parameters == []
    assert [p.name for p in notebook.candidates] == ["x"]
    assert notebook.title == "a"


def test_relative_paths_and_links_become_absolute_but_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "real.ipynb", document("1"))
    (tmp_path / "link.ipynb").symlink_to("real.ipynb")
    monkeypatch.chdir(tmp_path)
    assert load("./link.ipynb").path == tmp_path / "link.ipynb"


def test_missing_files_name_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "train.ipynb", document("1"))
    assert "did you mean train.ipynb?" in refused(tmp_path / "trian.ipynb")
    assert refused(tmp_path / "zzz.ipynb").endswith("zzz.ipynb.")
    assert "nor a directory" in refused(tmp_path / "no" / "a.ipynb")
    assert "cannot be read: File name too long" in refused(tmp_path / ("x" * 300 + ".ipynb"))
    assert "cannot be read" in refused(tmp_path / "a\0b")


def test_directories_name_what_is_in_them(tmp_path: Path) -> None:
    assert refused(tmp_path).endswith("is a directory and holds no notebook.")
    for number in range(7):
        write(tmp_path / f"{number}.ipynb", document("1"))
    assert "(0.ipynb, 1.ipynb, 2.ipynb, 3.ipynb, 4.ipynb and 2 more)" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in refused(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ipynb", "", "is empty"),
        ("a.ipynb", " \n", "is empty"),
        ("a.ipynb", '{"cells": [\n  1,,]}', "not valid JSON: expecting value at line 2, column 5"),
        ("a.ipynb", '{\n<<<<<<< HEAD\n"a": 1}', "unresolved merge conflict at line 2"),
        ("a.py", "print(1)", "a.py is not a notebook"),
        ("a.ipynb", b"\xff\xfe{}", "byte 0 is not UTF-8 text"),
        ("a.ipynb", "[" * 100_000, "nested too deep"),
        ("a.ipynb", "[1]", "JSON but not a notebook"),
        ("a.ipynb", {"cells": []}, "JSON but not a notebook"),
        ("a.ipynb", {"nbformat": "4"}, "JSON but not a notebook"),
        ("a.ipynb", {"nbformat": 3, "worksheets": []}, "format 3.*jupyter nbconvert --to notebook"),
        ("a.ipynb", {"nbformat": 5, "cells": []}, "format 5.*pip install --upgrade"),
        ("a.ipynb", {"nbformat": 4}, "no list of cells"),
        ("a.ipynb", {"nbformat": 4, "cells": [], "metadata": 1}, "metadata are not an object"),
        ("a.ipynb", {"nbformat": 4, "cells": []}, "has no code; there is nothing to run"),
        ("a.ipynb", document(" \n"), "has no code"),
        ("a.ipynb", document("1", {"source": 3}), "cell 2 has no source"),
        ("a.ipynb", {"nbformat": 4, "cells": [3]}, "cell 1 is not an object"),
        ("a.ipynb", {"nbformat": 4, "cells": [{}]}, "cell 1 has no cell_type"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(NotebookError, match=message):
        load(path)


def test_broken_outputs_do_not_stop_a_notebook_from_running(tmp_path: Path) -> None:
    content = document({"source": "1", "outputs": []})
    outputs = [{"output_type": "stream", "text": ["a", "b"]}, 3]
    content["cells"][0]["outputs"] = outputs
    assert load(write(tmp_path / "a.ipynb", content)).node.cells[0].outputs == outputs


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", document("1"))
    path.chmod(0)
    assert "cannot be read: Permission denied" in refused(path)


def test_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", b"\xef\xbb\xbf" + json.dumps(document("1")).encode())
    assert load(path).node.cells[0].source == "1"


@pytest.mark.parametrize("name", ["a b.ipynb", 'it\'s "x".ipynb', "new\nline.ipynb", "日本.ipynb"])
def test_weird_names(tmp_path: Path, name: str) -> None:
    assert load(write(tmp_path / name, document("1"))).path.name == name
    assert "\n" not in refused(tmp_path / "none" / name)


def test_shown() -> None:
    assert shown("a b/é.ipynb") == "a b/é.ipynb"
    assert shown("a\nb") == "'a\\nb'"
    assert shown("a ") == "'a '"


def test_a_huge_notebook_is_read(tmp_path: Path) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["line\n"] * 1000}
    cells = [{"source": f"x{i} = {i}", "outputs": [output]} for i in range(2000)]
    path = write(tmp_path / "huge.ipynb", document(*cells))
    assert path.stat().st_size > 15e6
    start = time.monotonic()
    assert len(load(path).node.cells) == 2000
    assert time.monotonic() - start < 60  # a hang, not a measurement
