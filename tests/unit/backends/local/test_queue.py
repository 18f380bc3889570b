from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from jupyter_unattended.backends.local.queue import Entry, LocalQueue, host_of, queue_file
from jupyter_unattended.backends.local.recovery import new_entry
from jupyter_unattended.errors import StoreError
from jupyter_unattended.jobs.states import State

ENVIRONMENT = ("key", '{"PATH": "/bin"}')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return queue_file(tmp_path / "state", "node1")


def add(queue: LocalQueue, *names: str, priority: int = 0) -> None:
    for name in names:
        entry = new_entry(name, f"/w/.unattended/{name}", {"priority": priority})
        queue.add([entry], ENVIRONMENT)


def order(queue: LocalQueue) -> list[str]:
    return [entry.id for entry in queue.queued()]


def test_only_the_user_can_read_it(file: Path) -> None:
    with LocalQueue(file):
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
    assert host_of(file) == "node1"


def test_priority_then_order(file: Path) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a", "b")
        add(queue, "urgent", priority=5)
        assert order(queue) == ["urgent", "a", "b"]
        assert queue.positions() == {"urgent": 0, "a": 1, "b": 2}


def test_adding_twice_is_adding_once(file: Path) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a")
        queue.enter("a", State.RUNNING, "", 1.0)
        add(queue, "a")
        assert [entry.state for entry in queue.some(["a"])] == ["running"]


@pytest.mark.parametrize(
    ("name", "position", "expected"),
    [
        ("c", 0, ["c", "a", "b", "low"]),
        ("a", 2, ["b", "c", "a", "low"]),
        ("a", 99, ["b", "c", "low", "a"]),
        ("low", 0, ["low", "a", "b", "c"]),
        ("low", 1, ["a", "low", "b", "c"]),
        ("b", -5, ["b", "a", "c", "low"]),
        ("b", 1, ["a", "b", "c", "low"]),
        ("gone", 0, ["a", "b", "c", "low"]),
    ],
)
def test_moving(file: Path, name: str, position: int, expected: list[str]) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a", "b", "c", priority=3)
        add(queue, "low", priority=-1)
        queue.move(name, position)
        assert order(queue) == expected


def test_a_job_moved_among_others_gets_their_priority(file: Path) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a", "b", priority=3)
        add(queue, "low", priority=-1)
        queue.move("low", 1)
        assert [entry.priority for entry in queue.queued()] == [3, 3, 3]


def test_a_state_changes_only_from_what_it_was(file: Path) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a")
        queue.enter("a", State.RUNNING, "", 1.0, State.STARTING)
        assert [entry.state for entry in queue.some(["a"])] == ["queued"]


def test_environments_are_kept_as_long_as_a_job_has_them(file: Path) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a", "b")
        queue.remove("a")
        assert queue.environment("key") == {"PATH": "/bin"}
        queue.remove("b")
        assert queue.environment("key") == {}


def test_a_transaction_that_fails_changes_nothing(file: Path) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a")
        with contextlib.suppress(ZeroDivisionError), queue.transaction():
            queue.enter("a", State.FAILED, "no", 1.0)
            _ = 1 / 0
        assert queue.has_work()


def test_others_writing_is_noticed(file: Path) -> None:
    with LocalQueue(file) as queue, LocalQueue(file) as other:
        version = queue.version()
        add(queue, "mine")
        assert queue.version() == version
        add(other, "theirs")
        assert queue.version() != version


def test_a_newer_schema_is_refused(file: Path) -> None:
    with LocalQueue(file):
        pass
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(
        StoreError, match=r"newer jupyter-unattended \(schema 99, this one reads 2\)"
    ):
        LocalQueue(file)


def test_no_wal(file: Path) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a")
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_an_entry_knows_what_it_needs() -> None:
    entry: Entry = new_entry("a", "/d", {"cpus": 2.5, "memory": 100, "gpus": 1})
    assert (entry.needs.cpus, entry.needs.memory, entry.needs.gpus) == (2.5, 100, 1)


def test_a_queue_of_an_older_version_goes_on(file: Path) -> None:
    with LocalQueue(file) as queue:
        add(queue, "a")
    with contextlib.closing(sqlite3.connect(file)) as old:
        old.execute("ALTER TABLE job DROP COLUMN backend")
        old.execute("PRAGMA user_version = 1")
        old.commit()
    with LocalQueue(file, read_only=True) as queue:
        assert [entry.backend for entry in queue.queued()] == ["local"]
    with LocalQueue(file) as queue:
        assert order(queue) == ["a"]
