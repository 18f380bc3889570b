"""The outputs of one cell as they come, bounded in size, and ready to be written at any moment."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import chain
from numbers import Integral, Real
from typing import Any

from .text import StreamText

#: Of one cell's stdout and stderr, so many characters are kept: half of them from the beginning,
#: half from the end.
STREAM_LIMIT = 1_000_000
#: Likewise for figures, tables and other rich outputs: characters of their JSON, and number.
RICH_LIMIT = 64_000_000
RICH_COUNT = 2_000

_PIECE = 16 * 1024


class Stream:
    """Text written to stdout or stderr, without another output in between."""

    __slots__ = ("name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = StreamText()

    def encode(self) -> str:
        """Return the output as JSON."""
        lines = str(self.text).splitlines(keepends=True)
        return encoded({"output_type": "stream", "name": self.name, "text": lines})


class Rich:
    """A rich output: ``display_data``, ``execute_result`` or ``error``; kept as JSON only."""

    __slots__ = ("_fixed", "_json")

    def __init__(self, kind: str, **fields: Any) -> None:
        self._fixed = {"output_type": kind, **fields}
        self._json = encoded(self._fixed)
        self._fixed.pop("data", None)
        self._fixed.pop("metadata", None)

    @property
    def is_error(self) -> bool:
        """Whether this is an ``error`` output."""
        return bool(self._fixed["output_type"] == "error")

    @property
    def size(self) -> int:
        """Characters of its JSON."""
        return len(self._json)

    def update(self, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Replace the data."""
        self._json = encoded({**self._fixed, "data": data, "metadata": metadata})

    def encode(self) -> str:
        """Return the output as JSON."""
        return self._json


class CellOutputs:
    """The outputs of one cell. Its owner sees to it that one thread at a time uses it.

    Parameters
    ----------
    log
        Where all of the text is, for the notice about what was left out; empty if nowhere.
    """

    def __init__(self, log: str = "") -> None:
        self._log = log
        self._clear_next = False
        self._reset()

    def _reset(self) -> None:
        self._head: list[Stream | Rich] = []
        self._tail: deque[Stream | Rich] = deque()
        self._in_tail = False
        # Of the part that is being filled.
        self._text_size = self._rich_size = self._rich_count = 0
        self._left_out_characters = self._left_out_lines = self._left_out_rich = 0

    def stream(self, name: str, text: str) -> None:
        """Add text that was written to stdout or stderr."""
        self._clear_if_due()
        # In pieces, so that a single huge one is cut in its middle like any other.
        for start in range(0, len(text), _PIECE):
            part = self._tail if self._in_tail else self._head
            last = part[-1] if part else None
            if not (isinstance(last, Stream) and last.name == name):
                last = Stream(name)
                part.append(last)
            before = last.text.size
            last.text.append(text[start : start + _PIECE])
            self._text_size += last.text.size - before
            if self._text_size > STREAM_LIMIT // 2:
                if self._in_tail:
                    self._leave_out_text()
                else:
                    self._begin_tail()

    def rich(self, item: Rich) -> None:
        """Add a rich output."""
        self._clear_if_due()
        (self._tail if self._in_tail else self._head).append(item)
        if item.is_error:
            return
        self._rich_size += item.size
        self._rich_count += 1
        if self._rich_size > RICH_LIMIT // 2 or self._rich_count > RICH_COUNT // 2:
            if self._in_tail:
                self._leave_out_rich()
            else:
                self._begin_tail()

    def clear(self, *, wait: bool) -> None:
        """Remove all outputs, or do so when the next one comes."""
        if wait:
            self._clear_next = True
        else:
            self._clear_next = False
            self._reset()

    def encode(self) -> str:
        """Return the outputs as JSON, a list."""
        notice = self._notice()
        items = chain(self._head, [notice] if notice else [], self._tail)
        return "[" + ", ".join(item.encode() for item in items) + "]"

    def _clear_if_due(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self._reset()

    def _begin_tail(self) -> None:
        self._in_tail = True
        self._text_size = self._rich_size = self._rich_count = 0

    def _leave_out_text(self) -> None:
        while self._text_size > STREAM_LIMIT // 2:
            place, stream = next(
                (place, item) for place, item in enumerate(self._tail) if isinstance(item, Stream)
            )
            removed = stream.text.cut()
            self._text_size -= len(removed)
            self._left_out_characters += len(removed)
            self._left_out_lines += removed.count("\n")
            if stream.text.size == 0:
                del self._tail[place]

    def _leave_out_rich(self) -> None:
        while self._rich_size > RICH_LIMIT // 2 or self._rich_count > RICH_COUNT // 2:
            place, rich = next(
                (place, item)
                for place, item in enumerate(self._tail)
                if isinstance(item, Rich) and not item.is_error
            )
            self._rich_size -= rich.size
            self._rich_count -= 1
            self._left_out_rich += 1
            del self._tail[place]

    def _notice(self) -> Stream | None:
        left_out = []
        if self._left_out_characters:
            left_out.append(
                f"{self._left_out_lines:,} lines ({self._left_out_characters:,} characters)"
            )
        if self._left_out_rich:
            left_out.append(f"{self._left_out_rich:,} figures or other rich outputs")
        if not left_out:
            return None
        where = f"; all of the text is in {self._log}" if self._log else ""
        notice = Stream("stderr")
        notice.text.append(f"\n[unattended] {' and '.join(left_out)} left out here{where}\n")
        return notice


def encoded(value: Any) -> str:
    """Return `value` as JSON, also where it holds what JSON has no word for."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """Return what stands for `value` in JSON, as kernels have it."""
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Iterable):
        return list(value)
    return repr(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
