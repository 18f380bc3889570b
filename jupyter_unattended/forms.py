"""One JSON Schema for every form: what can be asked for, with what is there now as defaults.

The schema is `JobSpec`'s own, joined with the notebook's typed parameters and with the options of
every backend. JupyterLab and the ipywidgets form draw what is in it and know no field by name.

Keywords of our own, all of which a reader may ignore: ``x-groups`` (the form's sections, in order),
``x-group`` (a field's section), ``x-widget`` (``lines``, ``json``, ``environment``, ``backend``,
``image``), ``x-disabled`` (why a field or a choice cannot be used here), ``x-placeholder``,
``x-cannot-make`` (why no image can be made here).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .backends import registry
from .form_values import DURATION_FIELDS, MEMORY_FIELDS, NOT_DRAWN, from_spec
from .policy import Policy
from .runtime.parameters import to_json_schema
from .spec import JobSpec

if TYPE_CHECKING:
    from .backends.base import Availability, Backend, Capabilities
    from .jobs.service import JobService
    from .runtime.parameters import Parameter

#: The sections of a form: id, title, whether it is unfolded.
GROUPS = (
    ("parameters", "Parameters", True),
    ("where", "Where to run", True),
    ("resources", "Resources", True),
    ("environment", "Environment variables", False),
    ("sweep", "Several runs", False),
    ("requirements", "Requirements", False),
    ("advanced", "Advanced", False),
)

#: Fields in the order of the form: name, section, title. Fields of `JobSpec` that are not here are
#: appended to the last section, so that a new one is in every form at once.
_LAYOUT = (
    ("name", "where", "Name"),
    ("backend", "where", "Where"),
    ("cpus", "resources", "CPU cores"),
    ("memory", "resources", "Memory"),
    ("gpus", "resources", "GPUs"),
    ("time_limit", "resources", "Time limit"),
    ("priority", "resources", "Priority"),
    ("requirements", "requirements", "What start.sh installs"),
    ("max_restarts", "advanced", "Restarts"),
    ("grace_period", "advanced", "Grace period"),
    ("kernel", "advanced", "Kernel"),
    ("image", "advanced", "Image"),
    ("workspace", "advanced", "Workspace"),
    ("snapshot", "advanced", "Snapshot workspace files"),
    ("checkpoints", "advanced", "Save variables between cells"),
    ("checkpoint_interval", "advanced", "Time between snapshots"),
)
_MEMORY_PATTERN = r"^\s*[0-9]*\.?[0-9]+\s*[kKmMgGtT]?[iI]?[bB]?\s*$"
_DURATION_PATTERN = (
    r"^\s*(([0-9]*\.?[0-9]+\s*[sSmMhHdD]?\s*)+|([0-9]+-)?([0-9]+:)?[0-9]+:[0-9]+)\s*$"
)
#: What an empty field means.
_PLACEHOLDERS = {"image": "same as this server"}
#: Field -> the capability without which it has no effect.
_NEEDS = {"gpus": "gpus", "memory": "memory", "image": "image", "priority": "priority"}


@dataclass(frozen=True)
class BackendChoice:
    """One backend as a form shows it."""

    name: str
    title: str
    usable: bool
    reason: str
    #: Field -> why this backend has no use for it.
    disabled: Mapping[str, str]
    #: JSON Schema of the backend's own options.
    options: Mapping[str, Any]
    #: Field -> keywords of its schema that hold for this backend alone.
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, backend: Backend, availability: Availability, policy: Policy) -> BackendChoice:
        """Describe `backend`, which answered `availability`, as far as `policy` allows it."""
        options = _options(backend)
        policy.narrow_options(backend.name, options, backend.options_model())
        return cls(
            name=backend.name,
            title=backend.title,
            usable=availability.usable,
            reason=availability.reason,
            disabled=_disabled(backend.capabilities()),
            options=options,
            fields=_fields(backend),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "usable": self.usable,
            "reason": self.reason,
            "disabled": dict(self.disabled),
            "options": dict(self.options),
            "fields": {name: dict(keywords) for name, keywords in self.fields.items()},
        }


def _fields(backend: Backend) -> Mapping[str, Mapping[str, Any]]:
    from .backends.base import Describes

    return backend.described() if isinstance(backend, Describes) else {}


def _options(backend: Backend) -> dict[str, Any]:
    """Return the JSON Schema of a backend's options, as far as they can be used here."""
    from .backends.base import Narrows

    schema = _plain(backend.options_model().model_json_schema())
    if isinstance(backend, Narrows):
        properties = schema.get("properties", {})
        for name, keywords in backend.narrowed().items():
            # A choice of words is one, whatever else the option could be.
            dropped = {"anyOf", "default"} if "enum" in keywords else set()
            kept = {key: value for key, value in properties[name].items() if key not in dropped}
            properties[name] = {**kept, **keywords}
    return schema


