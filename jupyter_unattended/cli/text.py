"""How things are said: colours, times, tables, and where words go.

Results go to stdout, everything else to stderr. On a terminal there is colour; in a pipe text is
plain and its form is stable.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TextIO

from ..wording import duration as duration

_COLOURS = {
    "queued": "cyan",
    "starting": "cyan",
    "running": "blue",
    "pausing": "yellow",
    "paused": "yellow",
    "preempted": "yellow",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
    "error": "red",
    "warning": "yellow",
    "info": "cyan",
}
_CODES = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "dim": 2,
          "bold": 1}  # fmt: skip


def is_terminal(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether to colour what is written to `stream`; NO_COLOR wins."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def paint(word: str, colour: str | None, stream: TextIO | None = None) -> str:
    """Return `word` in `colour` (a state's name will do) if `stream`, stdout, shows colours."""
    code = _CODES.get(_COLOURS.get(colour or "", colour or ""))
    if code is None or not has_colour(stream or sys.stdout):
        return word
    return f"\x1b[{code}m{word}\x1b[0m"


def colour_of(word: str) -> str:
    """Return the colour's name for a state or a severity, empty for none."""
    return _COLOURS.get(word, "")


def one_line(value: object) -> str:
    """Return text with control characters escaped, so that a strange name stays in its line."""
    shown = str(value)
    if shown.isprintable():
        return shown
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown
    )


def examples(*lines: str) -> str:
    """Return the end of a help text: examples, one a line, as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def say(message: str) -> None:
    """Tell the person something that is not the command's result."""
    print(message, file=sys.stderr, flush=True)


def error(message: str) -> None:
    """Say what went wrong, in one line."""
    say(f"{paint('Error:', 'red', sys.stderr)} {one_line(message)}")


def warn(message: str) -> None:
    """Say what may be wrong, in one line."""
    say(f"{paint('Warning:', 'yellow', sys.stderr)} {one_line(message)}")


def ago(then: float | None, now: float | None = None) -> str:
    """Return ``just now``, ``5 min ago``, ``yesterday 14:02`` or a date, in local time."""
    if then is None:
        return ""
    now = time.time() if now is None else now
    passed = now - then
    if passed < 0:
        return moment(then)
    if passed < 10:
        return "just now"
    if passed < 60:
        return f"{passed:.0f} s ago"
    if passed < 3600:
        return f"{passed // 60:.0f} min ago"
    day, today = datetime.fromtimestamp(then), datetime.fromtimestamp(now)
    days = (today.date() - day.date()).days
    if days == 0 or passed < 6 * 3600:
        return f"{passed // 3600:.0f} h ago"
    if days == 1:
        return f"yesterday {day:%H:%M}"
    return f"{day:%a %H:%M}" if days < 7 else f"{day:%Y-%m-%d}"


def moment(when: float | None) -> str:
    """Return a moment in local time, ``2026-01-31 14:02:59``."""
    return "" if when is None else f"{datetime.fromtimestamp(when):%Y-%m-%d %H:%M:%S}"


def size(count: float) -> str:
    """Return a number of bytes as ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def print_json(value: Any) -> None:
    """Print plain data as JSON that a person can read, too."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print tab-separated lines under a heading: what a pipe gets."""
    lines = ["\t".join(map(one_line, row)) for row in rows]
    print("\n".join(["\t".join(header), *lines]))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print ``Name: value`` lines, the names as a column; facts without a value are left out."""
    shown = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0) + 2
    for name, value in shown:
        first, *rest = value.splitlines() or [""]
        print(f"{paint((name + ':').ljust(width), 'dim')}{first}")
        for line in rest:
            print(" " * width + line)
