from __future__ import annotations

import pytest

from jupyter_unattended.runtime.text import StreamText, fold


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("10%\r20%", "20%"),
        ("longer\rnew", "newger"),
        ("10%\r", "10%\r"),
        ("a\rb\rc\r", "c\r"),
        ("ab\b\bcd", "cd"),
        ("\bx", "x"),
        ("leftover\r\x1b[2Know", "\x1b[2Know"),
        ("\r50%\r\r60%", "60%"),
    ],
)
def test_a_line_shows_what_a_notebook_shows(line: str, shown: str) -> None:
    assert fold(line) == shown


def test_text_is_kept_as_it_came() -> None:
    text = StreamText()
    for piece in ("a", "b\nc", "\n", "", "dos\r\n", "end"):
        text.append(piece)
    assert str(text) == "ab\nc\ndos\r\nend"
    assert text.size == len(str(text))


def test_a_progress_bar_takes_one_line_however_it_is_cut() -> None:
    text = StreamText()
    text.append("start\n")
    for percent in range(1000):
        text.append("\r")
        text.append(f"{percent:4}")
    assert str(text) == "start\n 999"
    text.append("\ndone\n")
    assert str(text) == "start\n 999\ndone\n"
    assert text.size == len(str(text))


def test_cutting_takes_from_the_beginning() -> None:
    text = StreamText()
    text.append("x" * 100_000)
    text.append("tail")
    while text.size > 10_000:
        assert text.cut()
    assert text.size == len(str(text))
    while text.cut():
        pass
    assert str(text) == ""
    assert text.size == 0


def test_dots_without_an_end_of_line_cost_the_same_each() -> None:
    text = StreamText()
    for _ in range(50_000):
        text.append(".")
    assert text.size == 50_000
    assert str(text) == "." * 50_000
