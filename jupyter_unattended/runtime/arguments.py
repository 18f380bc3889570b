"""Arguments as people write them, into values of the parameters' types, and back."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .values import FALSE, NULL, TRUE, RefusedError, from_text, from_value, to_text

if TYPE_CHECKING:
    from .parameters import Parameter

_KIND_WORDS: dict[str, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "list": 'a list; write it as JSON, for example [1, 2] or ["a", "b"]',
    "dict": 'a dictionary; write it as JSON, for example {"a": 1}',
}


class ParametersError(ValueError):
    """Arguments do not fit the parameters; one line that says which and what to do."""


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
    underscores, and the last one wins where a parameter is given twice. After a lone ``--``, what
    names no parameter is left to the notebook, which finds it in ``sys.argv``.

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
    values, _ = _read(arguments, parameters)
    if not partial:
        _require(values, parameters)
    return values


def others(arguments: Sequence[str], parameters: Sequence[Parameter]) -> list[str]:
    """Return ``--`` and what `parse` leaves to the notebook after it; empty where there is none.

    Raises
    ------
    ParametersError
        As `parse` does.
    """
    _, left = _read(arguments, parameters)
    return ["--", *left] if left else []


def _read(
    arguments: Sequence[str], parameters: Sequence[Parameter]
) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters' values, and what is left to the notebook."""
    known = {normalise(parameter.name): parameter for parameter in parameters}
    values: dict[str, Any] = {}
    left: list[str] = []
    rest = list(arguments)
    is_strict = True
    while rest:
        text = rest.pop(0)
        if text == "--" and is_strict:
            is_strict = False
            continue
        try:
            argument = _split(text, known)
            parameter, negated = _find(argument, known)
        except ParametersError:
            if is_strict:
                raise
            left.append(text)
            continue
        if negated:
            if argument.value is not None:
                raise ParametersError(f"{argument.written}: --no-… takes no value")
            values[parameter.name] = False
            continue
        if argument.value is None:
            argument.value = _next_value(argument, parameter, rest)
        values[parameter.name] = _from_argument(argument.value, parameter)
    return values, left


def _split(text: str, known: Mapping[str, Parameter]) -> _Argument:
    if text.startswith("--"):
        written, separator, value = text.partition("=")
        return _Argument(written, written[2:], value if separator else None, is_option=True)
    written, separator, value = text.partition("=")
    if separator and not written.startswith("-"):
        return _Argument(written, written, value, is_option=False)
    bare = normalise(written.lstrip("-"))
    if written.startswith("-") and bare in known:
        raise ParametersError(f"{written}: write --{bare.replace('_', '-')} with two hyphens")
    raise ParametersError(f"{text!r} is not an argument; write --name=value{_listing(known)}")


def _find(argument: _Argument, known: Mapping[str, Parameter]) -> tuple[Parameter, bool]:
    name = normalise(argument.name)
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
    nearest = difflib.get_close_matches(normalise(name), known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"{written} is no parameter of the notebook{hint}{_listing(known)}"


def _listing(known: Iterable[str]) -> str:
    names = ", ".join(known)
    return f" (known parameters: {names})" if names else ""


def _next_value(argument: _Argument, parameter: Parameter, rest: list[str]) -> str:
    if parameter.kind == "bool":
        # `--flag false` is what people write who come from other tools.
        words = TRUE | FALSE | (NULL if parameter.nullable else set())
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
    except RefusedError:
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


def normalise(name: str) -> str:
    """Return a name as it is compared: hyphens equal underscores, and letters as in Python."""
    return unicodedata.normalize("NFKC", name).replace("-", "_")


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
    known = {normalise(parameter.name): parameter for parameter in parameters}
    converted: dict[str, Any] = {}
    for name, value in values.items():
        parameter = known.get(normalise(name))
        if parameter is None:
            raise ParametersError(unknown(name, name, list(known)))
        try:
            converted[parameter.name] = from_value(value, parameter)
        except RefusedError:
            raise ParametersError(
                f"{parameter.name}: {_shortened(str(value))} is not {_wanted(parameter)}"
            ) from None
    return converted


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
