"""From bare metal to an image: written, built and tried with a real Podman."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import CommandLine, environment

from .engine import BASE, TestEngine

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "train-digits.ipynb"
ON_BASE = ("--base", BASE)


@pytest.fixture
def cli(engine: TestEngine, state_dir: Path, tmp_path: Path) -> CommandLine:
    """Return the command line in an empty directory, with the tests' Podman."""
    directory = tmp_path / "my work"
    directory.mkdir()
    return CommandLine(directory, {**environment(), **engine.env})


def write(directory: Path, *cells: str, requirements: str | None = None) -> Path:
    """Write a notebook with these code cells."""
    import nbformat

    made: Any = nbformat.v4
    path = directory / "notebook.ipynb"
    node = made.new_notebook(cells=[made.new_code_cell(cell) for cell in cells])
    node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    path.write_text(made.writes(node))
    if requirements is not None:
        (directory / "requirements.txt").write_text(requirements)
    return path


def numbers(directory: Path) -> list[Any]:
    """Return everything that a job reported."""
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["values"] for line in lines]


@pytest.mark.timeout(600)
def test_the_digits_from_bare_metal_to_an_image(cli: CommandLine, engine: TestEngine) -> None:
    shutil.copy(EXAMPLE, cli.cwd / "digits.ipynb")
    words = ("digits.ipynb", "--epochs", "5")
    here = cli("submit", *words, timeout=60).stdout.strip()
    assert cli("wait", here, timeout=120).returncode == 0
    made = cli("image", *words, "--try", *ON_BASE, timeout=500)
    assert made.returncode == 0, made.stderr
    assert "It ran to its end" in made.stderr
    command = made.stdout.splitlines()[-1].split()
    assert command[:3] == ["jupyter", "unattended", "submit"]
    there = cli(*command[2:], timeout=60).stdout.strip()
    assert cli("wait", there, timeout=120).returncode == 0
    shown = [json.loads(cli("show", "--json", job).stdout) for job in (here, there)]
    assert [view["backend"] for view in shown] == ["local", "container"]
    reported = [numbers(Path(view["directory"])) for view in shown]
    assert len(reported[0]) == 5
    assert reported[0] == reported[1]


@pytest.mark.timeout(400)
def test_a_changed_requirement_rebuilds_only_its_own_layer(cli: CommandLine) -> None:
    write(cli.cwd, "import iniconfig", requirements="iniconfig==2.0.0\n")
    first = json.loads(
        cli("image", "notebook.ipynb", "--build", "--json", *ON_BASE, timeout=300).stdout
    )
    again = json.loads(
        cli("image", "notebook.ipynb", "--build", "--json", *ON_BASE, timeout=300).stdout
    )
    assert again["image"]["id"] == first["image"]["id"]
    (cli.cwd / "requirements.txt").write_text("iniconfig==2.1.0\n")
    changed = json.loads(
        cli("image", "notebook.ipynb", "--build", "--json", *ON_BASE, timeout=300).stdout
    )
    assert changed["image"]["id"] != first["image"]["id"]
    log = (cli.cwd / ".unattended" / "image-notebook.log").read_text()
    before, _, after = log.partition("COPY")
    assert before.count("--> Using cache") == 3  # user, home, IPython
    assert "Using cache" not in after


@pytest.mark.timeout(400)
def test_what_is_missing_is_said_with_the_line_to_add(cli: CommandLine, tmp_path: Path) -> None:
    data = tmp_path / "data.txt"
    data.write_text("7")
    write(cli.cwd, f"x = open('{data}').read()", "import iniconfig", requirements="# none\n")
    tried = cli("image", "notebook.ipynb", "--try", *ON_BASE, timeout=300)
    assert tried.returncode == 1
    assert f"{data} is not in the container; add to submit:  --data {data}:ro" in tried.stderr
    mounted = ("--data", f"{data}:ro")
    tried = cli("image", "notebook.ipynb", "--try", *ON_BASE, *mounted, timeout=300)
    assert tried.returncode == 1
    assert "the module iniconfig is not in the image; add to requirements.txt:" in tried.stderr
    assert "iniconfig==" in tried.stderr


@pytest.mark.timeout(300)
def test_code_in_the_image(cli: CommandLine, engine: TestEngine) -> None:
    notebook = write(cli.cwd, "import helper\nprint(helper.x)", requirements="# none\n")
    (cli.cwd / "helper.py").write_text("x = 'packed'\n")
    (cli.cwd / ".env").write_text("TOKEN=s3cret\n")
    made = cli("image", "notebook.ipynb", "--code", "image", "--try", *ON_BASE, timeout=280)
    assert made.returncode == 0, made.stderr
    image = made.stdout.split()[made.stdout.split().index("--image") + 1]
    listed = engine.podman(
        "run", "--rm", "--network", "none", image, "ls", "-A", str(notebook.parent)
    )
    assert {"helper.py", "notebook.ipynb"} <= set(listed.split())
    assert not {".env", ".unattended", ".git"} & set(listed.split())
    assert engine.podman("run", "--rm", "--network", "none", image, "id", "-un") == "notebook\n"


