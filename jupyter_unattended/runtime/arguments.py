"""Arguments as people write them, into values of the parameters' types, and back."""

from __future__ import annotations

import ast
import contextlib
import difflib
import json
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from .annotations import Kind, NotConstant, ValueType, constant, kind_of, source

if TYPE_CHECKING:
    from .parameters import Parameter

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_NULL = {"None", "none", "null"}
_KIND_WORDS: dict[str, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "list": 'a list; write it as JSON, for example [1, 2] or ["a", "b"]',
    "dict": 'a dictionary; write it as JSON, for example {"a": 1}',
}
#: Values without a type of their own that would be read as something else are quoted.
_GUESSED: tuple[Kind, ...] = ("any", "none")


class ParametersError(ValueError):
    """Arguments do not fit the parameters; one line that says which and what to do."""


class _RefusedError(ValueError):
    """A text or value is not of the wanted type; becomes an error that names the parameter."""


# -- arguments -> values ---------------------------------------------------------------------------


@dataclass
class _Argument:
    """One argument: the name as written, and its value, None where the name stands alone."""

    written: str
    name: str
    value: str | None
    is_option: bool


def parse(
    arguments: Sequence[str], parameters: Sequence[Parameter], *, partial: bool = False
) -> dict[str, Any]:
    """Turn command line arguments into values by parameter name.

    Understood are ``--a-b=1``, ``--a-b 1``, ``a-b=1``, ``--flag`` and ``--no-flag``; hyphens equal
    underscores, a lone ``--`` is skipped, and the last one wins where a parameter is given twice.

    Parameters
    ----------
    arguments
        The arguments, as in ``sys.argv[1:]``.
    parameters
        The notebook's parameters.
    partial
        Whether parameters without a default may be missing.

    Raises
    ------
    ParametersError
        If a name is not known, a value does not fit, or a parameter without a default is missing.
    """
    known = {_normalise(parameter.name): parameter for parameter in parameters}
    values: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        text = rest.pop(0)
        if text == "--":
            continue
        argument = _split(text, known)
        parameter, negated = _find(argument, known)
        if negated:
            if argument.value is not None:
                raise ParametersError(f"{argument.written}: --no-… takes no value")
            values[parameter.name] = False
            continue
        if argument.value is None:
            argument.value = _next_value(argument, parameter, rest)
        values[parameter.name] = _from_argument(argument.value, parameter)
    if not partial:
        _require(values, parameters)
    return values


def _split(text: str, known: Mapping[str, Parameter]) -> _Argument:
    if text.startswith("--"):
        written, separator, value = text.partition("=")
        return _Argument(written, written[2:], value if separator else None, is_option=True)
    written, separator, value = text.partition("=")
    if separator and not written.startswith("-"):
        return _Argument(written, written, value, is_option=False)
    bare = _normalise(written.lstrip("-"))
    if written.startswith("-") and bare in known:
        raise ParametersError(f"{written}: write --{bare.replace('_', '-')} with two hyphens")
    raise ParametersError(f"{text!r} is not an argument; write --name=value{_listing(known)}")


def _find(argument: _Argument, known: Mapping[str, Parameter]) -> tuple[Parameter, bool]:
    name = _normalise(argument.name)
    if name in known:
        return known[name], False
    if argument.is_option and name.startswith("no_"):
        parameter = known.get(name[3:])
        if parameter is not None and parameter.kind == "bool":
            return parameter, True
    raise ParametersError(unknown(argument.written, name, list(known)))


