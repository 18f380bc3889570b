from __future__ import annotations

import io
import re

import pytest

from jupyter_unattended.cli.live import ProgressLine
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.view import JobView, Progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> _Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    return _Terminal()


def _running() -> JobView:
    return JobView(
        "j1", "train", "/w/train.ipynb", "/w", "/w/.unattended/j1", "local", State.RUNNING,
        progress=Progress(3, 12), attempt=2,
    )  # fmt: skip


def test_the_line_tells_state_cells_and_attempt(terminal: _Terminal) -> None:
    with ProgressLine(terminal) as line:
        line.update(_running())
    shown = terminal.getvalue()
    assert "train" in shown
    assert "running" in shown
    assert "25%" in shown
    assert "3/12 cells" in shown
    assert "attempt 2" in shown


def test_log_lines_are_printed_whole_and_progress_bars_as_their_last_state(
    terminal: _Terminal,
) -> None:
    with ProgressLine(terminal) as line:
        line.write("one\ntw")
        line.write("o\n10%\r50%\r100%\nlast")
        line.finish()
    plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", terminal.getvalue()).replace("\r", "\n")
    shown = [part.strip() for part in plain.splitlines()]
    assert "one" in shown
    assert "two" in shown
    assert "100%" in shown
    assert "10%" not in shown
    assert "last" in shown
    assert shown.index("one") < shown.index("two") < shown.index("100%")


def test_markup_in_a_log_is_text(terminal: _Terminal) -> None:
    with ProgressLine(terminal) as line:
        line.write("[bold]x[/bold] :smile:\n")
    assert "[bold]x[/bold] :smile:" in terminal.getvalue()
