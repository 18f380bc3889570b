"""Threads that are a reason not to save, and those that are none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from jupyter_unattended.runtime import snapshot_activity


@pytest.fixture
def hold() -> Iterator[Callable[[str], threading.Event]]:
    """Return what starts a thread that runs until an event is set."""
    events: list[tuple[threading.Event, threading.Thread]] = []

    def start(name: str) -> threading.Event:
        event = threading.Event()
        thread = threading.Thread(target=event.wait, args=[60], name=name)
        thread.start()
        events.append((event, thread))
        return event

    yield start
    for event, thread in events:
        event.set()
        thread.join()


def test_a_thread_of_the_notebook(hold: Callable[[str], threading.Event]) -> None:
    assert snapshot_activity._thread() is None
    hold("mine")
    assert snapshot_activity._thread() == "a thread (mine) is running"


@pytest.mark.parametrize("name", ["unattended", "unattended-checkpoint", "asyncio-waitpid-0"])
def test_threads_that_nobody_misses(hold: Callable[[str], threading.Event], name: str) -> None:
    hold(name)
    assert snapshot_activity._thread() is None


def test_one_that_is_about_to_end_is_waited_for(
    hold: Callable[[str], threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_activity, "_BREATH", 60)
    hold("mine").set()
    assert snapshot_activity._thread() is None
