"""A notebook's content, with fields as attributes, as nbformat gives it.

nbformat itself takes a quarter of a second to import, most of it for checking a schema, and every
submit reads a notebook: what it would do here is little.
"""

from __future__ import annotations

from typing import Any


class Node(dict[str, Any]):
    """An object of a notebook's JSON: ``cell.source`` is ``cell["source"]``."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def from_json(data: dict[str, Any]) -> Node:
    """Return a notebook's JSON as nodes; sources are single strings, outputs stay as they are.

    Parameters
    ----------
    data
        A notebook of format 4, whose cells are objects with a source and metadata.
    """
    node = Node(data)
    node.metadata = _deep(data["metadata"])
    node.cells = [_cell(cell) for cell in data["cells"]]
    return node


def _cell(cell: dict[str, Any]) -> Node:
    source = cell["source"]
    joined = source if isinstance(source, str) else "".join(source)
    metadata = _deep(cell["metadata"])
    metadata.pop("trusted", None)  # says something of this machine's user, not of the notebook
    return Node({**cell, "source": joined, "metadata": metadata})


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return Node({key: _deep(part) for key, part in value.items()})
    if isinstance(value, list):
        return [_deep(part) for part in value]
    return value
