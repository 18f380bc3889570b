from __future__ import annotations

from collections.abc import Sequence

import pytest

from jupyter_unattended.backends.batch import endings
from jupyter_unattended.backends.batch.endings import Endings
from jupyter_unattended.backends.batch.observe import Seen


class Book:
    """An accounting that notes what it is asked, and a clock."""

    def __init__(self) -> None:
        self.entries: dict[str, Seen] = {}
        self.asked: list[list[str]] = []
        self.now = 100.0

    def ask(self, ids: Sequence[str]) -> dict[str, Seen]:
        self.asked.append(list(ids))
        return {one: self.entries[one] for one in ids if one in self.entries}

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Book:
    made = Book()
    monkeypatch.setattr(endings, "time", made)
    return made


def test_what_is_written_there_is_asked_for_once(book: Book) -> None:
    seen = book.entries["1"] = Seen("1", "ended", "out of memory", ended_as="memory")
    ends = Endings(book.ask)
    for _ in range(3):
        assert ends.of(["1"], live=[]) == {"1": seen}
        book.now += 1000
    assert book.asked == [["1"]]


def test_what_is_not_written_yet_is_asked_for_ever_more_rarely(book: Book) -> None:
    ends = Endings(book.ask)
    times = []
    for _ in range(100):
        before = len(book.asked)
        assert ends.of(["1", ""], live=[]) == {}
        if len(book.asked) > before:
            times.append(book.now - 100)
        book.now += 1
    assert times == [0, 5, 15, 35, 75]
    assert book.asked[0] == ["1"]
    book.entries["1"] = Seen("1", "ended")
    book.now += 600
    assert ends.of(["1"], live=[]) == {"1": book.entries["1"]}


def test_a_job_that_is_there_again_ends_anew(book: Book) -> None:
    book.entries["1"] = Seen("1", "ended", "the first time")
    ends = Endings(book.ask)
    ends.of(["1"], live=[])
    assert ends.of([], live=["1"]) == {}
    book.entries["1"] = Seen("1", "ended", "the second time")
    assert ends.of(["1"], live=[])["1"].why == "the second time"
