"""Classes in snapshots.

All classes of the notebook are made first, empty, and get their contents after that. So no code of
theirs runs while they are made: a class that enters itself in a list (``__init_subclass__``, a
metaclass) does not do so a second time, and the list comes back as it was.
"""

from __future__ import annotations

import abc
import enum
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .snapshot_functions import importable

if TYPE_CHECKING:
    from .snapshot_pickle import NamespacePickler

_NAMES_OF_TYPES = {value: name for name, value in vars(types).items() if isinstance(value, type)}
_NOT_STATE = frozenset(
    {"__dict__", "__weakref__", "_abc_impl", "__module__", "__qualname__", "__slots__"}
)
_ENUM_PRIVATE = frozenset(
    {
        "_generate_next_value_", "_member_names_", "_member_map_", "_member_type_",
        "_value2member_map_", "_unhashable_values_", "_hashable_values_", "_use_args_",
        "_value_repr_", "_sort_order_", "_new_member_", "__new__", "_inverted_",
        "_boundary_", "_flag_mask_", "_singles_mask_", "_all_bits_", "_unhashable_values_map_",
    }
)  # fmt: skip


def reducers() -> dict[type, Callable[[NamespacePickler, Any], Any]]:
    """Return the reducers for type variables; classes themselves go through `reduce_class`."""
    found: dict[type, Callable[[NamespacePickler, Any], Any]] = {typing.TypeVar: _reduce_typevar}
    for name in ("ParamSpec", "TypeVarTuple"):
        kind = getattr(typing, name, None)
        if kind is not None:
            found[kind] = _reduce_paramspec
    found[typing.NewType] = _reduce_newtype
    alias = getattr(typing, "TypeAliasType", None)
    if alias is not None:
        found[alias] = _reduce_alias
    return found


def by_value(cls: type) -> bool:
    """Return whether `cls` cannot be imported and must be rebuilt."""
    return not importable(cls) and cls not in _NAMES_OF_TYPES


class Contents:
    """Stands in the pickle for what a class gets after all classes were made."""

    def __init__(self, cls: type) -> None:
        self.cls = cls


def reduce_class(pickler: NamespacePickler, cls: Any) -> Any:
    """Reduce a class that cannot be imported."""
    if cls in (type(None), type(...), type(NotImplemented)):
        return NotImplemented
    if cls in _NAMES_OF_TYPES and not importable(cls):
        return getattr, (types, _NAMES_OF_TYPES[cls])
    if importable(cls):
        return NotImplemented
    pickler.classes.append(cls)
    meta = type(cls)
    if issubclass(meta, enum.EnumMeta) and cls.__members__:
        values = {name: member._value_ for name, member in cls.__members__.items()}
        arguments = (meta, cls.__name__, cls.__qualname__, cls.__module__, cls.__bases__, values)
        made: tuple[Any, ...] = (make_enum, arguments)
    else:
        names: dict[str, Any] = {}
        for name in ("__slots__", "__orig_bases__"):
            if name in cls.__dict__:
                names[name] = cls.__dict__[name]
        arguments = (meta, cls.__name__, cls.__qualname__, cls.__module__, cls.__bases__, names)
        made = (make_class, arguments)
    if pickler.only_skeletons:
        pickler.skeletons.append(cls)
        return made
    return (*made, _contents(cls), None, None, fill_class)


def reduce_contents(_pickler: NamespacePickler, contents: Contents) -> Any:
    """Reduce what a class gets later."""
    return fill_class, (contents.cls, _contents(contents.cls))


