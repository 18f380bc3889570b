"""JobSpec: what was asked for. Every face speaks it, every backend reads it, job.json holds it.

The JSON Schema of this model, narrowed by policy and extended by the chosen backend's options and
the notebook's parameters, is the single source of every form and of the command line's options.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from .errors import SpecError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: Raised whenever a field changes its meaning; older readers must refuse newer numbers.
SCHEMA_VERSION = 1

_MEMORY_UNITS = {
    "": 1, "b": 1,
    "k": 10**3, "kb": 10**3, "ki": 2**10, "kib": 2**10,
    "m": 10**6, "mb": 10**6, "mi": 2**20, "mib": 2**20,
    "g": 10**9, "gb": 10**9, "gi": 2**30, "gib": 2**30,
    "t": 10**12, "tb": 10**12, "ti": 2**40, "tib": 2**40,
}  # fmt: skip
_DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def parse_memory(value: object) -> object:
    """Turn ``"4G"``, ``"512Mi"`` or a number of bytes into bytes.

    Decimal units (k, M, G, T) are powers of 1000 and binary ones (Ki, Mi, Gi, Ti) of 1024, as in
    Kubernetes quantities; case does not matter. Anything but a string is returned as it is.
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", value)
    if match is None or match[2].lower() not in _MEMORY_UNITS:
        raise ValueError(f"{value!r} is not an amount of memory; write for example 4G or 512Mi")
    return int(float(match[1]) * _MEMORY_UNITS[match[2].lower()])


def parse_duration(value: object) -> object:
    """Turn ``"90s"``, ``"1h30m"``, ``"2d"``, ``"HH:MM:SS"`` or a number of seconds into seconds.

    A bare number is seconds; ``MM:SS``, ``HH:MM:SS`` and Slurm's ``D-HH:MM:SS`` are understood.
    Anything but a string is returned as it is.
    """
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if re.fullmatch(r"[0-9]*\.?[0-9]+", text):
        return float(text)
    clock = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if clock is not None:
        days, hours, minutes, seconds = (int(group or 0) for group in clock.groups())
        return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)
    if re.fullmatch(r"(?:[0-9]*\.?[0-9]+\s*[smhd]\s*)+", text):
        parts = re.findall(r"([0-9]*\.?[0-9]+)\s*([smhd])", text)
        return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)
    raise ValueError(f"{value!r} is not a duration; write for example 90s, 1h30m or 12:00:00")


