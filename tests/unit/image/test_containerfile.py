from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jupyter_unattended.image.bases import Base
from jupyter_unattended.image.containerfile import Recipe, render, render_ignore
from jupyter_unattended.image.system import SystemPackage

RECIPE = Recipe(
    notebook=Path("/home/ada/my work/train.ipynb"),
    base=Base("python:3.11-slim", "A plain Python."),
    python_version="3.11.7",
    requirements="requirements.txt",
    system=[SystemPackage("libgl1", "opencv-python needs libGL.so.1")],
    runner_version="9.1.0",
    code="workspace",
    user_id=1000,
    tag="localhost/train",
)


def instructions(text: str) -> list[str]:
    """The words that begin a step, in order."""
    joined = text.replace("\\\n", " ")
    return [line.split()[0] for line in joined.splitlines() if line and not line.startswith("#")]


def test_what_changes_seldom_comes_first() -> None:
    assert instructions(render(RECIPE)) == [
        *("FROM", "RUN", "RUN", "ENV", "RUN", "COPY", "RUN", "USER", "ENV", "WORKDIR", "CMD"),
    ]
    text = render(RECIPE)
    assert text.index("apt-get") < text.index("ipython==9.1.0") < text.index("requirements.txt")


def test_every_choice_has_its_reason_in_a_comment() -> None:
    lines = render(RECIPE).splitlines()
    for number, line in enumerate(lines):
        if line.startswith(("FROM", "RUN", "COPY", "CMD", "USER")):
            before = "\n".join(lines[max(0, number - 6) : number])
            assert "#" in before, line
    assert "#   libgl1: opencv-python needs libGL.so.1" in lines


def test_it_does_not_run_as_root_and_start_sh_is_its_command() -> None:
    text = render(RECIPE)
    assert "\nUSER notebook\n" in text
    assert text.endswith('CMD ["./start.sh"]\n')


def test_code_stays_on_the_workspace_or_is_packed() -> None:
    assert 'COPY --chown=notebook [".", ' not in render(RECIPE)
    assert render_ignore(RECIPE).splitlines()[1:] == ["*", "!requirements.txt"]
    packed = replace(RECIPE, code="image")
    assert 'COPY --chown=notebook [".", "/home/ada/my work/"]' in render(packed)
    ignored = render_ignore(packed, ["big [1].bin"]).splitlines()
    assert {".env", "*.pem", ".git", ".unattended", r"big \[1\].bin"} <= set(ignored)


def test_without_packages_there_is_no_layer_for_them() -> None:
    text = render(replace(RECIPE, requirements=None, system=[]))
    assert "apt-get" not in text
    assert "COPY" not in text


def test_names_cannot_leave_their_comment() -> None:
    evil = replace(RECIPE, notebook=Path("/w/a\nRUN rm -rf.ipynb"))
    assert "\nRUN rm" not in render(evil).replace("WORKDIR /w", "")
