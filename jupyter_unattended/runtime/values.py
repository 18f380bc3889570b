"""One text or object as a value of the type that a parameter wants, and back."""

from __future__ import annotations

import ast
import contextlib
import json
import os
from decimal import Decimal, InvalidOperation
from typing import Any

from .annotations import Kind, NotConstant, ValueType, constant, kind_of, source

TRUE = {"true", "yes", "on", "1"}
FALSE = {"false", "no", "off", "0"}
NULL = {"None", "none", "null"}
#: Values without a type of their own that would be read as something else are quoted.
_GUESSED: tuple[Kind, ...] = ("any", "none")


class RefusedError(ValueError):
    """A text or value is not of the wanted type; becomes an error that names the parameter."""


def from_text(text: str, wanted: ValueType) -> Any:
    """Read `text` as a value of the wanted type.

    Raises
    ------
    ValueError
        If it is not one.
    """
    if wanted.nullable and text in NULL and not _is_choice(text, wanted):
        return None
    if wanted.choices is not None:
        return _choice(text, wanted)
    if wanted.nullable and wanted.kind == "str":
        return _unquoted(text)
    return _scalar_or_container(text, wanted)


def _scalar_or_container(text: str, wanted: ValueType) -> Any:
    kind = wanted.kind
    if kind == "str":
        return text
    if kind == "bool":
        return _bool(text)
    if kind == "int":
        return _int(text)
    if kind == "float":
        return _float(text)
    if kind in ("list", "dict"):
        return _container(text, wanted)
    return guess(text)


def _is_choice(text: str, wanted: ValueType) -> bool:
    return wanted.choices is not None and (text in wanted.choices or text in wanted.aliases)


def _choice(text: str, wanted: ValueType) -> Any:
    choices = wanted.choices or ()
    for choice in choices:
        if text == str(choice):
            return choice
    if text in wanted.aliases:
        return wanted.aliases[text]
    value = guess(text)  # 0.10 for 0.1, true for True
    for choice in choices:
        if not isinstance(choice, str) and value == choice:
            return choice
    raise RefusedError


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise RefusedError


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return int(text, 0)  # 0x10
    except ValueError:
        pass
    try:
        number = Decimal(text.replace("_", ""))  # 1e6
    except InvalidOperation:
        raise RefusedError from None
    if not number.is_finite() or number.adjusted() > 300 or number != number.to_integral_value():
        raise RefusedError
    return int(number)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RefusedError from None


def _container(text: str, wanted: ValueType) -> Any:
    # `--layers 64,64` is worth understanding; what opens a bracket was meant as JSON.
    if wanted.kind == "list" and text.lstrip()[:1] not in ("[", "(", "{", '"', "'"):
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        items = ValueType(kind=wanted.items or "any")
        return [from_text(part, items) for part in parts]
    value = _literal(text)
    if wanted.kind == "list" and isinstance(value, str):
        value = [value]
    if kind_of(value) != wanted.kind:
        raise RefusedError
    return from_value(value, wanted)


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return [*map(constant, tree.elts)] if isinstance(tree, ast.Set) else constant(tree)
    except (NotConstant, ValueError, SyntaxError, MemoryError, RecursionError):
        raise RefusedError from None


def guess(text: str) -> Any:
    """Read a text of which no type is known: None, true, numbers, JSON, else the text itself."""
    if text in NULL:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    with contextlib.suppress(ValueError):
        return int(text)
    with contextlib.suppress(ValueError):
        return float(text)
    if text[:1] in ("[", "{", "("):
        try:
            return _literal(text)
        except ValueError:
            return text
    return _unquoted(text)


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            value = json.loads(text)
        except ValueError:
            return text
        return value if isinstance(value, str) else text
    return text


def from_value(value: Any, wanted: ValueType) -> Any:
    """Turn a value that is at hand into one of the wanted type.

    Raises
    ------
    ValueError
        If it is not one.
    """
    if wanted.enumeration and hasattr(value, "name") and hasattr(value, "value"):
        value = value.name
    elif hasattr(value, "tolist"):
        value = value.tolist()  # numpy's numbers and arrays
    elif isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None:
        if wanted.nullable or wanted.kind in _GUESSED:
            return None
        raise RefusedError
    if isinstance(value, str):
        return value if _takes_text(value, wanted) else from_text(value, wanted)
    if wanted.choices is not None:
        return _choice(str(value), wanted)
    if wanted.kind in _GUESSED:
        return value
    return _of_kind(value, wanted)


def _takes_text(value: str, wanted: ValueType) -> bool:
    """Whether a string is meant as it is; for all other types it is read as an argument is."""
    return wanted.choices is None and wanted.kind in ("str", *_GUESSED)


def _of_kind(value: Any, wanted: ValueType) -> Any:
    kind = kind_of(value)
    if kind in ("list", "dict") and kind == wanted.kind:
        return _elements(value, wanted)
    if kind == wanted.kind:
        return value
    if kind == "int" and wanted.kind == "float":
        try:
            return float(value)
        except OverflowError:
            raise RefusedError from None
    if kind == "float" and wanted.kind == "int" and value.is_integer():
        return int(value)
    if wanted.kind == "bool" and kind == "int" and value in (0, 1):
        return bool(value)
    raise RefusedError


def _elements(value: Any, wanted: ValueType) -> Any:
    if wanted.kind == "dict":
        keys, items = ValueType(kind=wanted.keys or "any"), ValueType(kind=wanted.items or "any")
        return {from_value(k, keys): from_value(v, items) for k, v in value.items()}
    elements = value if isinstance(value, (list, tuple)) else sorted(value, key=repr)
    return [from_value(element, ValueType(kind=wanted.items or "any")) for element in elements]


def to_text(value: Any, wanted: ValueType) -> str:
    """Write a value as the text that `from_text` reads back."""
    if isinstance(value, str):
        ambiguous = wanted.kind in _GUESSED or (wanted.nullable and wanted.choices is None)
        if ambiguous and repr(from_text(value, wanted)) != repr(value):
            return json.dumps(value)
        return value
    if isinstance(value, (list, tuple, dict)):
        written = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
        # Keys that are not texts and tuples inside are beyond JSON.
        return written if repr(json.loads(written)) == repr(value) else source(value)
    return str(value)