def _env_names(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not _ENV_NAME.match(name):
            raise ValueError(f"{name!r} is not a name of an environment variable")
    return value


Memory = Annotated[int, BeforeValidator(parse_memory), Field(gt=0)]
Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
CheckpointInterval = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
Environment = Annotated[dict[str, str], AfterValidator(_env_names)]


class JobSpec(BaseModel):
    """One unattended run of one notebook, as it was asked for.

    Only `notebook` must be given; the service fills in `workspace` and `name`.
    """

    model_config = ConfigDict(extra="forbid", validate_default=True)

    schema_version: int = Field(SCHEMA_VERSION, json_schema_extra={"readOnly": True})
    notebook: Path = Field(description="The notebook to run; kept as an absolute path.")
    workspace: Path | None = Field(
        None,
        description="Directory shared with the job, mounted at the same path. Default: "
        "$UNATTENDED_WORKSPACE, else the nearest directory above the notebook that has an "
        ".unattended directory, else the git work tree, else the notebook's directory.",
    )
    name: str | None = Field(
        None, max_length=200, description="A name for people. Default: the notebook's."
    )
    arguments: list[str] = Field(default_factory=list, description='What start.sh gets as "$@".')
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Values for the notebook's parameters, by name; after a submit, every "
        "parameter's value as the job sees it.",
    )
    env: Environment = Field(
        default_factory=dict, description="Environment variables, passed on as they are."
    )
    secret_env: list[str] = Field(
        default_factory=list,
        description="Names of environment variables whose values are secret: their values are "
        "handed to the backend and are in no file of the job directory.",
    )
    backend: str = Field("local", description="Where the job runs.")
    options: dict[str, Any] = Field(default_factory=dict, description="The backend's own options.")
    cpus: float = Field(1, gt=0, description="CPU cores.")
    memory: Memory | None = Field(None, description="Memory limit, e.g. 4G or 512Mi.")
    gpus: int = Field(0, ge=0, description="GPUs.")
    priority: int = Field(0, ge=-1000, le=1000, description="Higher runs earlier.")
    time_limit: Duration | None = Field(
        None, description="Longest total running time over all attempts, e.g. 12h or 36:00:00."
    )
    grace_period: Duration = Field(
        30, description="Seconds between SIGTERM and SIGKILL when the job is stopped."
    )
    max_restarts: int = Field(
        20, ge=0, description="How often the job may be started again after being stopped."
    )
    requirements: Path | None = Field(
        None,
        description="A requirements.txt. Default: the one beside the notebook, else one is "
        "written from the notebook's imports.",
    )
    requirements_text: str | None = Field(
        None,
        description="What start.sh installs, as the lines of a requirements.txt, in the place of "
        "any file.",
    )
    kernel: str | None = Field(None, description="Name of the kernel. Default: the notebook's.")
    image: str | None = Field(
        None,
        description="Container image. Default: the one this server runs in; jupyter unattended "
        "image NOTEBOOK makes one.",
    )
    snapshot: bool = Field(
        False, description="Take along the workspace files that the notebook imports."
    )
    checkpoint_interval: CheckpointInterval | None = Field(
        None,
        description="Least time between two snapshots of the notebook's variables, e.g. 10m; 0 "
        "saves after every cell, off never. Default: chosen so that saving costs at most 2 % of "
        "the run.",
    )
    checkpoints: bool = Field(True, description="Whether variables are saved between cells.")

    @model_validator(mode="before")
    @classmethod
    def _checkpoints_off(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("checkpoint_interval") == "off":
            return {**data, "checkpoint_interval": None, "checkpoints": False}
        return data

    @field_validator("name")
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and (not value.strip() or not value.isprintable()):
            raise ValueError("a name is one line of visible characters")
        return value

    @field_validator("notebook", "workspace", "requirements")
    @classmethod
    def _text(cls, value: Path | None) -> Path | None:
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"the name {str(value)!r} is not UTF-8, so job.json cannot hold it; rename it"
            ) from None
        return value

    @field_validator("schema_version")
    @classmethod
    def _known_version(cls, value: int) -> int:
        if value > SCHEMA_VERSION:
            raise ValueError(
                f"this job was written by a newer jupyter-unattended (schema {value}, "
                f"this one reads {SCHEMA_VERSION}); upgrade it"
            )
        return value

    @classmethod
    def checked(cls, **fields: Any) -> JobSpec:
        """Make a spec, or raise `SpecError` with one line that names field, problem and value."""
        try:
            return cls(**fields)
        except ValidationError as error:
            raise SpecError(describe(error)) from error


def describe(error: ValidationError, *, in_file: bool = False) -> str:
    """One line of plain words for a pydantic error: the first problem, and how many more.

    Fields are named as options of the command line or, `in_file`, as keys.
    """
    problems = error.errors(include_url=False)
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"]) or "job"
    where = where if in_file else where.replace("_", "-")
    others = len(problems) - 1
    more = f" (and {others} more problem{'s' if others > 1 else ''})" if others else ""
    return f"{where}: {_in_words(first)}{more}"


_NOT_A = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
    **dict.fromkeys(("string_type", "string_unicode"), "text"),
    **dict.fromkeys(("path_type",), "a path"),
    **dict.fromkeys(("list_type",), "a list"),
    **dict.fromkeys(("dict_type", "model_type"), "a mapping of names to values"),
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _in_words(problem: ErrorDetails) -> str:
    """Say what is wrong with a value in the words of the person who gave it."""
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return "there is no such option"
    if kind == "missing":
        return "a value is needed"
    if kind in _NOT_A:
        return f"{value!r} is not {_NOT_A[kind]}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"it must be {words} {context[key]:g}, not {value}"
    if kind == "literal_error":
        return f"{value!r} is not one of {str(context['expected']).replace(' or ', ', ')}"
    if kind == "string_too_long":
        return f"it is longer than {context['max_length']} characters"
    return problem["msg"].removeprefix("Value error, ")
