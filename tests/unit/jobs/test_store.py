from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.errors import StoreError
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.store import Row, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


def row(job_id: str, created: float = 1.0, **fields: Any) -> Row:
    defaults: dict[str, Any] = {
        "name": "train", "notebook": "/w/train.ipynb", "workspace": "/w", "backend": "local",
        "directory": f"/w/.unattended/{job_id}", "state": "queued",
    }  # fmt: skip
    return Row(id=job_id, created=created, **{**defaults, **fields})


def ids(rows: list[Row]) -> list[str]:
    return [found.id for found in rows]


def test_what_is_put_is_found(store: Store) -> None:
    full = row("a", handle="h", reason="r", since=2.0, exit_code=3, started=4.0, ended=5.0,
               attempt=6, priority=7, cells_done=8, cells_total=9, done=1.5, total=2.5,
               restarted_from="b", submitter="host:1", state="failed")  # fmt: skip
    store.put([full])
    assert store.all() == [full]
    view = full.view(position=3)
    assert (view.state, view.position, view.progress.cells_done) == (State.FAILED, 3, 8)


def test_newest_first(store: Store) -> None:
    store.put([row("a", 1.0), row("c", 3.0), row("b", 2.0)])
    assert ids(store.all()) == ["c", "b", "a"]
    assert ids(store.search(limit=2)) == ["c", "b"]


def test_an_id_then_a_name_then_the_beginning_of_an_id(store: Store) -> None:
    store.put([row("train-1-a", 1.0), row("train-1-b", 2.0), row("eval-1", 3.0, name="train-1-a")])
    assert ids(store.find("train-1-a")) == ["train-1-a"]
    assert ids(store.find("train")) == ["train-1-b"]
    assert ids(store.find("train-1")) == ["train-1-b", "train-1-a"]
    assert ids(store.find("eval")) == ["eval-1"]
    assert store.find("x") == []
    assert store.find("") == []
    assert store.find("%") == []


def test_searching(store: Store) -> None:
    store.put(
        [
            row("a", 1.0, state="succeeded", notebook="/w/x.ipynb"),
            row("b", 2.0, state="failed", reason="cell 3 raised ValueError: 100% bad_luck"),
            row("c", 3.0, state="running", name="Über alles"),
        ]
    )
    assert ids(store.search([State.SUCCEEDED, State.RUNNING])) == ["c", "a"]
    assert ids(store.search([])) == []
    assert ids(store.search(notebook="/w/x.ipynb")) == ["a"]
    assert ids(store.search(text="valueerror")) == ["b"]
    assert ids(store.search(text="100%")) == ["b"]
    assert ids(store.search(text="bad_luck")) == ["b"]
    assert ids(store.search(text="badXluck")) == []
    assert ids(store.search(text="ber alles")) == ["c"]
    assert ids(store.search([State.FAILED], "/w/train.ipynb", "b", 1)) == ["b"]
    assert ids(store.unfinished()) == ["c"]


def test_changes_and_removal(store: Store) -> None:
    store.put([row("a"), row("b")])
    store.update({"a": {"state": "running", "attempt": 2}, "gone": {"state": "failed"}})
    assert [(found.id, found.state, found.attempt) for found in store.all()] == [
        ("b", "queued", 0),
        ("a", "running", 2),
    ]
    store.remove(["a", "gone"])
    assert ids(store.all()) == ["b"]
    store.update({})
    store.put([])
    store.remove([])


def test_a_newer_index_is_refused(store: Store) -> None:
    store.put([row("a")])
    connection = sqlite3.connect(store.file)
    connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(StoreError, match="upgrade this one"):
        store.all()


def test_workspaces_outlive_the_index(store: Store) -> None:
    for workspace in ("/a", "/b\nc", "/a"):
        store.remember_workspace(workspace)
    assert store.workspaces() == ["/a", "/b\nc"]
    with store.workspaces_file.open("a") as stream:
        stream.write('"/tor')
    assert store.workspaces() == ["/a", "/b\nc"]
