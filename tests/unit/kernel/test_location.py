"""Finding the notebook that a kernel belongs to."""

from pathlib import Path

import pytest

from jupyter_unattended.errors import NotebookError
from jupyter_unattended.kernel import location


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    path = tmp_path / "a notebook.ipynb"
    path.write_text("{}")
    return path


def test_from_the_session_name(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    assert location.current_notebook({}) == notebook


def test_from_a_session_name_on_a_collaborative_drive(
    notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", f"{notebook.parent}/RTC:{notebook.name}")
    assert location.current_notebook({}) == notebook


def test_from_vs_code(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/elsewhere/other.ipynb")
    assert location.current_notebook({"__vsc_ipynb_file__": str(notebook)}) == notebook


def test_a_console_has_no_notebook(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook.with_suffix(".py")))
    with pytest.raises(NotebookError, match="--notebook PATH"):
        location.current_notebook({})
