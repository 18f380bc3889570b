"""output.ipynb: the executed notebook, in memory and on disk.

Cells are encoded when they change, so that publishing costs little more than writing the file; how
often it is written depends on what writing it costs.
"""

from __future__ import annotations

import copy
import json
import platform
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import files
from .outputs import CellOutputs, Rich, encoded
from .parameters import source_of

#: Least seconds between two publications.
MIN_INTERVAL = 2.0
#: Publishing takes at most one part in so many of the time.
COST_FACTOR = 50.0


class Document:
    """The executed notebook; safe to use from threads.

    Parameters
    ----------
    notebook
        The notebook to execute, as parsed JSON of nbformat 4.
    file
        Where it is published.
    log
        Where all text output is, for notices; empty if nowhere.
    guard
        Context manager that holds signals back.
    """

    def __init__(self, notebook: Mapping[str, Any], file: Path, log: str, guard: Any) -> None:
        self.file = file
        self.notebook = _as_minor_5(notebook)
        self.cells: list[dict[str, Any]] = self.notebook["cells"]
        self._guard = guard
        self._log = log
        self.lock = threading.RLock()
        self._current: int | None = None
        self._outputs: dict[int, CellOutputs] = {}
        self._displays: dict[str, list[tuple[int, Rich]]] = {}
        self._encoded: dict[int, bytes] = {}
        self._dirty = True
        self._next_publication = 0.0
        #: Why the file could not be written the last time; None when it was.
        self.problem: OSError | None = None
        for cell in self.cells:
            if cell["cell_type"] == "code":
                cell["outputs"] = []
                cell["execution_count"] = None

    # -- what happens in cells ---------------------------------------------------------------------

    def begin_cell(self, index: int) -> None:
        """Say that outputs are those of cell `index` from now on."""
        with self._guard, self.lock:
            self._current = index
            self._outputs[index] = CellOutputs(self._log)
            self.cells[index]["metadata"]["execution"] = {"iopub.execute_input": _timestamp()}
            self._changed(index)

    def end_cell(self, index: int, execution_count: int | None) -> None:
        """Say that the code of cell `index` has ended; late output still goes there."""
        with self._guard, self.lock:
            self.cells[index]["execution_count"] = execution_count
            self.cells[index]["metadata"]["execution"]["shell.execute_reply"] = _timestamp()
            self._changed(index)

    def keep(self, index: int, kept: Mapping[str, Any]) -> None:
        """Show for cell `index` what an earlier attempt had."""
        with self._guard, self.lock:
            cell = self.cells[index]
            cell["outputs"] = copy.deepcopy(list(kept.get("outputs", ())))
            cell["execution_count"] = kept.get("execution_count")
            if "execution" in kept.get("metadata", {}):
                cell["metadata"]["execution"] = kept["metadata"]["execution"]
            self._changed(index)

    def stream(self, name: str, text: str) -> None:
        """Add text that was written to stdout or stderr."""
        if text:
            with self._guard, self.lock:
                if self._current is not None:
                    self._outputs[self._current].stream(name, text)
                    self._changed(self._current)

    def rich(
        self,
        kind: str,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any],
        *,
        execution_count: int | None = None,
        display_id: str | None = None,
    ) -> None:
        """Add a ``display_data`` or ``execute_result`` output."""
        fields: dict[str, Any] = {"data": _lines(data), "metadata": metadata}
        if kind == "execute_result":
            fields["execution_count"] = execution_count
        with self._guard, self.lock:
            if display_id is not None:
                self.update(display_id, data, metadata)
            if self._current is None:
                return
            item = Rich(kind, **fields)
            self._outputs[self._current].rich(item)
            if display_id is not None:
                self._displays.setdefault(display_id, []).append((self._current, item))
            self._changed(self._current)

    def update(self, display_id: str, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Replace what the displays with this id show, in whichever cell they are."""
        with self._guard, self.lock:
            for index, item in self._displays.get(display_id, ()):
                item.update(_lines(data), metadata)
                self._changed(index)

    def error(self, name: str, value: str, traceback: list[str]) -> None:
        """Add an ``error`` output."""
        with self._guard, self.lock:
            if self._current is not None:
                item = Rich("error", ename=name, evalue=value, traceback=traceback)
                self._outputs[self._current].rich(item)
                self._changed(self._current)

    def clear(self, *, wait: bool) -> None:
        """Remove the current cell's outputs, or do so when its next one comes."""
        with self._guard, self.lock:
            if self._current is not None:
                self._outputs[self._current].clear(wait=wait)
                self._changed(self._current)

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """Return the outputs of cell `index` as they are now."""
        with self._guard, self.lock:
            if index in self._outputs:
                found: list[dict[str, Any]] = json.loads(self._outputs[index].encode())
                return found
            return copy.deepcopy(list(self.cells[index].get("outputs", ())))

    def set_language(self, info: Mapping[str, Any]) -> None:
        """Note what the kernel says about its language."""
        with self._guard, self.lock:
            self.notebook["metadata"]["language_info"] = dict(info)
            self._dirty = True

    def show_again(self, outputs: Iterable[Mapping[str, Any]]) -> None:
        """Have the current cell show `outputs` in the place of what it has shown so far."""
        with self._guard, self.lock:
            if self._current is None:
                return
            shown = self._outputs[self._current]
            shown.clear(wait=False)
            for output in outputs:
                fields = dict(output)
                kind = fields.pop("output_type")
                if kind == "stream":
                    shown.stream(fields["name"], "".join(fields["text"]))
                else:
                    shown.rich(Rich(kind, **fields))
            self._changed(self._current)

    # -- the file ----------------------------------------------------------------------------------

    def publish_if_due(self) -> None:
        """Publish if something changed and the last time is long enough ago."""
        if self._dirty and time.monotonic() >= self._next_publication:
            self.publish()

    def publish(self) -> None:
        """Write the file; `problem` tells whether it could be done."""
        began = time.monotonic()
        with self._guard:
            with self.lock:
                self._dirty = False
                content = self._encode()
            try:
                files.replace(self.file, content)
                self.problem = None
            except OSError as error:
                self.problem = error
                self._dirty = True
        ended = time.monotonic()
        self._next_publication = ended + max(MIN_INTERVAL, COST_FACTOR * (ended - began))

    def _changed(self, index: int) -> None:
        self._encoded.pop(index, None)
        self._dirty = True

    def _encode(self) -> bytes:
        parts = []
        for index, cell in enumerate(self.cells):
            part = self._encoded.get(index)
            if part is None:
                part = self._encoded[index] = self._encode_cell(index, cell)
            parts.append(part)
        rest = {key: value for key, value in self.notebook.items() if key != "cells"}
        ending = encoded(rest)[1:].encode("utf-8", "replace")
        return b'{"cells": [\n' + b",\n".join(parts) + b"\n],\n" + ending + b"\n"

    def _encode_cell(self, index: int, cell: dict[str, Any]) -> bytes:
        shown = {key: value for key, value in cell.items() if key != "outputs"}
        shown["source"] = source_of(cell).splitlines(keepends=True)
        text = encoded(shown)
        if cell["cell_type"] == "code":
            outputs = self._outputs.get(index)
            text = text[:-1] + ', "outputs": '
            text += (outputs.encode() if outputs else encoded(cell["outputs"])) + "}"
        return text.encode("utf-8", "replace")


def _as_minor_5(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy as nbformat 4.5, where every cell has an id, for this Python."""
    converted: dict[str, Any] = copy.deepcopy(dict(notebook))
    cells = converted.setdefault("cells", [])
    taken = {cell["id"] for cell in cells if "id" in cell}
    for number, cell in enumerate(cells):
        cell.setdefault("metadata", {})
        if "id" not in cell:
            cell["id"] = _free(f"cell-{number}", taken)
    metadata = converted.setdefault("metadata", {})
    if metadata.get("language_info", {}).get("name", "python") == "python":
        metadata["language_info"] = {
            "codemirror_mode": {"name": "ipython", "version": 3},
            "file_extension": ".py",
            "mimetype": "text/x-python",
            "name": "python",
            "nbconvert_exporter": "python",
            "pygments_lexer": "ipython3",
            "version": platform.python_version(),
        }
    converted["nbformat"] = 4
    converted["nbformat_minor"] = max(5, converted.get("nbformat_minor", 5))
    return converted


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "-"
    taken.add(name)
    return name


def _lines(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return mime data with long text as lists of lines, as notebooks on disk have it."""
    return {
        mime: value.splitlines(keepends=True)
        if isinstance(value, str) and (mime.startswith("text/") or mime.endswith(("xml", "script")))
        else value
        for mime, value in data.items()
    }


def _timestamp() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