def _contents(cls: Any) -> dict[str, Any]:
    is_enum = isinstance(cls, enum.EnumMeta)
    attributes = {}
    for name, value in cls.__dict__.items():
        if name in _NOT_STATE or (is_enum and (name in _ENUM_PRIVATE or name in cls.__members__)):
            continue
        if isinstance(value, types.MemberDescriptorType) and value.__objclass__ is cls:
            continue  # of a slot
        if isinstance(value, types.GetSetDescriptorType):
            continue
        attributes[name] = value
    contents: dict[str, Any] = {"attributes": attributes}
    if is_enum:
        contents["members"] = {
            name: {k: v for k, v in vars(member).items() if k not in ("_value_", "__objclass__")}
            for name, member in cls.__members__.items()
            if hasattr(member, "__dict__")
        }
    if isinstance(cls, abc.ABCMeta):
        registered = (reference() for reference in abc._get_dump(cls)[0])  # type: ignore[attr-defined]
        contents["registered"] = [other for other in registered if other is not None]
    return contents


def make_class(
    meta: Any, name: str, qualname: str, module: str, bases: tuple[type, ...], names: dict[str, Any]
) -> type:
    """Make a class without contents, and without running what its metaclass would run."""
    names = {**names, "__qualname__": qualname, "__module__": module}
    new = abc.ABCMeta.__new__ if issubclass(meta, abc.ABCMeta) else type.__new__
    cls: type = new(meta, name, bases, names)
    return cls


def make_enum(
    meta: Any,
    name: str,
    qualname: str,
    module: str,
    bases: tuple[type, ...],
    values: dict[str, Any],
) -> Any:
    """Make an enumeration with its members."""
    names = meta.__prepare__(name, bases)
    names["__qualname__"] = qualname
    names["__module__"] = module
    for member, value in values.items():
        names[member] = value
    return enum.EnumMeta.__new__(meta, name, bases, names)


def fill_class(cls: Any, contents: dict[str, Any]) -> None:
    """Give a class its attributes."""
    for name, value in contents["attributes"].items():
        type.__setattr__(cls, name, value)
    for name, state in contents.get("members", {}).items():
        vars(cls.__members__[name]).update(state)
    for other in contents.get("registered", ()):
        cls.register(other)


def _reduce_typevar(_pickler: NamespacePickler, variable: Any) -> Any:
    if importable_by_name(variable):
        return NotImplemented
    arguments = (
        variable.__name__,
        variable.__bound__,
        variable.__constraints__,
        variable.__covariant__,
        variable.__contravariant__,
        variable.__module__,
    )
    return make_typevar, arguments


def importable_by_name(variable: Any) -> bool:
    """Return whether a type variable is found in its module by its name."""
    import sys

    module = sys.modules.get(variable.__module__ or "")
    if module is None or module.__name__ == "__main__":
        return False
    return getattr(module, variable.__name__, None) is variable


def make_typevar(
    name: str, bound: Any, constraints: Any, covariant: bool, contravariant: bool, module: str
) -> Any:
    """Make a type variable."""
    variable = typing.TypeVar(  # type: ignore[misc]
        name, *constraints, bound=bound, covariant=covariant, contravariant=contravariant
    )
    variable.__module__ = module
    return variable


def _reduce_newtype(_pickler: NamespacePickler, kind: Any) -> Any:
    if importable_by_name(kind):
        return NotImplemented
    return make_newtype, (kind.__name__, kind.__supertype__, kind.__module__)


def make_newtype(name: str, supertype: Any, module: str) -> Any:
    """Make a distinct name for a type."""
    kind = typing.NewType(name, supertype)  # type: ignore[misc]
    kind.__module__ = module
    return kind


def _reduce_alias(_pickler: NamespacePickler, alias: Any) -> Any:
    if importable_by_name(alias):
        return NotImplemented
    return make_alias, (type(alias), alias.__name__, alias.__value__, alias.__type_params__)


def make_alias(kind: Any, name: str, value: Any, parameters: Any) -> Any:
    """Make what a ``type`` statement makes."""
    return kind(name, value, type_params=parameters)


def _reduce_paramspec(_pickler: NamespacePickler, variable: Any) -> Any:
    if importable_by_name(variable):
        return NotImplemented
    return make_paramspec, (type(variable), variable.__name__, variable.__module__)


def make_paramspec(kind: Any, name: str, module: str) -> Any:
    """Make a parameter specification or a variadic type variable."""
    variable = kind(name)
    variable.__module__ = module
    return variable
