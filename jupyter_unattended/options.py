"""The options of a submit, made from `JobSpec`'s fields and a backend's options model.

One definition for every face that reads words: the command line, the magic. A field that is added
to `JobSpec` or to a backend's model becomes an option by itself; `_LOOKS` only adds short flags
and groups. Values are checked by the models, not here.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from .backends import registry
from .errors import PolicyFileError
from .spec import JobSpec, parse_duration, parse_memory

Kind = Literal["value", "path", "flag", "pairs", "many"]

#: Fields that are no options: the notebook is the argument, the others have words of their own or
#: are for forms.
_NOT_OPTIONS = {
    *("schema_version", "notebook", "arguments", "parameters", "options", "requirements_text"),
}


@dataclass(frozen=True)
class _Look:
    group: str = "Job"
    short: str | None = None
    metavar: str | None = None
    help: str | None = None


_LOOKS: Mapping[str, _Look] = {
    "env": _Look(
        "Environment",
        "-e",
        "NAME[=VALUE]",
        "Set an environment variable; NAME alone takes its value from here. Names that look secret "
        "(TOKEN, KEY, SECRET, PASSWORD) are treated like --secret-env. May be repeated.",
    ),
    "secret_env": _Look(
        "Environment",
        None,
        "NAME[=VALUE]",
        "An environment variable whose value is written into no file of the job directory; NAME "
        "alone takes its value from here. May be repeated.",
    ),
    "requirements": _Look("Environment"),
    "kernel": _Look("Environment"),
    "image": _Look("Environment", "-i", "IMAGE"),
    "snapshot": _Look("Environment"),
    "cpus": _Look("Resources"),
    "memory": _Look("Resources"),
    "gpus": _Look("Resources", "-g"),
    "time_limit": _Look("Stopping and starting again"),
    "grace_period": _Look("Stopping and starting again"),
    "max_restarts": _Look("Stopping and starting again"),
    "checkpoint_interval": _Look("Stopping and starting again"),
    "checkpoints": _Look("Stopping and starting again"),
}


@dataclass(frozen=True)
class JobOption:
    """One option of a submit.

    Parameters
    ----------
    field
        Name of the field it fills.
    flag
        ``--time-limit``.
    kind
        How it is written: once with a value or a path, as ``--flag/--no-flag``, or repeated, with
        ``NAME=VALUE`` or with plain values.
    help
        One or two full sentences.
    group
        Heading under which a help text lists it.
    short
        ``-e``, or None.
    metavar
        Word that stands for the value.
    choices
        The allowed words, or None.
    default
        The default as text, or None where there is none to show.
    backend
        Name of the backend whose own option this is, or None for a field of `JobSpec`.
    """

    field: str
    flag: str
    kind: Kind
    help: str
    group: str
    short: str | None = None
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    default: str | None = None
    backend: str | None = None

    @property
    def key(self) -> str:
        """Name of the value in a parsed command, different for every option."""
        return f"{self.backend or 'job'}.{self.field}"


def job_options(backend: str | None = None) -> list[JobOption]:
    """Return `JobSpec`'s options, then those of `backend` (default: the one that jobs get here).

    Raises
    ------
    BackendUnavailableError
        There is no backend of this name.
    """
    options = [
        _option(name, field, _LOOKS.get(name, _Look()), None)
        for name, field in JobSpec.model_fields.items()
        if name not in _NOT_OPTIONS
    ]
    name = backend or default_backend()
    taken = {option.flag for option in options}
    look = _Look(f"Backend {name}")
    for field_name, field in registry.get(name).options_model().model_fields.items():
        option = _option(field_name, field, look, name)
        if option.flag in taken:  # a field of JobSpec keeps its flag
            option = _option(field_name, field, look, name, prefix=f"{name}-")
        options.append(option)
    return options


def default_backend() -> str:
    """Return the backend of a job that names none: the policy's, else `JobSpec`'s default."""
    from .policy import Policy

    try:
        return Policy.load().backend()
    except PolicyFileError:  # the submit says it
        return str(JobSpec.model_fields["backend"].default)


def absolute(text: str) -> Path:
    """Return a path that a person wrote, made absolute from here; symbolic links stay."""
    path = Path(text).expanduser()
    return path if path.is_absolute() else Path.cwd() / path


def _option(
    name: str, field: FieldInfo, look: _Look, backend: str | None, prefix: str = ""
) -> JobOption:
    kind, choices, metavar = shape(field)
    default = field.get_default(call_default_factory=False)
    shown = default not in (None, "") and kind in ("value", "path") and not field.is_required()
    description = look.help or field.description or ""
    return JobOption(
        field=name,
        flag=f"--{prefix}{name.replace('_', '-')}",
        kind=kind,
        help=description,
        group=look.group,
        short=look.short,
        metavar=look.metavar or metavar,
        choices=choices,
        default=_plain(default) if shown else None,
        backend=backend,
    )


def _plain(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def shape(field: FieldInfo) -> tuple[Kind, tuple[str, ...] | None, str | None]:
    """How a field of this type is written: kind, choices, metavar."""
    parts = list(_parts(field.annotation))
    parsers = [part.func for part in [*field.metadata, *parts] if isinstance(part, BeforeValidator)]
    if parse_memory in parsers:
        return "value", None, "SIZE"
    if parse_duration in parsers:
        return "value", None, "TIME"
    for part in parts:
        origin = get_origin(part) or part
        if origin is bool:
            return "flag", None, None
        if origin is dict:
            return "pairs", None, "NAME=VALUE"
        if origin in (list, tuple, set):
            return "many", _choices(get_args(part)), "VALUE"
        if isinstance(origin, type):
            if issubclass(origin, Path):
                return "path", None, "PATH"
            if issubclass(origin, enum.Enum):
                return "value", tuple(str(member.value) for member in origin), None
            if issubclass(origin, BaseModel):
                return "value", None, "JSON"
            if issubclass(origin, (int, float)):
                return "value", None, "N"
    return "value", _choices(parts), "TEXT"


def _choices(parts: Any) -> tuple[str, ...] | None:
    words = [str(word) for part in parts if get_origin(part) is Literal for word in get_args(part)]
    return tuple(words) or None


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union and the metadata of ``Annotated``, without None."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _parts(member)
    elif hasattr(annotation, "__metadata__"):
        yield from _parts(annotation.__origin__)
        yield from annotation.__metadata__
    elif annotation is not types.NoneType:
        yield annotation
