"""The wheel holds what it should, and works where nothing but it is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jupyter_unattended import __version__

_ROOT = Path(__file__).parents[2]

# A new machine fetches and builds the front end first.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, in an environment of its own as an installation does."""
    target = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            target,
            _ROOT,
        ],
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert built.returncode == 0, built.stderr
    return next(target.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert wheel.name.startswith(f"jupyter_unattended-{__version__}-py3-none-any")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "jupyter_unattended/py.typed",
        "jupyter_unattended/runtime/attempt.sh",
        "jupyter_unattended/runtime/__main__.py",
        "jupyter_unattended/server/events/job.yaml",
        f"jupyter_unattended-{__version__}.dist-info/licenses/LICENSE",
    ):
        assert needed in names
    tops = {name.partition("/")[0] for name in names}
    assert tops <= {
        "jupyter_unattended",
        f"jupyter_unattended-{__version__}.dist-info",
        f"jupyter_unattended-{__version__}.data",
    }
    assert not [name for name in names if "__pycache__" in name or ".unattended" in name]


def test_sources_in_the_wheel_are_those_here(wheel: Path) -> None:
    inside = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if name.startswith("jupyter_unattended/") and name.endswith((".py", ".sh", ".yaml"))
    }
    here = {
        str(path.relative_to(_ROOT))
        for path in (_ROOT / "jupyter_unattended").rglob("*")
        if path.suffix in (".py", ".sh", ".yaml")
    }
    assert inside == here