def unknown(written: str, name: str, known: Sequence[str]) -> str:
    """Say that there is no such parameter, which there are, and which is nearest."""
    if not known:
        return f"{written}: the notebook has no parameters"
    nearest = difflib.get_close_matches(_normalise(name), known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"{written} is no parameter of the notebook{hint}{_listing(known)}"


def _listing(known: Iterable[str]) -> str:
    names = ", ".join(known)
    return f" (known parameters: {names})" if names else ""


def _next_value(argument: _Argument, parameter: Parameter, rest: list[str]) -> str:
    if parameter.kind == "bool":
        # `--flag false` is what people write who come from other tools.
        words = _TRUE | _FALSE | (_NULL if parameter.nullable else set())
        if rest and (rest[0].lower() in words or rest[0] in words):
            return rest.pop(0)
        return "true"
    if rest and not rest[0].startswith("--"):
        return rest.pop(0)
    raise ParametersError(
        f"{argument.written} needs {_wanted(parameter)}: {argument.written}=VALUE"
        + (" (a value that begins with -- must be written so)" if rest else "")
    )


def _from_argument(text: str, parameter: Parameter) -> Any:
    try:
        return from_text(text, parameter)
    except _RefusedError:
        raise ParametersError(
            f"{parameter.name}: {_shortened(text)} is not {_wanted(parameter)}"
        ) from None


def _wanted(parameter: Parameter) -> str:
    if parameter.choices is not None:
        return "one of " + ", ".join(str(choice) for choice in parameter.choices)
    words = _KIND_WORDS.get(parameter.kind, "a value")
    if parameter.kind in ("list", "dict") and parameter.items in _KIND_WORDS:
        words = words.replace(";", f" of values that are each {_KIND_WORDS[parameter.items]};", 1)
    return words + (" or None" if parameter.nullable and parameter.kind != "none" else "")


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _require(values: Mapping[str, Any], parameters: Sequence[Parameter]) -> None:
    missing = [p.name for p in parameters if p.required and p.name not in values]
    if missing:
        names = ", ".join(missing)
        verb = "has no default and" if len(missing) == 1 else "have no defaults and"
        options = " ".join(f"--{name.replace('_', '-')}=VALUE" for name in missing)
        raise ParametersError(f"{names} {verb} must be given: {options}")


def _normalise(name: str) -> str:
    return unicodedata.normalize("NFKC", name).replace("-", "_")


# -- texts -> values -------------------------------------------------------------------------------


def from_text(text: str, wanted: ValueType) -> Any:
    """Read `text` as a value of the wanted type.

    Raises
    ------
    ValueError
        If it is not one.
    """
    if wanted.nullable and text in _NULL and not _is_choice(text, wanted):
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
    raise _RefusedError


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _RefusedError


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
        raise _RefusedError from None
    if not number.is_finite() or number.adjusted() > 300 or number != number.to_integral_value():
        raise _RefusedError
    return int(number)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _RefusedError from None


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
        raise _RefusedError
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
        raise _RefusedError from None


def guess(text: str) -> Any:
    """Read a text of which no type is known: None, true, numbers, JSON, else the text itself."""
    if text in _NULL:
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


# -- values of a form or of an API -----------------------------------------------------------------


def convert(values: Mapping[str, Any], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Turn values that were given as objects (by a form, a function call) into the right types.

    Names are matched as `parse` matches them; a string given for another type is read as an
    argument would be.

    Raises
    ------
    ParametersError
        If a name is not known or a value does not fit.
    """
    known = {_normalise(parameter.name): parameter for parameter in parameters}
    converted: dict[str, Any] = {}
    for name, value in values.items():
        parameter = known.get(_normalise(name))
        if parameter is None:
            raise ParametersError(unknown(name, name, list(known)))
        try:
            converted[parameter.name] = from_value(value, parameter)
        except _RefusedError:
            raise ParametersError(
                f"{parameter.name}: {_shortened(str(value))} is not {_wanted(parameter)}"
            ) from None
    return converted


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
        raise _RefusedError
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
            raise _RefusedError from None
    if kind == "float" and wanted.kind == "int" and value.is_integer():
        return int(value)
    if wanted.kind == "bool" and kind == "int" and value in (0, 1):
        return bool(value)
    raise _RefusedError


def _elements(value: Any, wanted: ValueType) -> Any:
    if wanted.kind == "dict":
        keys, items = ValueType(kind=wanted.keys or "any"), ValueType(kind=wanted.items or "any")
        return {from_value(k, keys): from_value(v, items) for k, v in value.items()}
    elements = value if isinstance(value, (list, tuple)) else sorted(value, key=repr)
    return [from_value(element, ValueType(kind=wanted.items or "any")) for element in elements]


# -- values -> arguments ---------------------------------------------------------------------------


def to_arguments(values: Mapping[str, Any], parameters: Sequence[Parameter]) -> list[str]:
    """Write values as command line arguments that `parse` turns into the same values."""
    known = {parameter.name: parameter for parameter in parameters}
    arguments = []
    for name, value in convert(values, parameters).items():
        if "\0" in str(value):
            raise ParametersError(f"{name}: a text with a NUL character cannot be an argument")
        option = name.replace("_", "-")
        # A parameter may itself be called no_…
        clash = f"no_{name}" in known
        if known[name].kind == "bool" and isinstance(value, bool) and not clash:
            arguments.append(f"--{option}" if value else f"--no-{option}")
        else:
            arguments.append(f"--{option}={to_text(value, known[name])}")
    return arguments


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