def backend_choices(service: JobService, policy: Policy | None = None) -> list[BackendChoice]:
    """Return all backends as a form shows them: usable ones first."""
    policy = Policy.load() if policy is None else policy
    loaded, broken = registry.all(service.state_dir)
    choices = [
        BackendChoice.of(service.backend(name), backend.availability(), policy)
        for name, backend in loaded.items()
    ]
    choices += [
        BackendChoice(name, name, usable=False, reason=reason, disabled={}, options={})
        for name, reason in broken.items()
    ]
    return sorted(choices, key=lambda choice: not choice.usable)


@dataclass(frozen=True)
class Form:
    """A form: its schema and the values it opens with."""

    schema: dict[str, Any]
    data: dict[str, Any]
    backends: list[BackendChoice] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "schema": self.schema,
            "data": self.data,
            "backends": [choice.to_dict() for choice in self.backends],
        }


def build(
    spec: JobSpec,
    parameters: Sequence[Parameter],
    backends: Sequence[BackendChoice],
    *,
    requirements: str = "",
    candidates: Sequence[Parameter] = (),
    policy: Policy | None = None,
    sweeps: bool = True,
) -> Form:
    """Make the form for one notebook.

    Parameters
    ----------
    spec
        What the form opens with; workspace and name are filled in.
    parameters
        The notebook's parameters; without any, the form asks for arguments as text.
    backends
        All backends, usable or not.
    requirements
        What would be installed, as text.
    candidates
        What could be parameters in a notebook that has no cell tagged so.
    policy
        What the administrator allows.
    sweeps
        Whether several runs can be asked for: not of a clone.
    """
    model = _plain(JobSpec.model_json_schema())["properties"]
    chosen = next((choice for choice in backends if choice.name == spec.backend), None)
    properties: dict[str, Any] = {}
    if parameters:
        properties["parameters"] = _parameters(parameters)
    else:
        properties["arguments"] = _arguments(candidates)
    placed = {name for name, _, _ in _LAYOUT}
    rest = [(name, "advanced", "") for name in model if name not in placed | NOT_DRAWN]
    for name, group, title in (*_LAYOUT, *rest):
        if name in model:
            properties[name] = _field(name, title, group, model[name], chosen)
        if name == "backend":
            properties[name].update(_backend_choices(backends))
            if chosen is not None and chosen.options.get("properties"):
                properties["options"] = {**chosen.options, "title": "", "x-group": "where"}
    properties["requirements"] = _requirements()
    properties["env"] = _environment(model["env"])
    if sweeps:
        properties["sweep"] = _sweep(parameters)
    schema = {
        "type": "object",
        "properties": properties,
        "required": ["parameters"] if parameters and any(p.required for p in parameters) else [],
        "x-groups": [{"id": i, "title": title, "open": is_open} for i, title, is_open in GROUPS],
    }
    if policy is not None:
        policy.narrow(schema)
    data = from_spec(spec, has_parameters=bool(parameters), requirements=requirements)
    if parameters:
        data["parameters"] = {
            **{p.name: p.default for p in parameters if _has_shown_default(p)},
            **data["parameters"],
        }
    return Form(schema, {k: v for k, v in data.items() if k in properties}, list(backends))


def for_backend(schema: Mapping[str, Any], choice: BackendChoice | None) -> dict[str, Any]:
    """Return a form's schema with what one of its backends knows of the fields.

    JupyterLab does the same by itself, because there the backend changes without a request.
    """
    fields = choice.fields if choice is not None else {}
    properties = {
        name: {**property_, **fields.get(name, {})}
        for name, property_ in schema["properties"].items()
    }
    return {**schema, "properties": properties}


# -- the parts of the schema -----------------------------------------------------------------------


def _parameters(parameters: Sequence[Parameter]) -> dict[str, Any]:
    schema = to_json_schema(parameters)
    for parameter in parameters:
        own = schema["properties"][parameter.name]
        if parameter.kind in ("list", "dict"):
            own["x-widget"] = "json"
        if parameter.default_source:
            own["x-placeholder"] = parameter.default_source
    return {**schema, "title": "", "x-group": "parameters"}


