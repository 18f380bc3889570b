from __future__ import annotations

import io
from datetime import datetime

import pytest

from jupyter_unattended.cli import text


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, ""),
        (-1, "0 ms"),
        (0.85, "850 ms"),
        (4.25, "4.2 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_duration(seconds: float | None, expected: str) -> None:
    assert text.duration(seconds) == expected


def test_ago() -> None:
    now = datetime(2026, 3, 5, 15, 0).timestamp()
    assert text.ago(now - 3, now) == "just now"
    assert text.ago(now - 50, now) == "50 s ago"
    assert text.ago(now - 300, now) == "5 min ago"
    assert text.ago(now - 3 * 3600, now) == "3 h ago"
    assert text.ago(now - 20 * 3600, now) == "yesterday 19:00"
    assert text.ago(datetime(2026, 3, 2, 9, 30).timestamp(), now) == "Mon 09:30"
    assert text.ago(datetime(2025, 3, 2, 9, 30).timestamp(), now) == "2025-03-02"
    assert text.ago(None, now) == ""
    # A clock that was set back must not make us say nonsense.
    assert text.ago(now + 60, now) == "2026-03-05 15:01:00"


def test_a_strange_name_stays_in_its_line() -> None:
    assert text.one_line("a\nb\x1b[31m\té 🚀") == "a\\nb\\x1b[31m\\té 🚀"


def test_colour_only_on_a_terminal_and_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert text.paint("failed", "failed", _Terminal()) == "\x1b[31mfailed\x1b[0m"
    assert text.paint("failed", "failed", io.StringIO()) == "failed"
    monkeypatch.setenv("TERM", "dumb")
    assert text.paint("failed", "failed", _Terminal()) == "failed"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert text.paint("failed", "failed", _Terminal()) == "failed"


def test_facts_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    text.print_facts([("State", "running"), ("Reason", ""), ("Attempts", "1\n2")])
    assert capsys.readouterr().out == "State:    running\nAttempts: 1\n          2\n"


@pytest.mark.parametrize(
    ("count", "expected"), [(12, "12 B"), (1500, "1.5 kB"), (4e9, "4.0 GB"), (5e13, "50.0 TB")]
)
def test_size(count: float, expected: str) -> None:
    assert text.size(count) == expected
