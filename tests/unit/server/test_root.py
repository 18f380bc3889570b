from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_unattended.errors import InvalidInputError
from jupyter_unattended.server.root import Root


def test_paths_are_below_the_root(tmp_path: Path) -> None:
    root = Root(str(tmp_path))
    assert root.to_disk("a b/ü.ipynb") == tmp_path / "a b" / "ü.ipynb"
    assert root.to_disk("/x.ipynb") == tmp_path / "x.ipynb"
    assert root.to_disk("a/../x.ipynb") == tmp_path / "x.ipynb"
    # A colon further down is part of a name.
    assert root.to_disk("a/b:c.ipynb") == tmp_path / "a" / "b:c.ipynb"


@pytest.mark.parametrize("prefix", ["RTC:", "RTC:/"])
def test_transparent_drives(tmp_path: Path, prefix: str) -> None:
    assert Root(str(tmp_path)).to_disk(prefix + "a/x.ipynb") == tmp_path / "a" / "x.ipynb"


@pytest.mark.parametrize(
    "path", ["../x.ipynb", "a/../../x.ipynb", "RTC:../x.ipynb", "S3:x.ipynb", "x\0.ipynb", "/../x"]
)
def test_what_leaves_the_root_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidInputError):
        Root(str(tmp_path / "root")).to_disk(path)


def test_a_sibling_with_the_same_beginning_is_outside(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        Root(str(tmp_path / "root")).to_disk("../root2/x.ipynb")


def test_links_inside_the_root_are_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "data")
    assert Root(str(tmp_path / "root")).to_disk("link/x.ipynb").parent.name == "link"


def test_back_to_contents_paths(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    root = Root(str(tmp_path / "link"))
    assert root.to_contents(tmp_path / "link" / "a" / "x.ipynb") == "a/x.ipynb"
    assert root.to_contents(tmp_path / "real" / "x.ipynb") == "x.ipynb"
    assert root.to_contents(tmp_path / "other" / "x.ipynb") is None


def test_a_server_without_files() -> None:
    root = Root(None)
    assert root.to_contents("/x") is None
    with pytest.raises(InvalidInputError, match="keeps its files"):
        root.to_disk("x.ipynb")
