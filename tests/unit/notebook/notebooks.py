"""Notebooks made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_unattended.notebook.reader import Notebook

MakeNotebook = Callable[..., Notebook]


def document(*cells: str | dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A notebook as on disk; a cell is its source, or a dict with source and tags."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": metadata,
        "cells": [
            {
                "id": f"cell-{number}",
                "cell_type": "code",
                "execution_count": None,
                "metadata": {},
                "outputs": [],
                **({"source": cell} if isinstance(cell, str) else cell),
            }
            for number, cell in enumerate(cells)
        ],
    }


def tagged(source: str, *names: str) -> dict[str, Any]:
    """A code cell with tags."""
    return {"source": source, "metadata": {"tags": list(names)}}
