"""Tells whether the notebook on disk is what the person has before them.

The kernel cannot see the editor, but it sees every cell that is run, with its id. A cell that was
run after the file was last written, and stands differently in it, proves that the file is old.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.parameters import source_of


@dataclass(frozen=True)
class Run:
    """One run of a cell: its id (None where the front end tells none), source and time."""

    cell_id: str | None
    source: str
    time: float


@dataclass(frozen=True)
class Staleness:
    """What is known about the file's age.

    Parameters
    ----------
    saved
        When the file was written, seconds since the epoch.
    changed
        1-based numbers of cells that were run in another form after the file was written.
    current_is_missing
        Whether the cell that is running now is not in the file as it stands.
    """

    saved: float
    changed: list[int]
    current_is_missing: bool


class Recorder:
    """Remembers the last run of every cell of this kernel; registered for ``pre_run_cell``."""

    def __init__(self) -> None:
        self.current: Run | None = None
        self._by_id: dict[str, Run] = {}

    def pre_run_cell(self, info: Any) -> None:
        """Note a cell that is about to run (called by IPython)."""
        if not getattr(info, "store_history", True):
            return
        run = Run(getattr(info, "cell_id", None), info.raw_cell or "", time.time())
        self.current = run
        if run.cell_id is not None:
            self._by_id[run.cell_id] = run

    def staleness(self, notebook: Path) -> Staleness:
        """Compare the file with what was run; a file that cannot be read is not called old."""
        try:
            saved = notebook.stat().st_mtime
            cells = json.loads(notebook.read_text(encoding="utf-8")).get("cells", [])
        except (OSError, ValueError, AttributeError):
            return Staleness(time.time(), [], False)
        sources = {
            str(cell.get("id")): (number, source_of(cell)) for number, cell in enumerate(cells, 1)
        }
        changed = []
        for cell_id, run in self._by_id.items():
            if run is self.current or run.time <= saved or cell_id not in sources:
                continue
            number, source = sources[cell_id]
            if not _same(source, run.source):
                changed.append(number)
        return Staleness(saved, sorted(changed), self._is_missing(sources))

    def _is_missing(self, sources: dict[str, tuple[int, str]]) -> bool:
        run = self.current
        if run is None:
            return False
        return not any(_same(source, run.source) for _, source in sources.values())


def _same(one: str, other: str) -> bool:
    return one.strip() == other.strip()