def _has_shown_default(parameter: Parameter) -> bool:
    return "default" in parameter.to_json_schema() and parameter.default is not None


def _arguments(candidates: Iterable[Parameter]) -> dict[str, Any]:
    names = [parameter.name for parameter in candidates]
    hint = "Passed on as sys.argv[1:], written as on a command line."
    if names:
        hint += (
            f" To set {', '.join(names[:4])}{' …' if len(names) > 4 else ''} here instead, add the "
            "tag “parameters” to the first code cell."
        )
    return {
        "type": "string",
        "title": "Arguments",
        "description": hint,
        "x-group": "parameters",
        "x-placeholder": "--epochs=30 --verbose",
    }


def _field(
    name: str, title: str, group: str, model: Mapping[str, Any], chosen: BackendChoice | None
) -> dict[str, Any]:
    schema = {key: value for key, value in model.items() if key not in ("anyOf", "title")}
    options = [option for option in model.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        schema = {**options[0], **schema}
    if schema.get("default", ...) is None:
        del schema["default"]
    if name in MEMORY_FIELDS | DURATION_FIELDS:
        is_memory = name in MEMORY_FIELDS
        for keyword in ("exclusiveMinimum", "minimum", "default"):
            schema.pop(keyword, None)
        schema["type"] = "string"
        schema["pattern"] = _MEMORY_PATTERN if is_memory else _DURATION_PATTERN
        schema["x-placeholder"] = "e.g. 4G" if is_memory else "e.g. 12h"
        if name == "checkpoint_interval":
            schema["pattern"] = rf"^\s*off\s*$|{_DURATION_PATTERN}"
            schema["x-placeholder"] = "chosen from the cost"
    elif name in _PLACEHOLDERS:
        schema["x-placeholder"] = _PLACEHOLDERS[name]
    schema.pop("format", None)  # "path" is none of the formats a validator knows
    schema["title"] = title or name.replace("_", " ").capitalize()
    schema["x-group"] = group
    if chosen is not None and name in chosen.disabled:
        schema["x-disabled"] = chosen.disabled[name]
    return schema


def _backend_choices(backends: Sequence[BackendChoice]) -> dict[str, Any]:
    choices: list[dict[str, Any]] = []
    for backend in backends:
        choice: dict[str, Any] = {"const": backend.name, "title": backend.title}
        if not backend.usable:
            choice["x-disabled"] = backend.reason
        choices.append(choice)
    return {"oneOf": choices, "x-widget": "backend"}


def _requirements() -> dict[str, Any]:
    return {
        "type": "string",
        "title": "What start.sh installs",
        "description": "One requirement on a line, as in requirements.txt.",
        "x-group": "requirements",
        "x-widget": "lines",
    }


def _sweep(parameters: Sequence[Parameter]) -> dict[str, Any]:
    name = parameters[0].name if parameters else "rate"
    return {
        "type": "string",
        "title": "Values to try",
        "description": f"One name on a line: {name}=1,2 or {name}=1..5 or, in JSON, "
        f'{name}=["a", "b"]; env NAME=a,b for an environment variable. There is a job for every '
        "combination; these values take the place of those above.",
        "x-group": "sweep",
        "x-widget": "lines",
    }


def _environment(model: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "array",
        "title": "",
        "description": model.get("description", ""),
        "x-group": "environment",
        "x-widget": "environment",
        "items": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "title": "Name"},
                "value": {"type": "string", "title": "Value"},
                "secret": {
                    "type": "boolean",
                    "title": "Secret",
                    "description": "The value is handed to the backend and is in no file.",
                },
            },
        },
    }


def _disabled(capabilities: Capabilities) -> dict[str, str]:
    reasons = {name: getattr(capabilities, need) for name, need in _NEEDS.items()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema with its references put in place."""
    definitions = schema.get("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, Mapping):
            if "$ref" in node:
                target = definitions[str(node["$ref"]).rpartition("/")[2]]
                return resolve({**target, **{k: v for k, v in node.items() if k != "$ref"}})
            return {key: resolve(value) for key, value in node.items() if key != "$defs"}
        return [resolve(value) for value in node] if isinstance(node, list) else node

    resolved: dict[str, Any] = resolve(schema)
    return resolved
