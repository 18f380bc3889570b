"""What a cell sets in a context variable holds for the cells after it, as in Jupyter's kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from .jobdir import Job


@pytest.mark.parametrize("first", ["import asyncio", "import asyncio; await asyncio.sleep(0)", ""])
def test_options_in_context_variables_hold_for_later_cells(tmp_path: Path, first: str) -> None:
    job = Job(
        tmp_path,
        f"{first}\nimport decimal, contextvars, numpy as np",
        "np.set_printoptions(precision=3); np.seterr(divide='raise')\n"
        "decimal.getcontext().prec = 5\nmine = contextvars.ContextVar('mine'); mine.set(1)",
        "print(np.array([1.23456]), np.geterr()['divide'], decimal.Decimal(1) / 3, mine.get())",
    )
    assert job.run() == 0
    assert job.text(2) == "[1.235] raise 0.33333 1\n"
