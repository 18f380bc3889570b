"""What kind of value a parameter takes, read from its annotation or from its default.

Nothing is executed: everything is read from the syntax tree of the cell.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal["bool", "int", "float", "str", "list", "dict", "none", "any"]


@dataclass(frozen=True, kw_only=True)
class ValueType:
    """The values that a parameter takes.

    Parameters
    ----------
    kind
        ``none`` is a parameter whose default is None and of which nothing else is known; ``any`` is
        one whose annotation or default is not understood. Values of both are guessed.
    items
        Kind of a list's elements or of a dict's values, where the annotation tells.
    keys
        Kind of a dict's keys, where the annotation tells.
    nullable
        Whether None is a value too.
    choices
        The values there are; an enumeration's are the names of its members.
    constructor
        Source of a callable that makes the value the notebook wants from the one we know: ``tuple``
        for ``(1, 2)``, ``pathlib.Path`` for ``pathlib.Path("data")``.
    enumeration
        Name of the enumeration that the choices are members of.
    aliases
        Other texts for choices: the values of an enumeration's members.
    """

    kind: Kind = "any"
    items: Kind | None = None
    keys: Kind | None = None
    nullable: bool = False
    choices: tuple[Any, ...] | None = None
    constructor: str = ""
    enumeration: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


class NotConstant(Exception):  # noqa: N818 - not an error, an answer
    """The value is only known when the cell runs."""


_SCALARS: dict[str, Kind] = {"bool": "bool", "int": "int", "float": "float", "str": "str"}
_LISTS = {"list", "List", "Sequence", "MutableSequence", "Iterable", "Collection", "tuple", "Tuple",
          "set", "Set", "frozenset", "FrozenSet", "AbstractSet"}  # fmt: skip
_DICTS = {"dict", "Dict", "Mapping", "MutableMapping"}
_CONSTRUCTORS = {"tuple": "tuple", "Tuple": "tuple", "set": "set", "Set": "set",
                 "frozenset": "frozenset", "FrozenSet": "frozenset"}  # fmt: skip
_PATHS = {"Path", "PurePath", "PosixPath", "PurePosixPath"}
_ENUM_BASES = {"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}
_WRAPPERS = {"Annotated", "Final", "ClassVar", "Required"}

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def last_name(node: ast.AST) -> str:
    """Return ``Path`` for both ``Path`` and ``pathlib.Path``; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def constant(node: ast.expr) -> Any:
    """Return the value of an expression made of literals and of arithmetic on numbers.

    ``float("inf")`` counts as a literal.

    Raises
    ------
    NotConstant
        If the value is only known when the cell runs.
    """
    if isinstance(node, ast.Constant):
        if isinstance(node.value, (bool, int, float, str)) or node.value is None:
            return node.value
        raise NotConstant
    if isinstance(node, (ast.List, ast.Tuple)):
        values = [constant(element) for element in node.elts]
        return tuple(values) if isinstance(node, ast.Tuple) else values
    if isinstance(node, ast.Dict):
        if any(key is None for key in node.keys):
            raise NotConstant
        keys = [constant(key) for key in node.keys if key is not None]
        try:
            return dict(zip(keys, map(constant, node.values), strict=True))
        except TypeError:
            raise NotConstant from None
    return _arithmetic(node)


