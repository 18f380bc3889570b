"""Which code cells a job leaves out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .parameters import source_of

#: Cells with one of these tags are not run.
TAGS = frozenset({"skip-execution", "interactive-only"})
#: A cell that submits would submit itself again from the job, and again from that one.
_SUBMITS = re.compile(r"^[ \t]*(?:\w+[ \t]*=[ \t]*)?%%?submit\b", re.MULTILINE)


def is_skipped(cell: Mapping[str, Any]) -> bool:
    """Whether a job leaves `cell` out: tagged so, or it submits jobs with ``%submit``."""
    tags = cell.get("metadata", {}).get("tags", ())
    if isinstance(tags, list) and not TAGS.isdisjoint(str(tag) for tag in tags):
        return True
    return _SUBMITS.search(source_of(cell)) is not None
