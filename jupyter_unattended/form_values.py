"""A form's values: from a spec that exists, and from what a person filled in to specs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import axes
from .errors import SpecError
from .runtime.parameters import normalise
from .spec import JobSpec
from .units import format_duration, format_memory

#: Fields that are not drawn as such.
NOT_DRAWN = {
    *("schema_version", "notebook", "parameters", "arguments", "env", "secret_env", "options"),
    *("requirements_text",),
}
#: Fields that a person writes with a unit.
MEMORY_FIELDS = {"memory"}
DURATION_FIELDS = {"time_limit", "grace_period", "checkpoint_interval"}


def from_spec(spec: JobSpec, *, has_parameters: bool, requirements: str = "") -> dict[str, Any]:
    """Return the form's values for a spec that exists."""
    plain = spec.model_dump(mode="json", exclude=NOT_DRAWN, exclude_none=True)
    plain.pop("requirements", None)
    for name in MEMORY_FIELDS & plain.keys():
        plain[name] = format_memory(plain[name])
    for name in DURATION_FIELDS & plain.keys():
        plain[name] = format_duration(plain[name])
    plain["options"] = dict(spec.options)
    plain["env"] = [{"name": name, "value": value} for name, value in spec.env.items()]
    plain["env"] += [{"name": name, "value": "", "secret": True} for name in spec.secret_env]
    plain["requirements"] = requirements
    if has_parameters:
        plain["parameters"] = dict(spec.parameters)
    else:
        plain["arguments"] = shlex.join(spec.arguments)
    return plain


def to_fields(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Turn a form's values into fields of `JobSpec` and the values of secret variables.

    The notebook is not in a form; the caller adds it. What a form was opened with and nobody
    changed may be left out of `data`, above all ``parameters`` and ``requirements``: the job then
    gets what the notebook says.

    Raises
    ------
    SpecError
        If a value cannot be read.
    """
    fields_ = {name: value for name, value in data.items() if value not in (None, "")}
    fields_.pop("requirements", None)
    fields_.pop("sweep", None)
    if data.get("requirements") is not None:
        fields_["requirements_text"] = data["requirements"]  # empty: install nothing
    if isinstance(fields_.get("arguments"), str):
        try:
            fields_["arguments"] = shlex.split(fields_["arguments"])
        except ValueError as error:
            raise SpecError(f"arguments: {error}; close every quotation mark") from error
    env, secrets = _split_environment(fields_.pop("env", []))
    fields_["env"] = env
    fields_["secret_env"] = sorted(secrets)
    # A secret without a value is one that the submitting process has in its own environment.
    return fields_, {name: value for name, value in secrets.items() if value}


def _split_environment(rows: object) -> tuple[dict[str, str], dict[str, str]]:
    if isinstance(rows, Mapping):
        return {str(name): str(value) for name, value in rows.items()}, {}
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise SpecError("env: expected a list of variables, each with a name and a value")
    env: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for row in rows:
        name, value = str(row.get("name") or "").strip(), str(row.get("value") or "")
        if not name and not value:
            continue  # a row that was added and left empty
        if name in env or name in secrets:
            raise SpecError(f"env: {name} is given twice")
        (secrets if row.get("secret") else env)[name] = value
    return env, secrets


def to_specs(notebook: Path, data: Mapping[str, Any]) -> tuple[list[JobSpec], dict[str, str]]:
    """Turn a form's values into a spec for each run, and the values of secret variables.

    Raises
    ------
    SpecError
        If a value cannot be read or is not allowed.
    """
    fields, secrets = to_fields(data)
    over = _axes(data.get("sweep"))
    swept = {normalise(axis.name) for axis in over}
    parameters = fields.get("parameters")
    if isinstance(parameters, Mapping):  # else the spec says what is wrong with it
        fields["parameters"] = {name: v for name, v in parameters.items() if name not in swept}
    return axes.expand(JobSpec.checked(**{**fields, "notebook": notebook}), over), secrets


def _axes(text: object) -> list[axes.Axis]:
    """Read a line for each axis; ``env NAME=…`` is one of the environment."""
    if text is not None and not isinstance(text, str):
        raise SpecError("sweep: expected a text, with NAME=VALUES on each line")
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    variables = [line for line in lines if line.startswith("env ")]
    return axes.read(
        [line for line in lines if line not in variables],
        [line.removeprefix("env ").strip() for line in variables],
    )