def _arithmetic(node: ast.expr) -> Any:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _number(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _number(node.left), _number(node.right)
        if isinstance(node.op, ast.Pow) and (abs(right) > 64 or abs(left) > 2**64):
            raise NotConstant
        try:
            value = _BINARY[type(node.op)](left, right)
        except ArithmeticError:
            raise NotConstant from None
        if isinstance(value, (int, float)):
            return value
    if isinstance(node, ast.Call) and last_name(node.func) == "float" and len(node.args) == 1:
        try:
            return float(constant(node.args[0]))
        except (TypeError, ValueError):
            raise NotConstant from None
    raise NotConstant


def _number(node: ast.expr) -> int | float:
    value = constant(node)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotConstant
    return value


def source(value: Any) -> str:
    """Write a value as Python source that `constant` and any Python read back.

    Raises
    ------
    ValueError
        If it is not made of None, booleans, numbers, texts, lists, tuples, sets and dictionaries.
    """
    if value is None or type(value) in (bool, int, str):
        return repr(value)
    if type(value) is float:
        return repr(value) if math.isfinite(value) else f'float("{value}")'
    if isinstance(value, dict):
        pairs = ", ".join(f"{source(key)}: {source(item)}" for key, item in value.items())
        return "{" + pairs + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(source, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(source, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}([" + ", ".join(sorted(map(source, value))) + "])"
    raise ValueError(f"a {type(value).__name__} cannot be written as Python source")


def kind_of(value: Any) -> Kind:
    """Return the kind of a value that is at hand."""
    if value is None:
        return "none"
    if isinstance(value, (tuple, set, frozenset)):
        return "list"
    for kind in (bool, int, float, str, list, dict):
        if isinstance(value, kind):
            return kind.__name__  # type: ignore[return-value]
    return "any"


def enumerations(tree: ast.Module) -> dict[str, ValueType]:
    """Return the enumerations that a cell defines, by the name of their class."""
    found: dict[str, ValueType] = {}
    for statement in tree.body:
        if not isinstance(statement, ast.ClassDef):
            continue
        if not any(last_name(base) in _ENUM_BASES for base in statement.bases):
            continue
        names: list[str] = []
        aliases: dict[str, str] = {}
        for line in statement.body:
            if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name):
                continue
            name = line.targets[0].id
            if name.startswith("_"):
                continue
            names.append(name)
            try:
                value = constant(line.value)
            except NotConstant:
                continue  # auto(), a tuple of objects …: known by its name only
            aliases.setdefault(str(value), name)
        if names:
            own = {text: name for text, name in aliases.items() if text not in names}
            found[statement.name] = ValueType(
                kind="str", choices=tuple(names), enumeration=statement.name, aliases=own
            )
    return found


def from_annotation(node: ast.expr, enums: Mapping[str, ValueType]) -> ValueType:
    """Return what an annotation says; kind ``any`` where it is not understood."""
    if isinstance(node, ast.Constant):
        if node.value is None:
            return ValueType(kind="none")
        return _from_text(node.value, enums)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([node.left, node.right], enums)
    if isinstance(node, ast.Subscript):
        return _from_subscript(node, enums)
    name = last_name(node)
    if name in enums:
        return enums[name]
    if name in _SCALARS:
        return ValueType(kind=_SCALARS[name])
    if name in _LISTS:
        return ValueType(kind="list", constructor=_CONSTRUCTORS.get(name, ""))
    if name in _DICTS:
        return ValueType(kind="dict")
    if name in _PATHS:
        return ValueType(kind="str", constructor=ast.unparse(node))
    return ValueType()


def _from_text(text: Any, enums: Mapping[str, ValueType]) -> ValueType:
    if not isinstance(text, str):
        return ValueType()
    try:
        return from_annotation(ast.parse(text, mode="eval").body, enums)
    except (SyntaxError, ValueError):
        return ValueType()


def _from_subscript(node: ast.Subscript, enums: Mapping[str, ValueType]) -> ValueType:
    name = last_name(node.value)
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if not inner:  # tuple[()]
        return from_annotation(node.value, enums)
    if name == "Literal":
        return _literal(inner)
    if name == "Optional":
        return replace(from_annotation(inner[0], enums), nullable=True)
    if name == "Union":
        return _union(inner, enums)
    if name in _WRAPPERS:
        return from_annotation(inner[0], enums)
    if name in _LISTS:
        kinds = {
            from_annotation(element, enums).kind
            for element in inner
            if not (isinstance(element, ast.Constant) and element.value is ...)
        }
        items = kinds.pop() if len(kinds) == 1 else None
        return replace(from_annotation(node.value, enums), items=items)
    if name in _DICTS and len(inner) == 2:
        key, value = (from_annotation(element, enums).kind for element in inner)
        return ValueType(kind="dict", keys=key, items=value)
    return from_annotation(node.value, enums)


def _literal(nodes: list[ast.expr]) -> ValueType:
    try:
        values = [constant(node) for node in nodes]
    except NotConstant:
        return ValueType()
    choices = tuple(value for value in values if value is not None)
    kinds = {kind_of(choice) for choice in choices}
    return ValueType(
        kind=kinds.pop() if len(kinds) == 1 else "any",
        choices=choices or None,
        nullable=None in values,
    )


def _union(nodes: list[ast.expr], enums: Mapping[str, ValueType]) -> ValueType:
    members = [from_annotation(node, enums) for node in nodes]
    nullable = any(member.kind == "none" or member.nullable for member in members)
    real = [member for member in members if member.kind != "none"]
    if len(real) == 1:
        return replace(real[0], nullable=nullable)
    if {member.kind for member in real} == {"int", "float"}:
        return ValueType(kind="float", nullable=nullable)
    paths = [member for member in real if member.constructor and member.kind == "str"]
    if paths and all(member.kind == "str" and not member.choices for member in real):
        return replace(paths[0], nullable=nullable)  # str | Path
    return ValueType(nullable=nullable)


def from_default(node: ast.expr, enums: Mapping[str, ValueType]) -> tuple[ValueType, Any]:
    """Return what a default says about a parameter's values, and the default itself.

    Raises
    ------
    NotConstant
        If the default is only known when the cell runs.
    """
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        enum = enums.get(node.value.id)
        if enum is not None and node.attr in (enum.choices or ()):
            return enum, node.attr
    if isinstance(node, ast.Call) and not node.keywords and len(node.args) == 1:
        name, text = last_name(node.func), node.args[0]
        if name in _PATHS and isinstance(text, ast.Constant) and isinstance(text.value, str):
            return ValueType(kind="str", constructor=ast.unparse(node.func)), text.value
        if name in _CONSTRUCTORS and isinstance(text, (ast.List, ast.Tuple, ast.Set)):
            return ValueType(kind="list", constructor=name), [constant(item) for item in text.elts]
    if isinstance(node, (ast.Tuple, ast.Set)):
        wanted = "tuple" if isinstance(node, ast.Tuple) else "set"
        return ValueType(kind="list", constructor=wanted), [constant(item) for item in node.elts]
    value = constant(node)
    return ValueType(kind=kind_of(value), nullable=value is None), value
