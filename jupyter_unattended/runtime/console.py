"""Where everything that the notebook shows goes: the log, the executed notebook, or both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .document import Document
from .log import Log
from .stopping import Guard, Stop

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


class Console:
    """What the notebook's output goes through.

    Parameters
    ----------
    log
        Gets text.
    document
        Gets everything.
    guard
        Context manager that holds signals back.
    stop
        Who knows about signals.
    """

    def __init__(self, log: Log, document: Document, guard: Guard, stop: Stop) -> None:
        self._log = log
        self._document = document
        self._guard = guard
        self.stop = stop

    def stream(self, name: str, text: str) -> None:
        """Show text of stdout or stderr."""
        self._log.write(name, text)

    def display(
        self,
        kind: str,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any],
        *,
        execution_count: int | None = None,
        display_id: str | None = None,
    ) -> None:
        """Show a mime bundle; its plain text goes to the log."""
        with self._guard:
            self._log.sync()
            self._document.rich(
                kind, data, metadata, execution_count=execution_count, display_id=display_id
            )
            self._note(data)

    def update(
        self, display_id: str | None, data: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> None:
        """Replace what was displayed with `display_id`."""
        if display_id is not None:
            self._document.update(display_id, data, metadata)

    def error(self, name: str, value: str, traceback: list[str]) -> None:
        """Show an error with its traceback."""
        with self._guard:
            self._log.sync()
            self._document.error(name, value, traceback)
            self._log.note(_ANSI.sub("", "\n".join(traceback)).rstrip("\n") + "\n")

    def flush(self) -> None:
        """Pass on what others wrote to the log until now."""
        self._log.sync()

    def clear(self, *, wait: bool) -> None:
        """Remove what the cell has shown."""
        with self._guard:
            self._log.sync()
            self._document.clear(wait=wait)

    def _note(self, data: Mapping[str, Any]) -> None:
        text = data.get("text/plain")
        if isinstance(text, str) and text:
            self._log.note(text.rstrip("\n") + "\n")
