"""From the name in a notebook to an interpreter."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from notebooks import MakeNotebook

from jupyter_unattended.errors import KernelError
from jupyter_unattended.notebook.kernels import installed, resolve

LAUNCH = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")

    def install(name: str, **spec: Any) -> None:
        directory = tmp_path / "jupyter" / "kernels" / name
        directory.mkdir(parents=True)
        (directory / "kernel.json").write_text(json.dumps(spec))

    return install


@pytest.mark.parametrize("program", ["python", "python3"])
def test_bare_python_means_this_interpreter(install: Any, program: str) -> None:
    install("mine", argv=[program, *LAUNCH], language="python", display_name="My own")
    kernel = resolve("mine")
    assert kernel.python == Path(sys.executable)
    assert kernel.is_this_python
    assert (kernel.runner, kernel.display_name) == ("ipython", "My own")


def test_absolute_interpreters_and_their_environment(install: Any, tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python3.12"
    python.parent.mkdir()
    python.touch(0o755)
    install("other", argv=[str(python), *LAUNCH], language="python", env={"A": "1"})
    kernel = resolve("other")
    assert (kernel.python, kernel.runner, kernel.env) == (python, "ipython", {"A": "1"})
    assert not kernel.is_this_python


def test_the_notebook_names_its_kernel(install: Any, make_notebook: MakeNotebook) -> None:
    install("mine", argv=["python", *LAUNCH], language="python")
    notebook = make_notebook("1", kernelspec={"name": "mine"})
    assert resolve(None, notebook).name == "mine"
    assert resolve("python3", notebook).name == "python3"
    assert resolve(None, make_notebook("1")).name == "python3"
    assert resolve("MINE").name == "mine"


def test_other_languages_and_other_kernels_for_python_need_a_process(install: Any) -> None:
    install("ir", argv=["R", "--slave"], language="R")
    install("xpython", argv=["xpython", "-f", "{connection_file}"], language="python")
    install("conda", argv=["conda", "run", "python", *LAUNCH], language="python")
    install("bash", argv=["python", "-m", "bash_kernel"], language="bash")
    for name, language in [
        ("ir", "r"),
        ("xpython", "python"),
        ("conda", "python"),
        ("bash", "bash"),
    ]:
        kernel = resolve(name)
        assert (kernel.language, kernel.python, kernel.runner) == (language, None, "nbclient")


def test_missing_kernels_name_the_nearest(install: Any, make_notebook: MakeNotebook) -> None:
    install("geo-env", argv=["python", *LAUNCH], language="python")
    notebook = make_notebook("1", kernelspec={"name": "geo_env"})
    with pytest.raises(
        KernelError, match=r"The notebook's kernel geo_env is not .*mean geo-env"
    ) as e:
        resolve(None, notebook)
    assert "installed: geo-env, python3" in str(e.value)
    with pytest.raises(KernelError, match=r"^The kernel zzz is not installed here .installed"):
        resolve("zzz")


def test_an_interpreter_that_is_gone(install: Any) -> None:
    install("old", argv=["/nowhere/bin/python", *LAUNCH], language="python")
    with pytest.raises(
        KernelError, match="The kernel old starts /nowhere/bin/python, which is not"
    ):
        resolve("old")


def test_broken_kernelspecs_are_not_there(install: Any, tmp_path: Path) -> None:
    install("torn", argv="python")
    (tmp_path / "jupyter/kernels/half").mkdir()
    (tmp_path / "jupyter/kernels/half/kernel.json").write_text("{")
    assert not {"torn", "half"} & set(installed())


def test_python_needs_no_kernelspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_unattended.notebook.kernels.installed", dict)
    kernel = resolve(None)
    assert (kernel.name, kernel.python, kernel.runner) == (
        "python3",
        Path(sys.executable),
        "ipython",
    )
