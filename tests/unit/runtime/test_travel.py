from __future__ import annotations

import ast
import sys
from pathlib import Path

import jupyter_unattended.runtime
from jupyter_unattended.runtime import travel

HERE = Path(jupyter_unattended.runtime.__file__).parent


def test_everything_that_a_job_needs_is_installed(tmp_path: Path) -> None:
    travel.install(tmp_path)
    runtime = tmp_path / "runtime"
    for name in ("__main__.py", "attempt.sh", "requirements_met.py"):
        assert (runtime / name).is_file()
    package = runtime / "jupyter_unattended"
    assert {path.name for path in package.glob("*.py")} == {"__init__.py", "_version.py"}
    assert (package / "runtime" / "main.py").read_bytes() == (HERE / "main.py").read_bytes()
    tag = sys.implementation.cache_tag
    assert (package / "runtime" / "__pycache__" / f"main.{tag}.pyc").is_file()


def test_what_travels_imports_nothing_that_stays() -> None:
    for file in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, f"{file.name} imports from {node.module}"
                assert not (node.module or "").startswith("jupyter_unattended.") or (
                    node.module == "jupyter_unattended.runtime.main"
                )
