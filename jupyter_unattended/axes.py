"""Sweeps: many runs of one notebook that differ in parameters, arguments or environment variables.

An axis is one name and its values; a sweep is every combination of the values of its axes.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .errors import SpecError
from .runtime.parameters import normalise
from .spec import JobSpec

#: Most runs of one sweep.
MOST_RUNS = 10_000

_SHOWN = 40
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)\Z")


@dataclass(frozen=True)
class Axis:
    """One name and its values.

    Parameters
    ----------
    name
        Of a parameter, an argument or an environment variable.
    values
        At least one; as text but for parameters.
    kind
        ``parameter``: values in Python; ``argument``: as a person types them, ``--name=value``;
        ``variable``: of the environment.
    """

    name: str
    values: tuple[Any, ...]
    kind: Literal["parameter", "argument", "variable"]


def read(arguments: Iterable[str], variables: Iterable[str]) -> list[Axis]:
    """Read axes as people type them.

    ``NAME=V1,V2``, ``NAME=1..5`` (whole numbers, the last one included), or ``NAME=[...]`` in JSON
    for values that have a comma in them.

    Raises
    ------
    SpecError
        If one of them cannot be understood.
    """
    return [
        *(_read(text, "--sweep", "argument") for text in arguments),
        *(_read(text, "--sweep-env", "variable") for text in variables),
    ]


def given(
    parameters: Mapping[str, Iterable[Any]], variables: Mapping[str, Iterable[Any]]
) -> list[Axis]:
    """Return axes for values in Python.

    Raises
    ------
    SpecError
        If one of them is no collection of values, or empty.
    """
    return [
        *(_axis(name, values, "parameter") for name, values in parameters.items()),
        *(_axis(name, values, "variable") for name, values in variables.items()),
    ]


def expand(spec: JobSpec, axes: Sequence[Axis]) -> list[JobSpec]:
    """Return a spec for every combination; the values of the last axis change fastest.

    Each is named after the job and what is its own: ``train lr=0.1 seed=2``.

    Raises
    ------
    SpecError
        If a name is given twice, or the combinations are too many.
    """
    if not axes:
        return [spec]
    _refuse_twice(spec, axes)
    runs = math.prod(len(axis.values) for axis in axes)
    if runs > MOST_RUNS:
        raise SpecError(f"sweep: these are {runs} runs; one sweep has at most {MOST_RUNS}")
    combinations = itertools.product(*(axis.values for axis in axes))
    return [_one(spec, axes, values) for values in combinations]


def _one(spec: JobSpec, axes: Sequence[Axis], values: Sequence[Any]) -> JobSpec:
    arguments, parameters, env = [], dict(spec.parameters), dict(spec.env)
    for axis, value in zip(axes, values, strict=True):
        if axis.kind == "argument":
            arguments.append(f"--{axis.name}={value}")
        elif axis.kind == "parameter":
            parameters[axis.name] = value
        else:
            env[axis.name] = str(value)
    own = " ".join(f"{axis.name}={_short(v)}" for axis, v in zip(axes, values, strict=True))
    return JobSpec.checked(
        **{
            **spec.model_dump(),
            "name": f"{spec.name or spec.notebook.stem} {own}"[:200].rstrip(),
            "arguments": [*arguments, *spec.arguments],
            "parameters": parameters,
            "env": env,
        }
    )


def _short(value: object) -> str:
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _refuse_twice(spec: JobSpec, axes: Sequence[Axis]) -> None:
    """Refuse names that two say: which of them would win is nothing to find out from results."""
    taken = {("env", name) for name in (*spec.env, *spec.secret_env)}
    taken |= {("name", normalise(name)) for name in spec.parameters}
    for word in spec.arguments:
        flag = word.partition("=")[0]
        if word.startswith("--") or flag != word:
            said = normalise(flag.lstrip("-"))
            taken |= {("name", said), ("name", said.removeprefix("no_"))}
    for axis in axes:
        key = ("env", axis.name) if axis.kind == "variable" else ("name", normalise(axis.name))
        if key in taken:
            raise SpecError(f"sweep: {axis.name} is given twice; leave one of them out")
        taken.add(key)


def _read(text: str, flag: str, kind: Literal["argument", "variable"]) -> Axis:
    name, equals, written = text.partition("=")
    name = name.strip().lstrip("-")
    if not equals or not name or not written.strip():
        raise SpecError(f"{flag} {text}: write NAME=VALUE,VALUE")
    span = _RANGE.match(written.strip())
    if written.lstrip().startswith("["):
        try:
            values: Iterable[Any] = json.loads(written)
        except ValueError as error:
            raise SpecError(f"{flag} {name}: {written} is not a list in JSON ({error})") from error
        values = [value if isinstance(value, str) else json.dumps(value) for value in values]
    elif span is not None:
        values = range(int(span[1]), int(span[2]) + 1)
        if len(values) > MOST_RUNS:
            raise SpecError(f"{flag} {name}: {written} is more than {MOST_RUNS} values")
        values = [str(value) for value in values]
    else:
        values = [value.strip() for value in written.split(",")]
        if "" in values:
            raise SpecError(f"{flag} {name}: there is nothing between two commas in {written!r}")
    return _axis(name, values, kind, flag)


def _axis(
    name: str,
    values: Iterable[Any],
    kind: Literal["parameter", "argument", "variable"],
    flag: str = "sweep:",
) -> Axis:
    if isinstance(values, (str, bytes)):
        raise SpecError(f"{flag} {name}: {values!r} is one value; write a list of values")
    try:
        several = tuple(_native(value) for value in values)
    except TypeError as error:
        raise SpecError(f"{flag} {name}: {values!r} is no list of values") from error
    if not several:
        raise SpecError(f"{flag} {name}: there is no value")
    if len({repr(value) for value in several}) < len(several):
        raise SpecError(f"{flag} {name}: a value is given twice")
    return Axis(name, several, kind)


def _native(value: Any) -> Any:
    """Turn what numpy's arrays are made of into Python's own numbers."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else value
