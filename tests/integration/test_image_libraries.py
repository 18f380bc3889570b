"""Which packages of the distribution an image needs, from what is installed in an environment."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_unattended.image import elf, system, ties
from jupyter_unattended.notebook import environment
from jupyter_unattended.notebook.kernels import Kernel
from jupyter_unattended.notebook.requirements import Requirements


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Return a kernel in an environment of its own."""
    place = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True, timeout=60)
    return Kernel("python3", "python", place / "bin" / "python", "ipython")


def install(kernel: Kernel, name: str, **modules: str) -> Path:
    """Install a package whose compiled modules ask for libraries; return its directory."""
    assert kernel.python is not None
    (packages,) = (kernel.python.parents[1] / "lib").glob("python3*/site-packages")
    info = packages / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    directory = packages / name
    directory.mkdir()
    listed = [f"{name}-1.0.dist-info/METADATA,,"]
    for module, library in modules.items():
        (directory / f"{module}.so").write_bytes(asking_for(library))
        listed.append(f"{name}/{module}.so,,")
    (info / "RECORD").write_text("\n".join(listed))
    return directory


def asking_for(library: str) -> bytes:
    """Return a compiled module of Python's own, made to ask for another library."""
    found = importlib.util.find_spec("_ssl")
    assert found is not None
    assert found.origin is not None
    own = Path(found.origin)
    asked = next(name for name in elf.needed(own) if len(name) >= len(library))
    padded = library.encode().ljust(len(asked) + 1, b"\0")
    return own.read_bytes().replace(asked.encode() + b"\0", padded)


def test_what_wheels_lack(kernel: Kernel) -> None:
    install(kernel, "pictures", one="libGL.so.1", two="libzz.so.9")
    bundled = install(kernel, "sounds", three="libown.so.1")
    (bundled / "libown.so.1").touch()
    install(kernel, "unused", four="libSM.so.6")
    packages, unknown = system.collect([], kernel, "pictures==1.0\nsounds==1.0\n")
    assert [(package.name, package.reason) for package in packages] == [
        ("libgl1", "pictures needs libGL.so.1, which its wheel lacks")
    ]
    assert unknown == ["libzz.so.9"]


def test_packages_outside_the_environment_are_named(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(kernel, "pictures")
    own = tmp_path / "own"
    (own / "sounds").mkdir(parents=True)
    (own / "sounds" / "__init__.py").touch()
    info = own / "sounds-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sounds\nVersion: 2.0\n")
    (info / "RECORD").write_text("sounds/__init__.py,,\n")
    monkeypatch.setenv("PYTHONPATH", str(own))
    here = environment.inspect(kernel, ["pictures", "sounds"])
    (tie,) = ties.find([], [], Requirements("", "imports"), here)
    assert tie.message == f"sounds is installed outside the kernel's environment, in {own}"
    assert tie.fix == "requirements.txt needs sounds==2.0"


def test_what_packages_call(kernel: Kernel) -> None:
    packages, _ = system.collect([], kernel, "graphviz==0.20\nmine @ git+https://example.org/a\n")
    assert [(package.name, package.reason) for package in packages] == [
        ("git", "requirements.txt has a package in a git repository"),
        ("graphviz", "graphviz calls it"),
    ]
