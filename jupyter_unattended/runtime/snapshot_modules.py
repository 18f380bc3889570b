"""What the user's own modules hold: their variables, and those of their classes and functions.

Their code is imported again; what it worked on since the first import is put back into it.
"""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from .snapshot_functions import find_module, importable
from .snapshot_pickle import is_workspace_module


def state() -> dict[str, dict[str, Any]]:
    """Return the variables of the user's own modules; ``Class.name`` is one of a class."""
    found: dict[str, dict[str, Any]] = {}
    for module in list(sys.modules.values()):
        if not isinstance(module, types.ModuleType) or module.__name__ == "__main__":
            continue
        if is_workspace_module(module):
            variables = dict(_variables(module))
            if variables:
                found[module.__name__] = variables
    return found


def restore(saved: Mapping[str, Mapping[str, Any]]) -> None:
    """Put back what `state` returned; the modules are imported if they are not."""
    for module_name, variables in saved.items():
        module = find_module(module_name)
        for name, value in variables.items():
            owner, _, attribute = name.rpartition(".")
            setattr(getattr(module, owner) if owner else module, attribute, value)


def _variables(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in list(vars(module).items()):
        if name.startswith("__") or isinstance(value, types.ModuleType):
            continue
        if not importable(value):
            yield name, value
        elif value.__module__ == module.__name__ and value.__qualname__ == name:
            for attribute, inner in _attributes(value):
                yield f"{name}.{attribute}", inner


def _attributes(owner: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a class or a function has of data, which is what is no code."""
    if isinstance(owner, enum.EnumMeta) or not hasattr(owner, "__dict__"):
        return
    for name, value in list(vars(owner).items()):
        is_code = hasattr(type(value), "__get__") or isinstance(value, type)
        if not name.startswith("__") and name != "_abc_impl" and not is_code:
            yield name, value
