"""The wheel holds what it should, and works where nothing but it is."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from jupyter_server.extension.config import ExtensionConfigManager

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


def test_installing_it_enables_both_sides_and_needs_no_node(wheel: Path, tmp_path: Path) -> None:
    data = f"jupyter_unattended-{__version__}.data/data"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    # The server's side, as Jupyter Server reads its configuration.
    manager = ExtensionConfigManager(
        read_config_path=[str(tmp_path / data / "etc" / "jupyter")],
        write_config_dir=str(tmp_path / "own"),
    )
    assert manager.get_jpserver_extensions() == {"jupyter_unattended": True}
    # JupyterLab's: it is built already, and JupyterLab knows whom to ask for its removal.
    lab = tmp_path / data / "share" / "jupyter" / "labextensions" / "jupyter-unattended"
    package = json.loads((lab / "package.json").read_text())
    assert package["version"] == __version__
    assert (lab / package["jupyterlab"]["_build"]["load"]).is_file()
    assert json.loads((lab / "install.json").read_text())["packageName"] == "jupyter-unattended"
    assert (lab / "schemas" / "jupyter-unattended" / "plugin.json").is_file()


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
