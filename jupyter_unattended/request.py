"""From the words a person typed to a `JobSpec`: shared by the command line and the magic.

The words of a submit are options of ours, parameters of the notebook, and after ``--`` whatever the
notebook reads from ``sys.argv``::

    train.ipynb --cpus 4 --epochs 30 learning_rate=0.1 -- --anything else
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import ArgumentsError, SpecError, UnattendedError
from .options import JobOption, absolute, job_options
from .spec import JobSpec

if TYPE_CHECKING:
    from .runtime.parameters import Parameter

_SECRET_WORDS = ("TOKEN", "KEY", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS")
_META = "jupyter_unattended.request"


@dataclass
class Request:
    """What was asked for, before the notebook has been read.

    Parameters
    ----------
    notebook
        The path as typed; None where a magic named none.
    fields
        The fields of `JobSpec` that were given, as typed; everything else has its default.
    secrets
        Values of secret environment variables; they are kept apart from `fields`.
    words
        Words before ``--`` that are no option of ours: the notebook's parameters.
    passed
        Words after ``--``: passed on untouched.
    """

    notebook: str | None
    fields: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)

    def spec(self) -> JobSpec:
        """Return the specification; reads the notebook where words need explaining.

        Raises
        ------
        UnattendedError
            A value is wrong, or a word is neither an option nor a parameter of the notebook.
        """
        if self.notebook is None:
            raise SpecError("No notebook was named")
        notebook = absolute(self.notebook)
        known = _parameters(self, notebook) if self.words or self.passed else None
        return JobSpec.checked(notebook=notebook, arguments=self._arguments(known), **self.fields)

    def _arguments(self, known: list[Parameter] | None) -> list[str]:
        """Return what start.sh gets: ``--`` stays where parameters and other words part."""
        if known is None or not self.passed:
            return [*self.words, *self.passed]
        return [*self.words, "--", *self.passed]

    def changes(self, notebook: Path) -> dict[str, Any]:
        """Return the fields that a clone of a job with this notebook changes.

        Parameters given as words are merged into the job's; what follows ``--`` replaces all of
        its arguments.

        Raises
        ------
        ArgumentsError
            A word is neither an option nor a parameter of the notebook.
        """
        changes = dict(self.fields)
        if self.passed:
            changes["arguments"] = self._arguments(_parameters(self, notebook))
        elif self.words:
            from .runtime import parameters

            known = _parameters(self, notebook) or []
            try:
                changes["parameters"] = parameters.parse(self.words, known, partial=True)
            except parameters.ParametersError as error:
                raise ArgumentsError(str(error)) from error
        return changes


def sweep_options() -> list[click.Option]:
    """Return the options that make one submit many runs; `axes.read` reads their values."""
    return [
        click.Option(
            ["--sweep"],
            multiple=True,
            metavar="NAME=VALUES",
            help="Run once for each of these values of a parameter: lr=0.1,0.2 or seed=1..5 or "
            "layers=[[64],[64,64]]. May be repeated: every combination is run.",
        ),
        click.Option(
            ["--sweep-env"],
            multiple=True,
            metavar="NAME=VALUES",
            help="The same for an environment variable.",
        ),
    ]


class RequestCommand(click.Command):
    """A click command that reads a `Request` and options of its face.

    Parameters
    ----------
    name
        The word on the command line.
    callback
        Called with the `Request` and the values of `params`.
    params
        The face's own options, such as ``--wait``.
    subject
        What comes first. Default: the argument ``NOTEBOOK``. A parameter of another name is handed
        to the callback like the face's own options.
    attributes
        Passed on to `click.Command`.
    """

    def __init__(
        self,
        name: str,
        callback: Callable[..., Any],
        params: Sequence[click.Parameter] = (),
        *,
        subject: click.Parameter | None = None,
        **attributes: Any,
    ) -> None:
        attributes.setdefault("context_settings", {}).update(
            ignore_unknown_options=True, allow_extra_args=True
        )
        super().__init__(name, params=list(params), callback=callback, **attributes)
        self._subject = subject or click.Argument(
            ["notebook"], type=click.Path(), metavar="NOTEBOOK"
        )

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the subject, the options of the chosen backend, the face's own, and --help."""
        options = ctx.meta.get(_META)
        if options is None:
            options = ctx.meta[_META] = [_JobClickOption(option) for option in job_options()]
        return [self._subject, *options, *super().get_params(ctx)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; what is not ours is kept in order for the notebook."""
        words, passed = args, []
        if "--" in args:
            cut = args.index("--")
            words, passed = args[:cut], args[cut + 1 :]
        try:
            options = [_JobClickOption(option) for option in job_options(_chosen_backend(words))]
        except UnattendedError:
            if not ctx.resilient_parsing:  # completing `--backend kub` must not fail
                raise
            options = [_JobClickOption(option) for option in job_options()]
        ctx.meta[_META] = options
        super().parse_args(ctx, list(words))
        if not ctx.resilient_parsing:
            ctx.params = {**self._own(ctx), "request": self._request(ctx, options, passed)}
            ctx.args = []
        return ctx.args

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options under the headings of their groups."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                group = "This command"
                if isinstance(parameter, _JobClickOption):
                    group = parameter.job.group
                groups.setdefault(group, []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)

    def _own(self, ctx: click.Context) -> dict[str, Any]:
        names = {parameter.name for parameter in [self._subject, *super().get_params(ctx)]}
        names.discard("notebook")
        return {name: value for name, value in ctx.params.items() if name in names}

    def _request(
        self, ctx: click.Context, options: Sequence[_JobClickOption], passed: list[str]
    ) -> Request:
        notebook = ctx.params.get("notebook")
        words = list(ctx.args)
        first = ctx.params[str(self._subject.name)]
        if first is not None and first.startswith("-"):
            flag = first.partition("=")[0]
            raise ArgumentsError(
                f"There is no option {flag}{_nearest(flag, options)}; the notebook's own "
                f"parameters are written after {self._subject.metavar or self._subject.opts[0]}"
            )
        request = Request(notebook=notebook, words=words, passed=passed)
        for option in options:
            value = ctx.params[str(option.name)]
            if value is not None and value != ():
                _fill(request, option.job, value)
        if request.secrets:
            request.fields["secret_env"] = list(request.secrets)
        return request


class _JobClickOption(click.Option):
    """A `JobOption` as click wants it."""

    def __init__(self, job: JobOption) -> None:
        self.job = job
        names = [job.flag, *([job.short] if job.short else [])]
        if job.kind == "flag":
            names = [f"{job.flag}/--no-{job.flag[2:]}"]
        kind: click.ParamType[Any] = click.STRING
        if job.choices:
            kind = click.Choice(job.choices)
        elif job.kind == "path":
            kind = click.Path()
        text = job.help
        if job.default is not None and "default" not in text.lower():
            text = f"{text}  [default: {job.default}]"
        super().__init__(
            [*names, re.sub(r"\W", "_", job.key)],
            type=None if job.kind == "flag" else kind,
            multiple=job.kind in ("pairs", "many"),
            default=None,
            metavar=None if job.choices else job.metavar,
            help=text,
            is_flag=job.kind == "flag",
        )


def parse(tokens: Sequence[str], *, notebook_argument: bool = False) -> Request:
    """Read the words of a submit without running anything.

    Parameters
    ----------
    tokens
        The words, already split as a shell does.
    notebook_argument
        Whether the first word is the notebook; else ``--notebook PATH`` may name it.

    Returns
    -------
    Request
        What was asked for.

    Raises
    ------
    UnattendedError
        A word cannot be understood.
    """
    subject = None if notebook_argument else click.Option(["--notebook"], help="The notebook.")
    command = RequestCommand("submit", lambda **_: None, subject=subject)
    try:
        context = command.make_context("submit", list(tokens))
    except click.ClickException as error:
        raise SpecError(error.format_message()) from error
    request: Request = context.params["request"]
    return request


def looks_secret(name: str) -> bool:
    """Whether an environment variable of this name most likely holds a secret."""
    return any(word.endswith(_SECRET_WORDS) for word in name.upper().split("_"))


def _chosen_backend(words: Sequence[str]) -> str | None:
    """Find ``--backend X`` before anything else is read: it decides which options there are."""
    chosen = None
    for index, word in enumerate(words):
        if word == "--backend" and index + 1 < len(words):
            chosen = words[index + 1]
        elif word.startswith("--backend="):
            chosen = word.partition("=")[2]
    return chosen


def _fill(request: Request, option: JobOption, value: Any) -> None:
    if option.backend is None and option.field in ("env", "secret_env"):
        for pair in value:
            name, content = _variable(pair, option.flag)
            if option.field == "secret_env" or looks_secret(name):
                request.secrets[name] = content
            else:
                request.fields.setdefault("env", {})[name] = content
        return
    if option.kind == "pairs":
        value = dict(_pair(item, option.flag) for item in value)
    elif option.kind == "many":
        value = list(value)
    elif option.kind == "path":
        value = absolute(value)
    elif option.metavar == "JSON":
        try:
            value = json.loads(value)
        except ValueError as error:
            raise SpecError(f"{option.flag}: {value!r} is not JSON ({error})") from error
    target = request.fields if option.backend is None else request.fields.setdefault("options", {})
    target[option.field] = value


def _variable(text: str, flag: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals:
        return name, value
    if name not in os.environ:
        raise SpecError(
            f"{flag} {name}: there is no environment variable {name} here; "
            f"write {flag} {name}=VALUE"
        )
    return name, os.environ[name]


def _pair(text: str, flag: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SpecError(f"{flag} {text}: write {flag} NAME=VALUE")
    return name, value


def _parameters(request: Request, path: Path) -> list[Parameter] | None:
    """Return the notebook's parameters, None if it has no cell tagged so.

    Words that only look like one of our options are refused.

    That a word fits a parameter is checked later, with all others, by whoever takes the spec.
    """
    from .notebook import reader
    from .runtime import parameters

    notebook = reader.load(path)
    cell, known = parameters.find(notebook.node)
    if cell is None and not request.words:
        return None
    if cell is None:
        raise ArgumentsError(
            f"{request.words[0]} is no option, and {path.name} has no cell tagged 'parameters'; "
            f"{_could_be_tagged(notebook.node)}what the notebook reads from sys.argv is written "
            "after --"
        )
    names = [parameter.name for parameter in known]
    options = [_JobClickOption(option) for option in job_options(request.fields.get("backend"))]
    for word in request.words:
        flag = word.partition("=")[0]
        name = parameters.normalise(flag[2:])
        if not flag.startswith("--") or name in names or name.removeprefix("no_") in names:
            continue
        nearest = _nearest(flag, options)
        if nearest and not difflib.get_close_matches(name, names, 1, 0.75):
            raise ArgumentsError(
                f"There is no option {flag}{nearest}, and {path.name} has no such parameter "
                f"(it has: {', '.join(sorted(names)) or 'none'})"
            )
    return known


def _could_be_tagged(node: Any) -> str:
    from .runtime import parameters

    names = [candidate.name for candidate in parameters.candidates(node)]
    if not names:
        return ""
    some = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    return f"to set {some} from here, give the first code cell that tag; "


def _nearest(flag: str, options: Sequence[_JobClickOption]) -> str:
    flags = [option.job.flag for option in options]
    found = difflib.get_close_matches(flag, flags, 1, 0.75)
    return f" (did you mean {found[0]}?)" if found else ""
