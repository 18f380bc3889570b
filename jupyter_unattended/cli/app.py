"""The group of commands, and the one place where errors become exit codes and words."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from .._version import __version__
from ..errors import UnattendedError, sentence
from . import text

#: What help texts and hints call the program; `jupyter unattended` runs `jupyter-unattended`.
PROGRAM = "jupyter unattended"

#: Heading -> commands: name -> module of this package, and what the overview says. In the module,
#: the function has the command's name. Said here too, so that the overview imports none of them.
_COMMANDS = {
    "Before running": {
        "check": ("submit", "Tell whether a notebook would run with nobody there."),
        "convert": ("convert", "Write start.sh and requirements.txt beside a notebook."),
        "image": (
            "image",
            "Write a Containerfile; say what ties a notebook to this machine.",
        ),
        "drill": ("drill", "Prove that a notebook survives being stopped."),
        "render": ("submit", "Print what a backend would submit, without submitting it."),
    },
    "Running": {
        "submit": ("submit", "Submit a notebook as a job and print the job's id."),
        "rerun": ("act", "Submit a job again, exactly as it was."),
        "clone": ("submit", "Submit a job again with other options or arguments."),
    },
    "Looking": {
        "list": ("look", "List jobs, newest first."),
        "show": ("look", "Tell everything about a job."),
        "logs": ("logs", "Print what a job wrote to stdout and stderr."),
        "wait": ("wait", "Wait until jobs end and exit with their exit code."),
    },
    "Changing": {
        "pause": ("act", "Stop jobs so that they can go on later."),
        "resume": ("act", "Queue the next attempt of paused jobs."),
        "cancel": ("act", "Stop jobs for good."),
        "priority": ("act", "Change a job's priority: higher runs earlier."),
        "move": ("act", "Move a queued job to another place in the queue."),
        "lengthen": ("act", "Change how long a job may run, all its links together."),
        "delete": ("act", "Delete ended jobs with their logs and results."),
    },
    "This installation": {
        "backends": ("place", "List where jobs can run, and why not where they cannot."),
        "doctor": ("place", "Check what jobs need here and say what to do about it."),
    },
}
_MODULES = {name: module for group in _COMMANDS.values() for name, (module, _) in group.items()}

_EPILOG = """\b
Examples:
  jupyter unattended submit train.ipynb --gpus 1 -- --epochs 30
  jupyter unattended list
  jupyter unattended logs -f train
\b
A JOB is an id, the beginning of one, or a name (the newest job that has it).
Completion: eval "$(_JUPYTER_UNATTENDED_COMPLETE=bash_source jupyter-unattended)"
"""


class _ReaderGone(Exception):  # noqa: N818 - not an error
    """Whoever read our output went away."""


class _Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error  # click would exit with 1

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        found = getattr(importlib.import_module(f".{module}", __package__), f"{cmd_name}_command")
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _MODULES and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, _MODULES, 1)
            if not near and name.endswith(".ipynb"):
                near = ["submit"]
            hint = f"Did you mean {near[0]}?" if near else f"See {PROGRAM} --help."
            raise click.UsageError(f"There is no command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in _COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, said) for name, (_, said) in commands.items()])


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="jupyter-unattended %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> int | None:
    """Run a notebook as an unattended job: it goes on when you close everything."""
    if ctx.invoked_subcommand is not None:
        return None
    text.say(ctx.get_help())
    return 2


#: What a shell reports for a program that SIGPIPE ended, as in ``logs JOB | head``.
_READER_GONE = 141

#: Reading a notebook imports jsonschema, which imports these for the formats of addresses and
#: durations, where Jupyter Server has brought them along: that takes more than a second. Nothing in
#: this process checks such formats, and jsonschema does without what cannot be imported.
_NOT_NEEDED = ("rfc3987_syntax", "isoduration")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Parameters
    ----------
    arguments
        The words after the program's name. Default: this process's own.
    """
    for module in _NOT_NEEDED:
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]
    for stream in (sys.stdout, sys.stderr):
        # A path may hold bytes that the terminal's encoding does not have.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; nothing is raised.

    Parameters
    ----------
    arguments
        The words after the program's name. Default: this process's own.
    """
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
        return code
    except SystemExit as leaving:  # click leaves so after completing a word
        return leaving.code if isinstance(leaving.code, int) else 0
    except (BrokenPipeError, _ReaderGone):
        # The reader went away (| head): not an error. Python would complain again at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    except (KeyboardInterrupt, click.Abort):
        text.say("")
        return 130
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else PROGRAM
        text.error(f"{sentence(error.format_message())} ({where} --help tells more)")
        return 2
    except click.ClickException as error:
        text.error(sentence(error.format_message()))
        return error.exit_code
    except UnattendedError as error:
        text.error(str(error))
        return error.exit_code
    except Exception as error:
        text.error(_unexpected(error))
        return 70


def _invoke(arguments: Sequence[str] | None) -> int:
    completing = "_JUPYTER_UNATTENDED_COMPLETE" in os.environ
    code: Any = cli.main(
        args=list(arguments) if arguments is not None else None,
        # The shell completes the program that is really called.
        prog_name="jupyter-unattended" if completing else PROGRAM,
        complete_var="_JUPYTER_UNATTENDED_COMPLETE",
        standalone_mode=False,
    )
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception) -> str:
    """Keep the traceback in a file and say where: a person wants one line, a report wants all."""
    import platform
    import tempfile
    import traceback

    what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    try:
        handle, path = tempfile.mkstemp(prefix="jupyter-unattended-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"jupyter-unattended {__version__}, Python {platform.python_version()}, ")
            file.write(f"{platform.platform()}\narguments: {sys.argv[1:]!r}\n\n")
            traceback.print_exception(error, file=file)
    except OSError:
        return f"Unexpected {what}; this is a bug, please report it."
    return f"Unexpected {what}; this is a bug, please report it with {path}"
