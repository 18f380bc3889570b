"""Text of a stream as an output keeps it: progress bars folded, bounded by its owner."""

from __future__ import annotations

from collections import deque

_PIECE = 16 * 1024
_ERASE_LINE = ("\x1b[2K", "\x1b[K")


def fold(line: str) -> str:
    """Return what a line shows after its carriage returns and backspaces, as JupyterLab has it.

    A carriage return at the very end is kept, because what comes next is to overwrite the line.
    """
    while "\b" in line:
        at = line.index("\b")
        line = line[: max(0, at - 1)] + line[at + 1 :]
    if "\r" not in line:
        return line
    body = line.rstrip("\r")
    ending = "\r" if len(body) < len(line) else ""
    shown, *overwritten_by = body.split("\r")
    for text in overwritten_by:
        shown = text if text.startswith(_ERASE_LINE) else text + shown[len(text) :]
    return shown + ending


def _fold_lines(text: str) -> str:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if "\b" in line or "\r" in line[:-1]:
            folded = fold(line)
            lines[number] = folded
    return "\n".join(lines)


class StreamText:
    """Text that grows at its end and can be cut at its beginning, both cheaply."""

    __slots__ = ("_line", "_pieces", "_returned", "size")

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._line: list[str] = []
        self._returned = False  # the current line ends with a carriage return
        #: Characters kept.
        self.size = 0

    def append(self, text: str) -> None:
        """Add `text` at the end."""
        end = text.rfind("\n") + 1
        if end:
            body = text[:end]
            if self._line:
                body = "".join(self._line) + body
                self.size -= len(body) - end
                self._line.clear()
                self._returned = False
            if "\r" in body or "\b" in body:
                body = _fold_lines(body)
            self._keep(body)
            text = text[end:]
        if text:
            self._extend_line(text)

    def _extend_line(self, text: str) -> None:
        if self._returned or "\r" in text or "\b" in text:
            before = sum(map(len, self._line))
            line = fold("".join(self._line) + text)
            self._line = [line]
            self._returned = line.endswith("\r")
            self.size += len(line) - before
            return
        self._line.append(text)
        self.size += len(text)
        if len(self._line) >= 4096:  # dots without an end of line
            self._pieces.append("".join(self._line))
            self._line.clear()

    def _keep(self, text: str) -> None:
        self.size += len(text)
        if len(text) <= _PIECE:
            self._pieces.append(text)
            return
        self._pieces.extend(text[at : at + _PIECE] for at in range(0, len(text), _PIECE))

    def cut(self) -> str:
        """Remove some text at the beginning and return it; empty when there is none."""
        if self._pieces:
            removed = self._pieces.popleft()
        elif self._line:
            removed = "".join(self._line)
            self._line.clear()
            self._returned = False
        else:
            return ""
        self.size -= len(removed)
        return removed

    def __str__(self) -> str:
        return "".join(self._pieces) + "".join(self._line)
