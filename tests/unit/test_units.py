from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_unattended import units
from jupyter_unattended.spec import JobSpec


@pytest.mark.parametrize(
    ("size", "text"),
    [(2**30, "1Gi"), (4 * 10**9, "4G"), (512 * 2**20, "512Mi"), (1000, "1000"), (1536, "1536")],
)
def test_format_memory(size: int, text: str) -> None:
    assert units.format_memory(size) == text
    assert JobSpec(notebook=Path("/n"), memory=text).memory == size  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "30s"), (5400, "1h30m"), (86400, "1d"), (90061, "1d1h1m1s"), (0.5, "0.5s")],
)
def test_format_duration(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text
    assert JobSpec(notebook=Path("/n"), time_limit=text).time_limit == seconds  # type: ignore[arg-type]
