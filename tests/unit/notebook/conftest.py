"""Fixtures of the tests that read notebooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from notebooks import MakeNotebook, document

from jupyter_unattended.notebook.reader import Notebook, load


@pytest.fixture
def make_notebook(tmp_path: Path) -> MakeNotebook:
    def make(
        *cells: str | dict[str, Any], name: str = "notebook.ipynb", **metadata: Any
    ) -> Notebook:
        path = tmp_path / name
        path.write_text(json.dumps(document(*cells, **metadata)), encoding="utf-8")
        return load(path)

    return make
