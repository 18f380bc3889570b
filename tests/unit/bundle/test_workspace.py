from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_unattended.bundle.workspace import resolve
from jupyter_unattended.errors import WorkspaceError


@pytest.fixture(autouse=True)
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNATTENDED_WORKSPACE", raising=False)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    directory = tmp_path / "project" / "deep" / "er"
    directory.mkdir(parents=True)
    return directory / "n.ipynb"


def test_the_notebooks_directory_if_there_is_nothing_else(notebook: Path) -> None:
    assert resolve(notebook, None) == notebook.parent


def test_the_git_work_tree(notebook: Path) -> None:
    (notebook.parents[2] / ".git").touch()
    assert resolve(notebook, None) == notebook.parents[2]


def test_a_directory_that_had_jobs_comes_before_git(notebook: Path) -> None:
    (notebook.parents[1] / ".git").mkdir()
    (notebook.parents[2] / ".unattended").mkdir()
    assert resolve(notebook, None) == notebook.parents[2]


def test_the_environment_comes_first(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (notebook.parent / ".unattended").mkdir()
    monkeypatch.setenv("UNATTENDED_WORKSPACE", str(notebook.parents[2]))
    assert resolve(notebook, None) == notebook.parents[2]


def test_an_environment_for_somewhere_else_does_not_count(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("UNATTENDED_WORKSPACE", str(tmp_path / "other"))
    assert resolve(notebook, None) == notebook.parent


def test_what_was_chosen_must_hold_the_notebook(notebook: Path, tmp_path: Path) -> None:
    assert resolve(notebook, tmp_path) == tmp_path
    (tmp_path / "other").mkdir()
    with pytest.raises(WorkspaceError, match="is not in the workspace"):
        resolve(notebook, tmp_path / "other")
    with pytest.raises(WorkspaceError, match="is not a directory"):
        resolve(notebook, tmp_path / "nowhere")


def test_a_link_to_the_workspace_is_the_workspace(notebook: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(notebook.parents[2])
    assert resolve(notebook, tmp_path / "link") == tmp_path / "link"
