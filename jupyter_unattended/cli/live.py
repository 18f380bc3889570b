"""What moves on a terminal: the line that tells how a job gets on."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from . import text
from .look import elapsed

if TYPE_CHECKING:
    from ..jobs.view import JobView


class ProgressLine:
    """State, bar, cells done and time left in one line that keeps itself up to date.

    Parameters
    ----------
    stream
        The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.console = Console(
            file=stream, highlight=False, no_color=bool(os.environ.get("NO_COLOR")) or None
        )
        self._spinner = Spinner("dots")
        self._view: JobView | None = None
        self._tail = ""
        self._lock = threading.Lock()
        self._live = Live(
            console=self.console,
            refresh_per_second=5,
            transient=True,
            get_renderable=self._render,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> ProgressLine:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, view: JobView) -> None:
        """Show this from now on."""
        self._view = view

    def write(self, chunk: str) -> None:
        """Print a piece of a log above the line; an unfinished last line is kept below it."""
        with self._lock:
            *lines, self._tail = (self._tail + chunk).split("\n")
            if lines:
                shown = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)
                self.console.print(Text.from_ansi(shown), soft_wrap=True)

    def finish(self) -> None:
        """Print what is left of an unfinished last line."""
        if self._tail:
            self.write("\n")

    def _render(self) -> RenderableType:
        line = self._line()
        tail = self._tail.rstrip("\r").rsplit("\r", 1)[-1]
        if not tail:
            return line
        shown = Text.from_ansi(tail)
        shown.truncate(self.console.width, overflow="ellipsis")
        return Group(shown, line)

    def _line(self) -> RenderableType:
        view = self._view
        if view is None:
            return Text("")
        progress = view.progress
        grid = Table.grid(padding=(0, 1))
        state = Text(view.state.value, style=text.colour_of(view.state.value))
        cells: list[RenderableType] = [self._spinner, Text(text.one_line(view.name)), state]
        if progress.fraction is not None:
            cells.append(ProgressBar(total=1, completed=progress.fraction, width=24))
            cells.append(Text(f"{progress.fraction:.0%}"))
        if progress.cells_total is not None:
            cells.append(Text(f"{progress.cells_done or 0}/{progress.cells_total} cells"))
        if view.attempt > 1:
            cells.append(Text(f"attempt {view.attempt}"))
        if view.started is not None:
            cells.append(Text(text.duration(round(elapsed(view) or 0)), style="dim"))
        left = time_left(view)
        if left is not None:
            cells.append(Text(f"about {text.duration(max(round(left), 1))} left", style="dim"))
        if view.state.value == "queued" and view.position is not None:
            cells.append(Text(f"number {view.position + 1} in the queue", style="dim"))
        if view.reason and not view.state.is_active:
            cells.append(Text(text.one_line(view.reason), style="dim", overflow="ellipsis"))
        for _ in cells:
            grid.add_column(no_wrap=True)
        grid.add_row(*cells)
        return grid


def time_left(view: JobView, now: float | None = None) -> float | None:
    """Return the seconds left, or None while there is too little to tell from.

    The notebook's own progress is trusted; cells are counted only once some have finished, because
    they differ in length.
    """
    progress = view.progress
    if view.state.value != "running":
        return None
    if progress.eta is not None:
        return progress.eta
    fraction = progress.fraction
    if fraction is None or view.started is None or not 0.1 <= fraction < 1:
        return None
    if progress.done is None and (progress.cells_done or 0) < 3:
        return None
    spent = (time.time() if now is None else now) - view.started
    return spent * (1 - fraction) / fraction
