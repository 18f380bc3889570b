"""Asking an interpreter that is not ours: the kernel's environment counts, not this one."""

from __future__ import annotations

import json
import os
import sys
import venv
from pathlib import Path

import pytest

from jupyter_unattended.errors import KernelError
from jupyter_unattended.notebook import environment, preflight, requirements
from jupyter_unattended.notebook.kernels import Kernel, resolve
from jupyter_unattended.notebook.reader import Notebook, load

from .local_jobs import NOTEBOOK


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Return a kernel in an environment of its own, with one package."""
    home = tmp_path / "other env"
    venv.create(home, with_pip=False, symlinks=True)
    site = next(home.glob("lib/python*/site-packages"))
    metadata = site / "only_there-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: Only-There\nVersion: 1.5\n")
    (metadata / "RECORD").write_text("only_there/__init__.py,,\n")
    (site / "only_there").mkdir()
    (site / "only_there/__init__.py").write_text("raise SystemExit('must not be imported')\n")
    spec = tmp_path / "jupyter/kernels/other"
    spec.mkdir(parents=True)
    argv = [str(home / "bin/python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "language": "python", "env": {"PYTHONUTF8": "1"}})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return resolve("other")


def notebook(directory: Path, source: str) -> Notebook:
    directory.mkdir(exist_ok=True)
    path = directory / "a.ipynb"
    path.write_text(json.dumps({**NOTEBOOK, "cells": [{**NOTEBOOK["cells"][0], "source": source}]}))
    return load(path)


def test_packages_of_the_kernel_not_ours(other: Kernel, tmp_path: Path) -> None:
    found = notebook(tmp_path / "work é", "import only_there, json, IPython\nimport sklearn")
    collected = requirements.collect(found, other)
    assert "Only-There==1.5" in collected.text.splitlines()
    assert {one.module for one in collected.unmapped} == {"IPython", "sklearn"}
    codes = {(f.code, f.severity) for f in preflight.check(found, other, collected)}
    assert codes == {("missing-module", "error"), ("no-ipython", "error")}


def test_files_beside_the_notebook_do_not_disturb(other: Kernel, tmp_path: Path) -> None:
    found = notebook(tmp_path / "work", "import only_there")
    for name in ("json", "re", "os", "encodings", "only_there"):
        (found.directory / f"{name}.py").write_text("raise SystemExit('not me')\n")
    answer = environment.inspect(other, {"only_there"}, found.directory)
    assert answer.modules["only_there"].packages[0].name == "Only-There"


def test_the_answer_is_kept_until_something_is_installed(
    other: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = environment.inspect(other, {"late"})
    assert not first.modules["late"].found
    with monkeypatch.context() as context:
        context.setattr(environment.subprocess, "run", lambda *_, **__: 1 / 0)
        assert environment.inspect(other, {"late"}) is first
    site = next((tmp_path / "other env").glob("lib/python*/site-packages"))
    (site / "late.py").touch()
    os.utime(site, (1, 1))
    assert environment.inspect(other, {"late"}).modules["late"].found


def test_the_kernels_python_judges_syntax(other: Kernel, tmp_path: Path) -> None:
    found = notebook(tmp_path / "work", "x = = 1")
    (finding,) = preflight.check(found, other)[:1]
    codes = [f.code for f in preflight.check(found, other)]
    assert "syntax-error" in codes
    assert finding.code in ("no-ipython", "syntax-error")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\necho broken >&2; exit 3", "does not work: broken"),
        ("#!/bin/sh\nexit 3", "does not work: exit code 3"),
        ("#!/bin/sh\necho hello", "cannot be started"),
        ("#!/nowhere", "cannot be started"),
    ],
)
def test_interpreters_that_do_not_work(tmp_path: Path, script: str, message: str) -> None:
    python = tmp_path / "python"
    python.write_text(script)
    python.chmod(0o755)
    with pytest.raises(KernelError, match=message) as error:
        environment.inspect(Kernel("bad", "python", python, "ipython"))
    assert "\n" not in str(error.value)


def test_our_own_interpreter_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: 1 / 0)
    kernel = Kernel("python3", "python", Path(sys.executable), "ipython")
    found = environment.inspect(kernel, {"pytest", "os"})
    assert found.has_ipython
    assert [package.name for package in found.modules["pytest"].packages] == ["pytest"]
    assert found.modules["os"].standard
