"""Whether a snapshot fits, asked before anything of it is loaded."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.runtime import snapshot_compatible as compatible

CELLS = [
    {"cell_type": "code", "source": "x = 1"},
    {"cell_type": "markdown", "source": "words"},
    {"cell_type": "code", "source": "y = 2"},
    {"cell_type": "code", "source": "z = 3"},
]


@pytest.fixture
def meta(tmp_path: Path) -> dict[str, Any]:
    module = tmp_path / "own.py"
    module.write_text("value = 1\n")
    return {
        "python": compatible.python(),
        "arguments": ["--epochs", "3"],
        "covers": 2,
        "sources": compatible.sources_digest(CELLS, 2),
        "workspace_files": {str(module): compatible._digest_of(str(module))},
        "versions": {"numpy": importlib.metadata.version("numpy")},
    }


def misfit(meta: dict[str, Any], cells: Any = CELLS, arguments: Any = ("--epochs", "3")) -> Any:
    return compatible.misfit(meta, cells, arguments)


def test_what_did_not_change_fits(meta: dict[str, Any]) -> None:
    assert misfit(meta) is None
    assert compatible.patched(meta) == []


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("python", "Python is .* and was other when it was saved"),
        ("bytecode", "Python's bytecode is .* and was other"),
        ("implementation", "implementation is cpython and was other"),
        ("machine", "the processor is .* and was other"),
        ("byteorder", "byteorder is .* and was other"),
    ],
)
def test_another_python_or_machine(meta: dict[str, Any], what: str, words: str) -> None:
    import re

    meta["python"] = {**meta["python"], what: "other"}
    assert re.fullmatch(f"{words}.*", misfit(meta))


def test_other_arguments(meta: dict[str, Any]) -> None:
    assert misfit(meta, arguments=()) == "the job was started with other arguments"


def test_only_code_before_the_point_counts(meta: dict[str, Any]) -> None:
    changed = "cells before the point where it would go on were changed"
    for index in (0, 2):
        cells = [dict(cell) for cell in CELLS]
        cells[index]["source"] += "0"
        assert misfit(meta, cells) == changed
    assert misfit(meta, CELLS[:2]) == changed
    later = [dict(cell) for cell in CELLS]
    later[1]["source"] = "other words"
    later[3]["source"] = "z = 4"
    assert misfit(meta, later) is None


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_modules_of_the_user(meta: dict[str, Any], tmp_path: Path, how: str) -> None:
    if how == "changed":
        (tmp_path / "own.py").write_text("value = 2\n")
    else:
        (tmp_path / "own.py").unlink()
    assert misfit(meta) == "own.py, which the notebook imports, was changed"


def test_libraries_by_more_than_a_patch_release(
    meta: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = {"numpy": "2.1.3"}
    monkeypatch.setattr(importlib.metadata, "version", installed.__getitem__)
    for saved, fits in [("2.1.3", True), ("2.1.0", True), ("2.0.3", False), ("1.1.3", False)]:
        meta["versions"] = {"numpy": saved}
        assert misfit(meta) == (None if fits else f"numpy is 2.1.3 and was {saved}")
    meta["versions"] = {"numpy": "2.1.0"}
    assert compatible.patched(meta) == ["numpy 2.1.0 → 2.1.3"]


def test_a_library_that_is_gone(meta: dict[str, Any]) -> None:
    meta["versions"]["no-such-library"] = "1.0"
    assert misfit(meta) == "no-such-library 1.0 is not installed here"


def test_what_the_notebook_imported_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compatible.versions([name for name in sys.modules if not name.startswith("numpy")])
    assert found == {"numpy": importlib.metadata.version("numpy")}
    module = types.ModuleType("own")
    module.__file__ = __file__
    monkeypatch.setitem(sys.modules, "own", module)
    assert __file__ in compatible.workspace_files()
