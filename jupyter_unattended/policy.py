"""What an administrator fixes, bounds or requires of jobs, for all faces alike.

A policy is a file ``jupyter_unattended_policy.toml`` in any of Jupyter's configuration directories.
Where there are several files, all of them hold: each can only narrow what the others allow. It
guides people and forms; it is no wall against somebody who edits their own environment, which is
what the scheduler's own limits are for.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .errors import PolicyError, PolicyFileError
from .options import shape
from .spec import JobSpec, describe
from .units import format_duration, format_memory

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

#: Name of the file in a configuration directory.
FILE = "jupyter_unattended_policy.toml"
#: Fields of a job that have more than one value, or say what the job is: no rule is about them.
_WITHOUT_RULES = {
    *("schema_version", "notebook", "arguments", "parameters", "options", "env", "secret_env"),
    "requirements_text",
}
#: Without a value, a job may take as much of these as there is.
_UNLIMITED = {"memory", "time_limit"}


class Rule(BaseModel):
    """What holds for one field."""

    model_config = ConfigDict(extra="forbid")

    fixed: Any = Field(None, description="The only value there is.")
    choices: list[Any] | None = Field(
        None, description="The values to choose from; texts may have * and ? in them."
    )
    minimum: Any = Field(None, description="The least value.")
    maximum: Any = Field(None, description="The greatest value.")
    default: Any = Field(None, description="The value where none is given.")
    required: bool = Field(False, description="Whether a value must be given.")
    hidden: bool = Field(False, description="Whether forms leave the field out.")
    reason: str = Field("", description="Why, for people; it stands in forms and errors.")


class _Contents(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fields: dict[str, Rule] = Field(default_factory=dict)
    options: dict[str, dict[str, Rule]] = Field(default_factory=dict)


@dataclass(frozen=True)
class _Bound:
    """A rule with its values as the field has them."""

    name: str
    rule: Rule
    file: Path
    unit: str

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with a value; None where nothing is."""
        rule = self.rule
        if value is None:
            # Nothing given is without limit there.
            needed = rule.required or (self.name in _UNLIMITED and rule.maximum is not None)
            return self._sentence(f"a value is needed{self._bounds()}") if needed else None
        if rule.fixed is not None and value != rule.fixed:
            return self._sentence(f"{self.text(value)} is not {self.text(rule.fixed)}, as is fixed")
        if rule.choices is not None and not any(_fits(value, one) for one in rule.choices):
            known = ", ".join(self.text(one) for one in rule.choices)
            return self._sentence(f"{self.text(value)} is not allowed, only {known}")
        if rule.minimum is not None and value < rule.minimum:
            least = self.text(rule.minimum)
            return self._sentence(f"{self.text(value)} is less than the {least} that is needed")
        if rule.maximum is not None and value > rule.maximum:
            most = self.text(rule.maximum)
            return self._sentence(f"{self.text(value)} is more than the {most} that is allowed")
        return None

    def instead(self, value: Any) -> Any:
        """Return what an unset field gets whose own default is `value`."""
        rule = self.rule
        for chosen in (rule.fixed, rule.default):
            if chosen is not None:
                return chosen
        if value is None or self.problem(value) is None:
            return value
        if rule.choices is not None:
            return next((one for one in rule.choices if not _is_pattern(one)), value)
        return rule.maximum if self._is_above(value) else rule.minimum

    def narrow(self, schema: dict[str, Any]) -> None:
        """Make a field's JSON Schema say what the rule says."""
        rule = self.rule
        said = [str(schema.get("description", "")).strip()]
        if rule.fixed is not None:
            schema["readOnly"] = True
            said.append("Fixed by the policy here.")
        elif rule.choices is not None:
            self._narrow_choices(schema, rule.choices, said)
        is_number = schema.get("type") in ("integer", "number")
        for keyword, bound, words in (
            ("minimum", rule.minimum, "At least"),
            ("maximum", rule.maximum, "At most"),
        ):
            if bound is None:
                continue
            said.append(f"{words} {self.text(bound)} here.")
            if is_number:
                pick = max if keyword == "minimum" else min
                schema[keyword] = pick(bound, schema.get(keyword, bound))
        if self.problem(None) is not None:
            said.append("Needed here.")
        schema["description"] = " ".join(filter(None, [*said, rule.reason]))

    def text(self, value: Any) -> str:
        """Write a value as a person would."""
        if self.unit == "SIZE" and isinstance(value, int):
            return format_memory(value)
        if self.unit == "TIME" and isinstance(value, (int, float)):
            return format_duration(value)
        return f"{value:g}" if isinstance(value, float) else str(value)

    def _narrow_choices(
        self, schema: dict[str, Any], choices: Sequence[Any], said: list[str]
    ) -> None:
        if "oneOf" in schema:
            for one in schema["oneOf"]:
                if not any(_fits(one["const"], choice) for choice in choices):
                    one["x-disabled"] = self.rule.reason or "Not allowed by the policy here."
        elif any(_is_pattern(choice) for choice in choices):
            said.append(f"Here: {', '.join(map(str, choices))}.")
            schema["pattern"] = "|".join(f"^{_expression(str(choice))}$" for choice in choices)
        else:
            schema["enum"] = [self.text(one) if self.unit in _UNITS else one for one in choices]

    def _is_above(self, value: Any) -> bool:
        return self.rule.maximum is not None and bool(value > self.rule.maximum)

    def _bounds(self) -> str:
        return f", at most {self.text(self.rule.maximum)}" if self.rule.maximum is not None else ""

    def _sentence(self, what: str) -> str:
        why = f" {self.rule.reason.rstrip('.')}." if self.rule.reason else ""
        return f"{self.name.replace('_', '-')}: {what} by the policy here.{why} ({self.file})"


