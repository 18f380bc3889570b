from __future__ import annotations

import _ssl
from pathlib import Path

import pytest

from jupyter_unattended.image import bases, elf, lacking
from jupyter_unattended.image.system import _installed_by_notebook
from jupyter_unattended.notebook.code import read_cell


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("!apt-get install -y libgl1 ffmpeg", ["libgl1", "ffmpeg"]),
        ("!apt-get update && sudo apt-get install -qq graphviz > /dev/null", ["graphviz"]),
        ("%%bash\napt update\nDEBIAN_FRONTEND=noninteractive apt install -y git # why", ["git"]),
        ("!apt-get remove -y git", []),
        ("!echo apt-get install git", []),
        ("!pip install apt", []),
    ],
)
def test_what_the_notebook_installs(source: str, names: list[str]) -> None:
    found = [package.name for package in _installed_by_notebook([read_cell(source)])]
    assert [name for name in found if name != ">"] == names


def test_a_compiled_module_tells_what_it_asks_for(tmp_path: Path) -> None:
    assert any(name.startswith("libssl") for name in elf.needed(Path(_ssl.__file__)))
    assert elf.needed(Path(__file__)) == []
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"\x7fELF\x02\x01" + bytes(100))
    assert elf.needed(broken) == []


def test_what_a_log_says_is_missing() -> None:
    log = (
        "\x1b[31mModuleNotFoundError\x1b[0m: No module named 'sklearn.svm'\n"
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n"
        "FileNotFoundError: [Errno 2] No such file or directory: '/datasets/cifar/a'\n"
        "/bin/bash: line 1: dot: command not found\n"
    )
    found = lacking.read(log, {"sklearn": "scikit-learn==1.5.0"})
    assert [(lack.line, lack.where) for lack in found] == [
        ("scikit-learn==1.5.0", "requirements.txt"),
        ("apt-get install libgl1", "Containerfile"),
        ("apt-get install graphviz", "Containerfile"),
        ("--data /datasets/cifar/a:ro", "submit"),
    ]
    assert lacking.read("all is well\n", {}) == []


def test_a_program_that_python_was_to_start() -> None:
    log = (
        'File "/usr/lib/python3.11/subprocess.py", line 1901, in _execute_child\n'
        "    raise child_exception_type(errno_num, err_msg, err_filename)\n"
        "FileNotFoundError: [Errno 2] No such file or directory: 'pdftotext'\n"
    )
    (lack,) = lacking.read(log, {})
    assert (lack.line, lack.where) == ("apt-get install poppler-utils", "Containerfile")
    assert lacking.read("FileNotFoundError: [Errno 2] No such file or directory: 'a.csv'", {}) == []


def test_bases() -> None:
    assert bases.choose("python", "3.11.7", {}).image == "python:3.11-slim"
    assert bases.choose("mine:1", "3.11.7", {}).image == "mine:1"
    torch = bases.choose("ml", "3.11.7", {"torch": "2.5.1+cu121"})
    assert torch.image == "pytorch/pytorch:2.5.1-cuda12.1-cudnn9-runtime"
    with pytest.raises(Exception, match="neither"):
        bases.choose("ml", "3.11.7", {})
