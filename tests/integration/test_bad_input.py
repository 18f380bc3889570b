"""Whatever is wrong with what a person gives us: one clear line, exit code 2, nothing left."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .command_line import CommandLine, write_notebook

_V3 = {
    "metadata": {"name": ""},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [{"cells": [], "metadata": {}}],
}


def _refused(cli: CommandLine, *words: str | Path) -> str:
    """Submit, expect a refusal in one line, and return it."""
    before = sorted(path.name for path in cli.cwd.iterdir())
    done = cli("submit", *words)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in cli.cwd.iterdir()) == before
    assert json.loads(cli("list", "--json").stdout) == []
    return done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "missing.ipynb"),
        (b"", "empty"),
        (b"{", "JSON"),
        (b'{"cells": []', "JSON"),
        (b"\x00\xff\xfe\x80", ""),
        (b"[]", "notebook"),
        (b"{}", "notebook"),
        (b'{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', ""),
        (b'{"cells": [null], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', ""),
        (json.dumps(_V3).encode(), "3"),
        (b'{"cells": [], "metadata": {}, "nbformat": 9, "nbformat_minor": 0}', "9"),
    ],
)
def test_a_file_that_is_no_notebook(cli: CommandLine, content: bytes | None, words: str) -> None:
    if content is not None:
        (cli.cwd / "missing.ipynb").write_bytes(content)
    assert words in _refused(cli, "missing.ipynb")


def test_a_directory_a_pipe_and_a_file_of_another_kind(cli: CommandLine) -> None:
    (cli.cwd / "directory.ipynb").mkdir()
    assert "directory" in _refused(cli, "directory.ipynb")
    (cli.cwd / "script.py").write_text("print(1)\n")
    _refused(cli, "script.py")
    os.mkfifo(cli.cwd / "pipe.ipynb")
    _refused(cli, "pipe.ipynb")


def test_an_empty_notebook(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb")
    done = cli("submit", "n.ipynb", "--wait")
    # Nothing to do is done at once, or refused in a line; never a crash.
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or done.stderr.startswith("Error: ")


def test_an_unknown_kernel_names_those_there_are(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "print(1)")
    said = _refused(cli, "n.ipynb", "--kernel", "julia-9")
    assert "julia-9" in said
    assert "python3" in said


def test_a_workspace_that_cannot_be_written(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "print(1)")
    (cli.cwd / ".unattended").write_text("a file where the directory should be")
    assert ".unattended" in _refused(cli, "n.ipynb")


def test_a_read_only_workspace(cli: CommandLine) -> None:
    if os.geteuid() == 0:
        workspace = "/proc/self"  # root may write anywhere but here
        write_notebook(cli.cwd / "n.ipynb", "print(1)")
        _refused(cli, "n.ipynb", "--workspace", workspace)
        return
    write_notebook(cli.cwd / "n.ipynb", "print(1)")
    cli.cwd.chmod(0o555)
    try:
        assert "writable" in _refused(cli, "n.ipynb")
    finally:
        cli.cwd.chmod(0o755)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--cpus", "many"], "cpus"),
        (["--cpus", "0"], "cpus"),
        (["--memory", "lots"], "memory"),
        (["--time-limit", "soon"], "time-limit"),
        (["--gpus", "-1"], "gpus"),
        (["--priority", "99999"], "priority"),
        (["--max-restarts", "1.5"], "max-restarts"),
        (["-e", "1A=2"], "1A"),
        (["-e", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE"),
        (["--name", "two\nlines"], "name"),
        (["--backend", "cloud"], "cloud"),
        (["--requirements", "no-such.txt"], "no-such.txt"),
        (["--cpus"], "--cpus"),
        (["--epochs", "3"], "--epochs"),
    ],
)
def test_an_option_that_makes_no_sense(cli: CommandLine, words: list[str], expected: str) -> None:
    write_notebook(cli.cwd / "n.ipynb", "print(1)")
    assert expected in _refused(cli, "n.ipynb", *words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--epochs", "three"], "epochs"),
        (["--epoch", "3"], "epochs"),
        (["--epochs"], "epochs"),
        (["epochs=3.5"], "epochs"),
        (["--mode=fastest"], "fast"),
        (["stray"], "stray"),
    ],
)
def test_arguments_that_do_not_fit(cli: CommandLine, words: list[str], expected: str) -> None:
    write_notebook(
        cli.cwd / "n.ipynb",
        "print(epochs, mode)",
        parameters="from typing import Literal\n"
        "epochs: int = 1\nmode: Literal['fast', 'slow'] = 'fast'",
    )
    assert expected in _refused(cli, "n.ipynb", *words)


@pytest.mark.parametrize(
    "name",
    [
        "two words.ipynb",
        'it\'s "quoted" $HOME `x` \\ ;&.ipynb',
        "line\nbreak.ipynb",
        "日本語 émile 🚀.ipynb",
        "--help.ipynb",
        "-n.ipynb",
        "%d{}%s.ipynb",
    ],
)
def test_strange_names_work_all_the_same(cli: CommandLine, name: str) -> None:
    directory = cli.cwd / f"in {name.removesuffix('.ipynb')}"
    directory.mkdir()
    write_notebook(directory / name, "import pathlib\nprint(pathlib.Path.cwd().name)")
    done = cli("submit", directory / name, "--wait")
    assert done.returncode == 0, done.stderr
    job = done.stdout.strip()
    assert done.stdout == f"{job}\n"
    assert cli.printed(job).rstrip("\n") == directory.name
    assert len(cli("list").stdout.splitlines()) == 2
    assert cli("show", job).returncode == 0
    assert cli("delete", "--yes", job).returncode == 0


def test_a_name_that_is_not_utf_8(cli: CommandLine) -> None:
    path = Path(os.fsdecode(os.fsencode(cli.cwd) + b"/caf\xe9.ipynb"))
    write_notebook(path, "print('ran')")
    assert "is not UTF-8" in _refused(cli, path)


def test_a_huge_notebook(cli: CommandLine) -> None:
    """40 MB of old outputs and 2,000 cells."""
    path = write_notebook(
        cli.cwd / "n.ipynb", *[f"x{n} = {n}" for n in range(2000)], "print(x1999)"
    )
    content = json.loads(path.read_text())
    stream = {"output_type": "stream", "name": "stdout", "text": ["y" * 20_000]}
    for cell in content["cells"]:
        cell["outputs"] = [stream]
    path.write_text(json.dumps(content))
    done = cli("submit", "n.ipynb", "--wait")
    assert done.returncode == 0, done.stderr
    assert cli.printed(done.stdout.strip()) == "1999\n"


def test_what_this_backend_cannot_do_is_not_dropped_silently(cli: CommandLine) -> None:
    write_notebook(cli.cwd / "n.ipynb", "1")
    assert "image: a job on this machine runs in the environment" in _refused(
        cli, "n.ipynb", "--image", "example/image"
    )
