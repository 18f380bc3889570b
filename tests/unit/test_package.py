"""What the package promises about itself: versions, entry points, light imports, its own text."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import jupyter_unattended

_ROOT = Path(__file__).parents[2]
_HEAVY = {
    *("kubernetes", "nbconvert", "nbclient", "nbformat", "IPython", "pandas", "numpy"),
    *("pydantic", "jupyter_client", "jupyter_server", "rich"),
}


def _imported_by(code: str, tmp_path: Path) -> set[str]:
    """Return the top-level modules that `code` imports, in an interpreter of its own."""
    printed = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('|'.join(sys.modules))"],
        env={"UNATTENDED_STATE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()[-1]
    return {name.partition(".")[0] for name in printed.split("|")}


@pytest.mark.parametrize(
    "code",
    [
        "import jupyter_unattended",
        "from jupyter_unattended import report, progress; report(loss=1.0); progress(1, 2)",
        "from jupyter_unattended import Checkpoint, keras_callback, on_stop, stop_requested\n"
        "from jupyter_unattended import resumable\n"
        "assert list(resumable(range(3), state=[[1]])) == [0, 1, 2]",
        "from jupyter_unattended.cli.app import run; assert run(['list']) == 0",
        "from jupyter_unattended.cli.app import run; assert run(['list', '--json', '--all']) == 0",
    ],
)
def test_imports_stay_light(code: str, tmp_path: Path) -> None:
    assert _imported_by(code, tmp_path) & _HEAVY == set()


def test_the_changelog_agrees_with_the_version() -> None:
    headings = re.findall(r"^## (\S+)", (_ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == jupyter_unattended.__version__


def test_the_commands_are_installed() -> None:
    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    assert scripts["jupyter-unattended"] == "jupyter_unattended.cli:main"


def test_no_file_names_a_registry() -> None:
    """Wherever this is built, it is built from the registry that is set up there."""
    hosts = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"),
            ("registry", "yarnpkg", "com"), ("proxy", "golang", "org"), ("deb", "debian", "org"),
            ("crates", "io"), ("docker", "io"), ("ghcr", "io"), ("quay", "io"),
        )
    ]  # fmt: skip
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, text=True, timeout=60
    )
    if listed.returncode != 0:
        pytest.skip("not a git work tree")
    for name in listed.stdout.split("\0"):
        path = _ROOT / name
        if name and path.is_file():
            text = path.read_bytes().decode(errors="replace")
            found = [host for host in hosts if re.search(rf"(?<![\w.]){re.escape(host)}", text)]
            assert not found, f"{name} names {found}"


def test_every_module_is_typed() -> None:
    assert (_ROOT / "jupyter_unattended" / "py.typed").exists()
