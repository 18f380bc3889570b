"""``image``: from a notebook on bare metal to an image in which it was tried."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..request import Request
from . import text
from .common import service
from .submit import WORDS, Command

if TYPE_CHECKING:
    from ..image.build import Built, Step
    from ..image.making import Made
    from ..image.session import Trial
    from ..jobs.view import JobView

_BACKEND = "container"


class _ImageCommand(Command):
    """A request command whose jobs run in containers."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words with the options of the backend ``container``."""
        return super().parse_args(ctx, ["--backend", _BACKEND, *args])


def _image(
    request: Request, base: str, overwrite: bool, build: bool, try_: bool, as_json: bool
) -> int:
    from ..image.session import Session

    session = Session(request.spec(), base, overwrite, build, try_, request.secrets)
    with _Teller(quiet=as_json) as teller:
        made, built, trial = session.run(service(), teller)
    ran = trial.ran if trial is not None else None
    if as_json:
        text.print_json(_as_json(made, built, trial))
    elif built is not None and ran is not False:
        _say_how_to_submit(request, built)
    return 1 if ran is False else 0


class _Teller:
    """Says on the terminal what happens; `quiet` leaves out what is in the JSON anyway."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar = ExitStack()
        self._log = Path()
        self._step: Any = None

    def __enter__(self) -> _Teller:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def made(self, made: Made) -> None:
        """Say what was written, and what ties the notebook to this machine."""
        if not self._quiet:
            _tell(made)

    def building(self, log: Path) -> None:
        """Show a bar."""
        self._log = log
        self._step = self._bar.enter_context(_progress())

    def said(self, line: str) -> None:
        """Say nothing: the log has it."""

    def step(self, step: Step) -> None:
        """Move the bar."""
        self._step(step)

    def built(self, built: Built, seconds: float) -> None:
        """Say what came of it."""
        self._bar.close()
        text.say(
            f"Built {built.name} ({text.size(built.size)}) in {seconds:.0f} s, "
            f"{built.cached} of {built.steps} steps were there already. Log: {self._log}"
        )

    def trying(self, job: JobView) -> None:
        """Say that it takes a while."""
        text.say("Trying the notebook in the image ...")

    def tried(self, trial: Trial) -> None:
        """Say what is missing, and the line to add."""
        if trial.ran:
            text.say(f"It ran to its end in {trial.seconds:.0f} s.")
            return
        text.error(f"It did not run in the image: {trial.reason}.")
        for lack in trial.lacks:
            line = f"; add to {lack.where}:  {lack.line}" if lack.line else ""
            text.say(f"  {text.one_line(lack.message)}{line}")
        text.say(f"The log: jupyter unattended logs {trial.job}")


def _tell(made: Made) -> None:
    for path in made.written:
        print(text.one_line(path), flush=True)
    for path in made.kept:
        text.warn(f"{path} was there and is kept; --overwrite replaces it.")
    for library in made.unknown:
        text.warn(
            f"a package needs {library}; which package of the distribution has it is unknown."
        )
    if made.ties:
        text.say("What ties the notebook to this machine:")
    for tie in made.ties:
        where = f" (cell {tie.cell + 1})" if tie.cell is not None else ""
        help_ = tie.option or tie.fix
        text.say(f"  {text.one_line(tie.message)}{where}" + (f"  ->  {help_}" if help_ else ""))


@contextmanager
def _progress() -> Iterator[Any]:
    """Yield what shows a build's steps: a bar on a terminal, a line for each elsewhere."""
    if not text.is_terminal(sys.stderr):
        yield lambda step: text.say(f"[{step.number}/{step.total}] {_short(step.text)}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def report(step: Step) -> None:
            bar.update(
                task, total=step.total, completed=step.number - 1, description=_short(step.text)
            )

        yield report


def _short(line: str) -> str:
    words = text.one_line(" ".join(line.split()))
    return words if len(words) <= 90 else f"{words[:89]}…"


def _say_how_to_submit(request: Request, built: Built) -> None:
    words = ["jupyter", "unattended", "submit", str(request.notebook), "--backend", _BACKEND]
    words += ["--image", built.name]
    text.say("To send exactly this:")
    options = _given(request)
    print(shlex.join([*words, *options]), flush=True)


def _given(request: Request) -> list[str]:
    """Return the options that were given, to be given again."""
    words: list[str] = []
    for name in request.secrets:
        words += ["--secret-env", name]
    for name, value in request.fields.items():
        if name in ("backend", "image", "secret_env"):
            continue
        if name == "options":
            for option, chosen in value.items():
                words += _option(option, chosen)
        elif name == "env":
            for variable, content in value.items():
                words += ["-e", f"{variable}={content}"]
        else:
            words += _option(name, value)
    passed = ["--", *request.passed] if request.passed else []
    return [*words, *request.words, *passed]


def _option(name: str, value: object) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    values: Sequence[object] = value if isinstance(value, list) else [value]
    return [word for one in values for word in (flag, str(one))]


def _as_json(made: Made, built: Built | None, trial: Trial | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "containerfile": str(made.containerfile),
        "written": [str(path) for path in made.written],
        "kept": [str(path) for path in made.kept],
        "ties": [tie.to_dict() for tie in made.ties],
        "unknown_libraries": made.unknown,
        "image": asdict(built) if built is not None else None,
        "tried": trial.ran if trial is not None else None,
        "lacks": [asdict(lack) for lack in trial.lacks] if trial is not None else [],
    }


image_command = _ImageCommand(
    "image",
    _image,
    [
        click.Option(
            ["--base"],
            default="python",
            show_default=True,
            metavar="python|ml|IMAGE",
            help="What the image is made from: a plain Python of the kernel's version, the PyTorch "
            "or TensorFlow project's own image, or any image with Python and apt-get.",
        ),
        click.Option(["--build"], is_flag=True, help="Build it with Podman, Docker or Buildah."),
        click.Option(
            ["--try", "try_"],
            is_flag=True,
            help="Build it, run the notebook's test mode in it, and say what is missing.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace files that are there."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
    ],
    help=f"""Write a Containerfile for a notebook, and say what ties it to this machine.

Containerfile, .dockerignore and, where there is none, requirements.txt are written beside the
notebook and their paths printed; files that are there already are kept. With --try it ends with the
command that submits exactly what was tried. The other options are those of that job.
{WORDS}
""",
    epilog=text.examples(
        "jupyter unattended image train.ipynb",
        "jupyter unattended image train.ipynb --base ml --build",
        "jupyter unattended image train.ipynb --try --data /datasets/cifar:ro --epochs 1",
    ),
)