_UNITS = ("SIZE", "TIME")


@dataclass(frozen=True)
class Policy:
    """All rules that hold here; without a file, none."""

    files: Sequence[Path] = ()
    _contents: Sequence[tuple[Path, _Contents]] = field(default=(), repr=False)
    _by_backend: dict[str, dict[str, list[_Bound]]] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, directories: Sequence[str | Path] | None = None) -> Policy:
        """Read the files in Jupyter's configuration directories, the system's first.

        Raises
        ------
        PolicyFileError
            If a file cannot be read or says what cannot be understood: nothing is submitted then.
        """
        if directories is None:
            from jupyter_core.paths import jupyter_config_path

            directories = list(reversed(jupyter_config_path()))
        paths = [Path(directory) / FILE for directory in directories]
        read = [(path, _read(path)) for path in dict.fromkeys(paths) if os.path.lexists(path)]
        return cls([path for path, _ in read], read)

    def apply(self, spec: JobSpec, options: type[BaseModel] | None = None) -> JobSpec:
        """Return the spec with what nobody set as the policy wants it.

        Parameters
        ----------
        options
            The model of the backend's own options. Without it only fields of `JobSpec` are filled
            in, above all which backend it is.
        """
        changed: dict[str, Any] = {}
        for name, bounds in self._fields.items():
            value = getattr(spec, name)
            if name not in spec.model_fields_set or value is None:
                new = _filled(bounds, value)
                if new != value:
                    changed[name] = new
        if options is not None:
            given = dict(spec.options)
            for name, bounds in self._options(spec.backend, options).items():
                if given.get(name) is None:
                    default = options.model_fields[name].get_default(call_default_factory=True)
                    new = _filled(bounds, default)
                    if new != default:
                        given[name] = new
            if given != spec.options:
                changed["options"] = given
        return spec.model_copy(update=changed) if changed else spec

    def backend(self) -> str:
        """Return the backend of a job that names none."""
        default = str(JobSpec.model_fields["backend"].default)
        return str(_filled(self._fields.get("backend", ()), default))

    def problems(self, spec: JobSpec, options: type[BaseModel]) -> list[str]:
        """Return what the policy does not allow, a sentence each."""
        found = [
            bound.problem(getattr(spec, name))
            for name, bounds in self._fields.items()
            for bound in bounds
        ]
        own = self._options(spec.backend, options)
        checked = options.model_validate(spec.options) if own else None
        found += [
            bound.problem(getattr(checked, name))
            for name, bounds in own.items()
            for bound in bounds
        ]
        return [problem for problem in found if problem is not None]

    def check(self, spec: JobSpec, options: type[BaseModel]) -> None:
        """Raise `PolicyError` if the policy does not allow this job."""
        problems = self.problems(spec, options)
        if problems:
            more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
            raise PolicyError(f"{problems[0]}{more}")

    def narrow(self, schema: dict[str, Any]) -> None:
        """Narrow the JSON Schema of a form to what the policy allows."""
        properties, required = schema["properties"], schema.setdefault("required", [])
        for name, bounds in self._fields.items():
            _narrow(name, bounds, properties, required)

    def narrow_options(
        self, backend: str, schema: dict[str, Any], options: type[BaseModel]
    ) -> None:
        """Narrow the JSON Schema of a backend's own options."""
        properties, required = schema.get("properties", {}), schema.setdefault("required", [])
        for name, bounds in self._options(backend, options).items():
            _narrow(name, bounds, properties, required)

    @cached_property
    def _fields(self) -> dict[str, list[_Bound]]:
        known = {k: v for k, v in JobSpec.model_fields.items() if k not in _WITHOUT_RULES}
        return _bounds("fields", known, [(path, one.fields) for path, one in self._contents])

    def _options(self, backend: str, options: type[BaseModel]) -> dict[str, list[_Bound]]:
        if backend not in self._by_backend:
            rules = [(path, one.options.get(backend, {})) for path, one in self._contents]
            found = _bounds(f"options.{backend}", options.model_fields, rules)
            self._by_backend[backend] = found
        return self._by_backend[backend]


