from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from jupyter_unattended.backends.base import Backend, JobRef, Observation
from jupyter_unattended.errors import BackendError, StoreError
from jupyter_unattended.jobs import history
from jupyter_unattended.jobs.observer import Observer
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.store import Row, Store
from jupyter_unattended.paths import JobPaths

#: A process id that no process has.
NOBODY = f"{socket.gethostname()}:{2**22 + 1}"


class Scheduler:
    """The part of a backend that is observed: a table of what it would say."""

    keeps_history = False

    def __init__(self) -> None:
        self.says: dict[str, Observation] = {}
        self.asked: list[list[str]] = []
        self.silent = ""

    def poll(self, jobs: Sequence[JobRef]) -> dict[str, Observation]:
        if self.silent:
            raise BackendError(self.silent)
        self.asked.append([job.job_id for job in jobs])
        return {job.job_id: self.says[job.job_id] for job in jobs if job.job_id in self.says}


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


@pytest.fixture
def observer(store: Store, scheduler: Scheduler) -> Observer:
    return Observer(store, lambda _: cast("Backend", scheduler))


def job(tmp_path: Path, name: str, **fields: Any) -> Row:
    directory = tmp_path / ".unattended" / name
    directory.mkdir(parents=True, exist_ok=True)
    known = {"state": "queued", "created": time.time(), **fields}
    return Row(name, name, "/n", str(tmp_path), str(directory), "scheduler", **known)


def states(row: Row) -> list[State]:
    return [entry.state for entry in history.read(JobPaths(Path(row.directory)).history)]


def test_all_jobs_are_asked_about_at_once(
    tmp_path: Path, store: Store, scheduler: Scheduler, observer: Observer
) -> None:
    rows = [job(tmp_path, name) for name in "abc"]
    store.put(rows)
    scheduler.says = {name: Observation(State.RUNNING, attempt=1) for name in "abc"}
    assert {row.state for row in observer.refresh(rows).values()} == {"running"}
    assert scheduler.asked == [["a", "b", "c"]]
    assert {row.state for row in store.all()} == {"running"}
    assert states(rows[0]) == [State.RUNNING]


def test_a_state_is_noted_once(
    tmp_path: Path, store: Store, scheduler: Scheduler, observer: Observer
) -> None:
    row = job(tmp_path, "a")
    store.put([row])
    for state in (State.QUEUED, State.RUNNING, State.RUNNING, State.FAILED):
        scheduler.says = {"a": Observation(state, attempt=1, exit_code=None)}
        row = observer.refresh([row])["a"]
    assert states(row)[-2:] == [State.RUNNING, State.FAILED]
    assert row.reason != ""


def test_silence_is_unknown_and_never_failed(
    tmp_path: Path, store: Store, scheduler: Scheduler, observer: Observer
) -> None:
    row = job(tmp_path, "a", state="running")
    store.put([row])
    scheduler.silent = "connection refused"
    first = observer.refresh([row])["a"]
    assert first.state == State.UNKNOWN
    assert "does not answer since" in first.reason
    assert "before that it was running: connection refused" in first.reason
    # It stays the same silence, from its beginning.
    assert observer.refresh([first])["a"] == first
    scheduler.silent = ""
    scheduler.says = {"a": Observation(State.RUNNING, attempt=1)}
    assert observer.refresh([first])["a"].state == State.RUNNING


def test_what_the_scheduler_forgot_is_decided_from_its_directory(
    tmp_path: Path, store: Store, observer: Observer
) -> None:
    row = job(tmp_path, "a", state="running")
    store.put([row])
    files = JobPaths(Path(row.directory)).attempt(1)
    files.root.mkdir(parents=True)
    files.exit.write_text("0 99.5".ljust(63) + "\n")
    after = observer.refresh([row])["a"]
    assert (after.state, after.exit_code, after.attempt, after.ended) == ("succeeded", 0, 1, 99.5)


def test_what_is_being_submitted_is_waited_for(
    tmp_path: Path, store: Store, observer: Observer
) -> None:
    alive = job(tmp_path, "a", submitter=f"{socket.gethostname()}:{os.getpid()}")
    elsewhere = job(tmp_path, "b", submitter="another-host:1")
    gone = job(tmp_path, "c", submitter=NOBODY)
    long_ago = job(tmp_path, "d", submitter="another-host:1", created=time.time() - 9999)
    store.put([alive, elsewhere, gone, long_ago])
    after = observer.refresh([alive, elsewhere, gone, long_ago])
    assert [after[name].state for name in "abcd"] == ["queued", "queued", "failed", "failed"]
    assert "the process that submitted it ended before scheduler had it" in after["c"].reason


def test_a_full_disk_does_not_change_what_is_seen(
    tmp_path: Path, store: Store, scheduler: Scheduler, observer: Observer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    row = job(tmp_path, "a")
    store.put([row])

    def full(_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "update", full)
    scheduler.says = {"a": Observation(State.RUNNING)}
    assert observer.refresh([row])["a"].state == State.RUNNING
    assert not observer.is_kept
    assert store.all()[0].state == "queued"


def test_a_priority_that_changed_is_shown(
    tmp_path: Path, store: Store, scheduler: Scheduler, observer: Observer
) -> None:
    row = job(tmp_path, "a", priority=1)
    store.put([row])
    scheduler.says = {"a": Observation(State.QUEUED, priority=5, position=2)}
    view = observer.view(observer.refresh([row])["a"])
    assert (view.priority, view.position) == (5, 2)
