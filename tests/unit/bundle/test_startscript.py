from __future__ import annotations

import pytest

from jupyter_unattended.bundle import startscript


def test_values_are_quoted() -> None:
    text = startscript.render(
        notebook="a\nrm -rf x.ipynb",
        working_directory="/it's/$HOME\n`x`",
        python="/opt/my python/bin/python",
        arguments=["--name=a b", "$(x)"],
        environment={"RATE": "0.1", "TEXT": "it's"},
        grace_period=45.5,
    )
    assert "# Runs a?rm -rf x.ipynb with nobody watching" in text
    assert "working_directory='/it'\"'\"'s/$HOME\n`x`'\n" in text
    assert "python=${UNATTENDED_PYTHON:-'/opt/my python/bin/python'}\n" in text
    assert "set -- '--name=a b' '$(x)'; fi\n" in text
    assert "export TEXT='it'\"'\"'s'; fi\n" in text
    assert "UNATTENDED_GRACE_PERIOD:-45.5}" in text
    assert text.rstrip().endswith('run_notebook "$@"')


def test_the_users_script_takes_the_notebooks_place() -> None:
    text = startscript.render(
        notebook="x.ipynb", working_directory="/w", python=None, user_script=True
    )
    assert text.rstrip().endswith('run_user_script "$@"')
    assert "python=${UNATTENDED_PYTHON:-python3}" in text


@pytest.mark.parametrize(
    ("kind", "command"),
    [("notebook", '-m jupyter_unattended.runtime ./x.ipynb "$@"'), ("script", './x.ipynb "$@"')],
)
def test_beside_the_notebook(kind: str, command: str) -> None:
    text = startscript.render_beside(target="x.ipynb", kind=kind, python=None, requirements=None)
    assert command in text
    assert "pip install" not in text
    assert "pip install" in startscript.render_beside(target="x.ipynb", kind=kind, python=None)


@pytest.mark.parametrize(
    ("target", "notebook", "expected"),
    [
        ("a.ipynb", "a.ipynb", True),
        ("a.py", "a.ipynb", True),
        ("a.ipynb", "b.ipynb", False),
        ("a.py", "b.ipynb", False),
        ("two\nlines.v2.ipynb", "two\nlines.v2.ipynb", True),
    ],
)
def test_a_start_script_that_convert_wrote_is_for_its_notebook_alone(
    target: str, notebook: str, expected: bool
) -> None:
    kind = "script" if target.endswith(".py") else "notebook"
    script = startscript.render_beside(target=target, kind=kind, python=None)
    assert startscript.is_for(script.encode(), notebook) is expected


def test_a_start_script_that_a_person_wrote_is_for_every_notebook() -> None:
    assert startscript.is_for(b"#!/bin/bash\npython train.py \xff\n", "any.ipynb")
