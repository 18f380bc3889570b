from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.jobs import discovery, history
from jupyter_unattended.jobs.discovery import Discovery, read_row
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.store import Store
from jupyter_unattended.paths import JobPaths


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path / "w")
    return Store(tmp_path / "state")


def make(
    workspace: Path, name: str, *states: State, handle: str | None = "h", **spec: Any
) -> JobPaths:
    paths = JobPaths.in_workspace(workspace, name)
    paths.root.mkdir(parents=True)
    fields = {"notebook": "/n.ipynb", "backend": "local", "name": "n", "priority": 2, **spec}
    record = {"spec": fields, "submitted": {"at": 5.0}, "restarted_from": None}
    paths.spec.write_text(json.dumps(record))
    for number, state in enumerate(states):
        history.append(paths.history, history.line(state, "why", by="agent", at=10.0 + number))
    if handle is not None:
        discovery.write_handle(paths, handle)
    return paths


def test_a_directory_tells_its_job(tmp_path: Path) -> None:
    paths = make(tmp_path, "a", State.QUEUED, State.FAILED)
    row = read_row(paths)
    assert row is not None
    assert (row.id, row.state, row.reason, row.since) == ("a", "failed", "why", 11.0)
    assert (row.handle, row.priority, row.created, row.workspace) == ("h", 2, 5.0, str(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"spec": {}}', '{"spec": 3}', "\x00"])
def test_what_is_no_job_is_no_job(tmp_path: Path, content: str) -> None:
    paths = JobPaths.in_workspace(tmp_path, "a")
    paths.root.mkdir(parents=True)
    paths.spec.write_text(content)
    assert read_row(paths) is None


def test_the_current_directorys_workspace_is_looked_at_and_remembered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Path.cwd()
    make(workspace, "a", State.QUEUED, State.SUCCEEDED)
    (workspace / "deeper").mkdir()
    monkeypatch.chdir(workspace / "deeper")
    Discovery(store).run()
    assert [row.id for row in store.all()] == ["a"]
    monkeypatch.chdir("/")
    store.file.unlink()
    Discovery(store).ensure_index()
    assert [row.id for row in store.all()] == ["a"]


def test_a_job_on_its_way_is_left_to_its_submitter(store: Store) -> None:
    young = make(Path.cwd(), "young", State.QUEUED, handle=None)
    old = make(Path.cwd(), "old", State.QUEUED, handle=None)
    past = time.time() - 2 * discovery.HANDOVER
    os.utime(old.root, (past, past))
    begun = make(Path.cwd(), "begun", State.RUNNING, handle=None)
    begun.attempt(1).root.mkdir(parents=True)
    Discovery(store).run()
    assert {row.id for row in store.all()} == {"old", "begun"}
    discovery.write_handle(young, "")
    Discovery(store).run()
    assert {row.id for row in store.all()} == {"old", "begun", "young"}


def test_unfinished_and_deleted_directories_are_not_seen(store: Store) -> None:
    for name in (".new-a", ".deleted-b"):
        make(Path.cwd(), name, State.SUCCEEDED)
    Discovery(store).run()
    assert store.all() == []


def test_only_what_has_ended_is_dropped_with_its_directory(store: Store) -> None:
    ended = make(Path.cwd(), "ended", State.SUCCEEDED)
    running = make(Path.cwd(), "running", State.RUNNING)
    Discovery(store).run()
    for paths in (ended, running):
        paths.root.rename(paths.root.parent.parent / paths.job_id)
    Discovery(store).run()
    assert [row.id for row in store.all()] == ["running"]


def test_a_damaged_index_is_set_aside(store: Store) -> None:
    make(Path.cwd(), "a", State.SUCCEEDED)
    Discovery(store).run()
    store.file.write_bytes(b"garbage" * 1000)
    Discovery(store).run()
    assert [row.id for row in store.all()] == ["a"]
    assert len(list(store.state_dir.glob("jobs.sqlite.damaged-*"))) == 1