def test_a_build_that_fails_says_why(cli: CommandLine) -> None:
    write(cli.cwd, "pass", requirements="# none\n")
    (cli.cwd / "Containerfile").write_text(f"FROM {BASE}\nRUN no-such-program --now\n")
    done = cli("image", "notebook.ipynb", "--build", timeout=100)
    assert done.returncode == 4
    assert "The build failed in step 2 (RUN no-such-program --now)" in done.stderr
    assert "no-such-program: not found" in done.stderr
    assert "was there and is kept" in done.stderr


def test_buildah_builds_too(cli: CommandLine, tmp_path: Path, engine: TestEngine) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "buildah").symlink_to(
        subprocess.check_output(["which", "buildah"], text=True).strip()
    )
    write(cli.cwd, "pass", requirements="# none\n")
    (cli.cwd / "Containerfile").write_text(f"FROM {BASE}\nENV A=1\n")
    alone = CommandLine(cli.cwd, {**cli.env, "PATH": f"{programs}:/nowhere"})
    done = alone("image", "notebook.ipynb", "--build", "--json", timeout=100)
    assert done.returncode == 0, done.stderr
    name = json.loads(done.stdout)["image"]["name"]
    assert engine.podman("image", "inspect", "--format", "{{.Config.Env}}", name).count("A=1")


@pytest.mark.timeout(400)
def test_what_the_notebook_installs_is_in_the_image(cli: CommandLine, engine: TestEngine) -> None:
    cells = ("!apt-get update && apt-get install -y hello\n!hello", "import ctypes")
    write(cli.cwd, *cells, requirements="# none\n")
    made = cli("image", "notebook.ipynb", "--build", "--json", *ON_BASE, timeout=380)
    assert made.returncode == 0, made.stderr
    text = (cli.cwd / "Containerfile").read_text()
    assert "#   hello: cell 1 installs it\n" in text
    image = json.loads(made.stdout)["image"]["name"]
    said = engine.podman("run", "--rm", "--network", "none", image, "hello")
    assert said == "Hello, world!\n"


@pytest.mark.timeout(300)
def test_a_library_and_a_program_that_are_missing(cli: CommandLine) -> None:
    write(cli.cwd, "import ctypes\nctypes.CDLL('libGL.so.1')", requirements="# none\n")
    tried = cli("image", "notebook.ipynb", "--try", *ON_BASE, timeout=280)
    assert tried.returncode == 1
    line = "the library libGL.so.1 is not in the image; add to Containerfile:"
    assert f"{line}  apt-get install libgl1" in tried.stderr
    write(cli.cwd, "x = !dot -V\nassert not x, x[0]", requirements="# none\n")
    tried = cli("image", "notebook.ipynb", "--try", *ON_BASE, timeout=280)
    line = "the program dot is not in the image; add to Containerfile:"
    assert f"{line}  apt-get install graphviz" in tried.stderr


@pytest.mark.timeout(300)
def test_the_image_runs_without_a_job(cli: CommandLine, engine: TestEngine) -> None:
    write(cli.cwd, "print('it', 'runs')", requirements="# none\n")
    assert cli("convert", "notebook.ipynb", "--to", "script").returncode == 0
    made = cli("image", "notebook.ipynb", "--code", "image", "--build", "--json", *ON_BASE,
               timeout=280)  # fmt: skip
    assert made.returncode == 0, made.stderr
    image = json.loads(made.stdout)["image"]["name"]
    assert "it runs\n" in engine.podman("run", "--rm", "--network", "none", image)


@pytest.mark.timeout(200)
def test_a_terminal_shows_a_bar(cli: CommandLine, engine: TestEngine) -> None:
    write(cli.cwd, "pass", requirements="# none\n")
    steps = "".join(f"ENV A{number}={number}\n" for number in range(20))
    (cli.cwd / "Containerfile").write_text(f"FROM {BASE}\n{steps}")
    terminal, their_end = pty.openpty()
    words = ("image", "notebook.ipynb", "--build")
    colours = {"TERM": "xterm-256color", "COLUMNS": "120"}
    with cli.start(*words, env=colours, stdout=subprocess.DEVNULL, stderr=their_end) as process:
        os.close(their_end)
        shown = b""
        with contextlib.suppress(OSError):  # which is how the end of a terminal shows
            while piece := os.read(terminal, 1 << 16):
                shown += piece
        assert process.wait(60) == 0
    os.close(terminal)
    text = shown.decode()
    assert "━" in text
    assert "/21" in text
    assert "Built localhost/notebook:" in text
    log = (cli.cwd / ".unattended" / "image-notebook.log").read_text()
    assert log.startswith("$ ")
    assert "STEP 21/21: ENV A19=19\n" in log
    assert "\x1b" not in log
