"""Scripts that are written from notebooks run where there is neither IPython nor this package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_unattended.notebook.reader import load
from jupyter_unattended.notebook.script import to_script

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Runs a script as if IPython and this package were not installed.
ALONE = (
    "import runpy, sys\n"
    "sys.modules.update(dict.fromkeys(('IPython', 'jupyter_unattended', 'nbformat')))\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


def run(directory: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = directory / "a script.py"
    script.write_text(to_script(load(EXAMPLES / name)), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-u", "-c", ALONE, str(script), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={"PATH": "/usr/bin:/bin", "MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore"},
    )


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("train-digits.ipynb", ["--epochs=3", "--hidden-layers", "8,8", "--seed=1"],
         r"epoch   3  loss .*\d+ of 450 digits were misread"),
        ("library-report.ipynb", ["--package=asyncio", "--top", "3", "--table-file=t.csv"],
         r"\d+ modules, \d+ functions.*hardest|rows are in t\.csv"),
        ("estimate-pi.ipynb", ["--darts", "1000", "--workers=1", "--rounds=2"],
         r"hash seed 0.*round 2: π.*2 estimates, hash seed 0"),
    ],
)  # fmt: skip
def test_examples_as_scripts(
    tmp_path: Path, name: str, arguments: list[str], expected: str
) -> None:
    done = run(tmp_path, name, *arguments)
    assert done.returncode == 0, done.stderr
    assert re.search(expected, done.stdout, re.DOTALL), done.stdout


def test_wrong_arguments(tmp_path: Path) -> None:
    done = run(tmp_path, "train-digits.ipynb", "--activation=step")
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


def test_scripts_are_in_order(tmp_path: Path) -> None:
    """Ruff finds nothing to say about the names in the scripts."""
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        script = tmp_path / f"{path.stem}.py"
        script.write_text(to_script(load(path)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select=E9,F,W,B", "--ignore=B905",
         "--ignore=F811", "--no-cache", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "No module named ruff" in done.stderr:
        pytest.skip("ruff is not installed")
    assert done.returncode == 0, done.stdout
