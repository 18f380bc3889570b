"""Functions in snapshots: bound to the live namespace, with closures that stay shared.

A function that the notebook defined must find the notebook's names when it is called, not a copy of
them, so it is rebuilt on the namespace it is restored into. Cells of closures are objects of their
own here, so that two functions that share a variable share it again.
"""

from __future__ import annotations

import builtins
import functools
import marshal
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .snapshot_pickle import NamespacePickler

#: Code is kept as marshal has it; snapshots are read by the same Python minor version only.
_STATE = ("__defaults__", "__kwdefaults__", "__annotations__", "__doc__", "__module__")

CellType = types.CellType
LruCache = type(functools.lru_cache(lambda: None))


def reducers() -> dict[type, Callable[[NamespacePickler, Any], Any]]:
    """Return the reducers for functions and what belongs to them."""
    return {
        types.FunctionType: _reduce_function,
        types.MethodType: _reduce_method,
        types.ClassMethodDescriptorType: _reduce_descriptor,
        types.CellType: _reduce_cell,
        types.CodeType: _reduce_code,
        types.ModuleType: _reduce_module,
        types.MappingProxyType: _reduce_proxy,
        LruCache: _reduce_lru_cache,
        classmethod: _reduce_wrapper,
        staticmethod: _reduce_wrapper,
        property: _reduce_property,
        _Executed: _reduce_executed,
    }


def importable(obj: Any) -> bool:
    """Return whether `obj` can be found again by importing its module."""
    module = getattr(obj, "__module__", None)
    name = getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return False
    found: Any = sys.modules.get(module)
    if found is None:
        return False
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is obj


def _reduce_function(pickler: NamespacePickler, function: Any) -> Any:
    if importable(function):
        return NotImplemented
    pickler.functions.append(function)
    arguments = (
        function.__code__,
        _globals_of(pickler, function),
        function.__name__,
        function.__qualname__,
        function.__closure__,
    )
    state = {name: getattr(function, name) for name in _STATE}
    state["__dict__"] = vars(function)
    if getattr(function, "__type_params__", ()):
        state["__type_params__"] = function.__type_params__
    return make_function, arguments, state, None, None, set_function


def _reduce_method(_pickler: NamespacePickler, method: types.MethodType) -> Any:
    # Not by its name, as pickle does: a class that is still empty has none of its names.
    return types.MethodType, (method.__func__, method.__self__)


def _reduce_descriptor(_pickler: NamespacePickler, found: types.ClassMethodDescriptorType) -> Any:
    return find_descriptor, (found.__objclass__, found.__name__)


def find_descriptor(owner: type, name: str) -> Any:
    """Return what stands in a class itself under `name`."""
    return vars(owner)[name]


def _globals_of(pickler: NamespacePickler, function: Any) -> Any:
    """Return what `make_function` finds the function's globals by."""
    names = function.__globals__
    if names is pickler.namespace:
        return None
    module = sys.modules.get(names.get("__name__", ""))
    if module is not None and vars(module) is names:
        return module.__name__
    return without_builtins(pickler, names)


class _Executed:
    """A dictionary that code was executed in."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names


def without_builtins(pickler: NamespacePickler, names: dict[str, Any]) -> Any:
    """Return what a dictionary that exec() and the like ran code in is saved as.

    They put Python's builtins into it, which are everybody's, and in which extension modules keep
    things that cannot be saved.
    """
    own = names.get("__builtins__")
    if own is builtins or own is vars(builtins):
        return pickler.shared.setdefault(("executed", id(names)), _Executed(names))
    return names


def _reduce_executed(_pickler: NamespacePickler, executed: _Executed) -> Any:
    items = ((key, value) for key, value in executed.names.items() if key != "__builtins__")
    return dict, (), None, None, items


def make_function(
    namespace: dict[str, Any], code: Any, where: Any, name: str, qualname: str, closure: Any
) -> Any:
    """Make a function; `set_function` gives it the rest."""
    if where is None:
        names = namespace
    elif isinstance(where, str):
        names = vars(sys.modules[where] if where in sys.modules else __import__(where, level=0))
        if names.get("__name__") != where:
            names = vars(sys.modules[where])
    else:
        names = where
    function = types.FunctionType(code, names, name, None, closure)
    function.__qualname__ = qualname
    return function


def set_function(function: Any, state: dict[str, Any]) -> None:
    """Give a function its defaults, annotations and attributes."""
    vars(function).update(state.pop("__dict__"))
    for name, value in state.items():
        setattr(function, name, value)


def _reduce_cell(_pickler: NamespacePickler, cell: types.CellType) -> Any:
    try:
        contents = cell.cell_contents
    except ValueError:
        return make_cell, ()
    return make_cell, (), (contents,), None, None, set_cell


def make_cell() -> types.CellType:
    """Make an empty cell of a closure."""
    return types.CellType()


def set_cell(cell: types.CellType, state: tuple[Any]) -> None:
    """Fill a cell."""
    cell.cell_contents = state[0]


def _reduce_code(pickler: NamespacePickler, code: types.CodeType) -> Any:
    return make_code, (marshal.dumps(code),)


def make_code(data: bytes) -> Any:
    """Make a code object."""
    return marshal.loads(data)  # noqa: S302 - the store has checked whose data it is


def _reduce_module(pickler: NamespacePickler, module: types.ModuleType) -> Any:
    if module is sys.modules.get("__main__") or vars(module) is pickler.namespace:
        return find_module, ("__main__",)
    if sys.modules.get(module.__name__) is module:
        return find_module, (module.__name__,)
    state = {key: value for key, value in vars(module).items() if key != "__builtins__"}
    return types.ModuleType, (module.__name__,), state


def find_module(name: str) -> types.ModuleType:
    """Import a module."""
    if name not in sys.modules:
        __import__(name)
    return sys.modules[name]


def _reduce_proxy(_pickler: NamespacePickler, proxy: Any) -> Any:
    import gc

    # The proxy's only referent is the mapping itself; it must stay the same object as elsewhere.
    mapping = gc.get_referents(proxy)[0]
    return types.MappingProxyType, (mapping,)


def _reduce_lru_cache(_pickler: NamespacePickler, cache: Any) -> Any:
    if importable(cache):
        return NotImplemented
    parameters = cache.cache_parameters()
    state = {key: value for key, value in vars(cache).items() if key != "cache_parameters"}
    arguments = (cache.__wrapped__, parameters["maxsize"], parameters["typed"])
    return make_lru_cache, arguments, state, None, None, set_attributes


def make_lru_cache(function: Any, maxsize: int | None, typed: bool) -> Any:
    """Make an empty cache around `function`."""
    return functools.lru_cache(maxsize, typed)(function)


def set_attributes(obj: Any, state: dict[str, Any]) -> None:
    """Put `state` into the object's own attributes."""
    vars(obj).update(state)


def _reduce_wrapper(_pickler: NamespacePickler, wrapper: Any) -> Any:
    return type(wrapper), (wrapper.__func__,)


def _reduce_property(_pickler: NamespacePickler, wrapper: property) -> Any:
    return property, (wrapper.fget, wrapper.fset, wrapper.fdel, wrapper.__doc__)
