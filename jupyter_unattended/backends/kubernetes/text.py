"""Manifests as text to read, copy and apply by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .client import Json


def to_yaml(content: Json, notes: Sequence[str] = ()) -> str:
    """Return an object as YAML, under `notes` as comments."""
    try:
        import yaml
    except ImportError:  # JSON is YAML, if not as readable
        body = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    else:
        body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return "".join(f"# {note}\n" for note in notes) + body