def _read(path: Path) -> _Contents:
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib  # type: ignore[import-not-found, unused-ignore, no-redef]
    try:
        return _Contents.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise PolicyFileError(f"{path}: {describe(error)}") from error
    except (OSError, ValueError) as error:
        raise PolicyFileError(
            f"The policy {path} cannot be read ({error}); ask the administrator of this "
            "installation."
        ) from error


def _bounds(
    table: str, known: Mapping[str, FieldInfo], rules: Sequence[tuple[Path, Mapping[str, Rule]]]
) -> dict[str, list[_Bound]]:
    found: dict[str, list[_Bound]] = {}
    for path, by_name in rules:
        for name, rule in by_name.items():
            if name not in known:
                raise PolicyFileError(f"{path}: {table}.{name}: there is no such field for rules")
            _, _, unit = shape(known[name])
            bound = _Bound(
                name, _parsed(rule, known[name], f"{path}: {table}.{name}"), path, unit or ""
            )
            found.setdefault(name, []).append(bound)
    return found


def _parsed(rule: Rule, info: FieldInfo, where: str) -> Rule:
    """Read the values in a rule as the field itself reads them: ``64G``, ``12h``."""
    annotated: Any = Annotated
    adapter = TypeAdapter(annotated[(info.annotation, *info.metadata, None)])

    def read(value: Any) -> Any:
        return value if value is None or _is_pattern(value) else adapter.validate_python(value)

    try:
        update = {k: read(getattr(rule, k)) for k in ("fixed", "minimum", "maximum", "default")}
        update["choices"] = None if rule.choices is None else [read(one) for one in rule.choices]
    except ValidationError as error:
        raise PolicyFileError(f"{where}: {describe(error)}") from error
    return rule.model_copy(update=update)


def _filled(bounds: Sequence[_Bound], value: Any) -> Any:
    """Return an unset field's value: the first file that has one to give decides."""
    for bound in bounds:
        new = bound.instead(value)
        if new != value:
            return new
    return value


def _narrow(
    name: str, bounds: Sequence[_Bound], properties: dict[str, Any], required: list[str]
) -> None:
    if name not in properties:
        return
    if any(bound.rule.hidden for bound in bounds):
        del properties[name]
        return
    for bound in bounds:
        bound.narrow(properties[name])
        if bound.problem(None) is not None and name not in required:
            required.append(name)


def _is_pattern(value: Any) -> bool:
    return isinstance(value, str) and any(char in value for char in "*?")


def _fits(value: Any, choice: Any) -> bool:
    return fnmatch.fnmatchcase(str(value), choice) if _is_pattern(choice) else value == choice


def _expression(pattern: str) -> str:
    """Write a pattern as a regular expression that browsers understand, too."""
    special = {"*": ".*", "?": "."}
    return "".join(special.get(c, c if c.isalnum() or c in "/:_- " else f"\\{c}") for c in pattern)
