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
