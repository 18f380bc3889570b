"""The front end is built where no Node.js, or too old a one, is installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "tools" / "labextension_build.py"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("labextension_build_here", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def install_node(directory: Path, says: str) -> None:
    directory.mkdir(exist_ok=True)
    program = directory / "node"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("says", "is_used"),
    [
        (None, False),
        ("echo v12.22.9", False),
        ("echo v18.19.0", False),
        ("echo v20.18.3", False),
        ("echo v20.19.0", True),
        ("echo v21.7.0", False),
        ("echo v22.11.0", False),
        ("echo v22.12.0", True),
        ("echo v24.1.0", True),
        ("exit 1", False),
        ("echo nonsense", False),
    ],
)
def test_a_node_that_cannot_build_is_replaced_by_that_of_pypi(
    says: str | None,
    is_used: bool,
    build: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build, "is_fresh", lambda: False)
    if says is not None:
        install_node(tmp_path / "bin", says)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/nowhere")
    assert (build.find_node() is not None) is is_used
    needs = build.get_requires_for_build_wheel()
    assert any("nodejs" in one for one in needs) is not is_used
    assert any("jupyter-builder" in one for one in needs)


def test_what_is_built_already_needs_nothing(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "is_fresh", lambda: True)
    assert not [one for one in build.get_requires_for_build_wheel() if "node" in one]


def test_a_changed_source_makes_the_built_one_stale(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "STAMP", tmp_path / "stamp")
    source = tmp_path / "labextension" / "src" / "index.ts"
    source.parent.mkdir(parents=True)
    source.write_text("1")
    assert not build.is_fresh()
    build.STAMP.write_text(build.digest())
    assert build.is_fresh()
    source.write_text("2")
    assert not build.is_fresh()
