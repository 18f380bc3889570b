from __future__ import annotations

import ast
import zipfile
import zipimport
from pathlib import Path

import jupyter_unattended.runtime
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.runtime import travel

HERE = Path(jupyter_unattended.runtime.__file__).parent


def test_everything_that_a_job_needs_is_installed(tmp_path: Path) -> None:
    travel.install(tmp_path)
    runtime = tmp_path / "runtime"
    assert {file.name for file in runtime.iterdir()} == {
        "attempt.sh",
        "requirements_met.py",
        travel.ARCHIVE,
    }
    assert JobPaths(tmp_path).modules == runtime / travel.ARCHIVE
    with zipfile.ZipFile(runtime / travel.ARCHIVE) as archive:
        names = set(archive.namelist())
        main = "jupyter_unattended/runtime/main.py"
        assert archive.read(main) == (HERE / "main.py").read_bytes()
    assert {
        "__main__.py",
        "jupyter_unattended/__init__.py",
        "jupyter_unattended/_version.py",
    } < names
    assert {name for name in names if name.count("/") == 1 and name.endswith(".py")} == {
        "jupyter_unattended/__init__.py",
        "jupyter_unattended/_version.py",
    }


def test_the_compiled_modules_are_the_ones_that_are_used(tmp_path: Path) -> None:
    travel.install(tmp_path)
    importer = zipimport.zipimporter(str(tmp_path / "runtime" / travel.ARCHIVE))
    inside = zipimport.zipimporter(f"{importer.archive}/jupyter_unattended/runtime")
    name = "jupyter_unattended.runtime.stopping"
    assert inside.get_code(name).co_filename.startswith(travel.ARCHIVE)
    assert inside.get_filename(name).endswith(".pyc")
    assert inside.get_source(name) == (HERE / "stopping.py").read_text("utf-8")


def test_what_travels_imports_nothing_that_stays() -> None:
    for file in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, f"{file.name} imports from {node.module}"
                assert not (node.module or "").startswith("jupyter_unattended.") or (
                    node.module == "jupyter_unattended.runtime.main"
                )
