"""``%submit`` and ``%%submit``: jobs from a cell.

The words are those of the command line, from the same definition; what they do is done by the
Python API. Errors are one line, as IPython shows wrong usage of any magic.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from .. import axes
from ..api import jobs
from ..errors import PreflightError, SpecError, UnattendedError, sentence
from ..job import Job, JobList, service
from ..request import Request, RequestCommand, sweep_options
from . import location
from .completion import complete
from .recorder import Recorder

_NOTEBOOK = click.Option(
    ["--notebook"], type=click.Path(), help="The notebook to run.  [default: this one]"
)
_FORCE = click.Option(["--force"], is_flag=True, help="Submit even if the check finds errors.")
_WAIT = click.Option(["--wait"], is_flag=True, help="Wait for the end; interrupting only waits.")


class _Asked(NamedTuple):
    """What the words of a submit ask for."""

    request: Request
    force: bool
    wait: bool
    over: list[axes.Axis]


def _asked(
    request: Request,
    force: bool,
    wait: bool,
    sweep: Sequence[str] = (),
    sweep_env: Sequence[str] = (),
) -> _Asked:
    return _Asked(request, force, wait, axes.read(sweep, sweep_env))


def load(shell: Any) -> None:
    """Register the magics and what they need with IPython."""
    recorder = Recorder()
    shell.events.register("pre_run_cell", recorder.pre_run_cell)
    shell.register_magics(SubmitMagics(shell, recorder))
    shell.set_hook("complete_command", complete, re_key=r"%%?submit\b")
    shell.set_hook("complete_command", complete, re_key=r"\w+\s*=\s*%submit\b")


@magics_class
class SubmitMagics(Magics):
    """The magics; `recorder` knows what was run in this kernel."""

    def __init__(self, shell: Any, recorder: Recorder) -> None:
        super().__init__(shell)
        self.recorder = recorder
        self.last: Job | None = None
        self._variables: dict[str, Any] = shell.user_ns
        self._expand = shell.var_expand
        self._commands: dict[str, Callable[[Sequence[str]], Any]] = {
            "form": self._form,
            "status": self._status,
            "list": self._list,
            "logs": self._logs,
            "wait": self._wait,
            "pause": lambda words: self._job(words).pause(),
            "resume": lambda words: self._job(words).resume(),
            "cancel": lambda words: self._job(words).cancel(),
        }

    @no_var_expand
    @line_cell_magic
    def submit(self, line: str, cell: str | None = None) -> Any:
        """Run this notebook as an unattended job.

        ::

            %submit                                   this notebook, as it was last saved
            %submit --epochs 30 --gpus 1 -e LR=0.02   with parameters, options, variables
            %submit --sweep lr=0.1,0.2                a job for each value
            %submit epochs=$n -- more arguments       with a value from Python
            %submit form                              a form to fill in
            %submit list
            %submit status | logs [-f] | wait | pause | resume | cancel  [JOB]
            %submit --help                            all options

            %%submit NAME [options]                   this cell alone, with the cells it needs

        Without JOB the last job is meant. The job comes back as a `Job`.
        """
        try:
            words = self._words(line)
            if cell is not None:
                return self._submit_cell(words, cell)
            if words and words[0] in self._commands:
                return self._commands[words[0]](words[1:])
            return self._submit(words)
        except PreflightError as error:
            _print_findings(error)
            raise UsageError(f"{error} (--force submits all the same)") from None
        except UnattendedError as error:
            raise UsageError(str(error)) from None
        except click.ClickException as error:
            raise UsageError(sentence(error.format_message())) from None

    # -- submitting ------------------------------------------------------------------------------

    def _submit(self, words: Sequence[str]) -> Job | JobList | None:
        asked = self._parse("%submit", words, sweep_options())
        if asked is None:
            return None
        request, force, wait, over = asked
        if request.notebook is None:
            notebook = location.current_notebook(self._variables)
            self._check_saved(notebook, force=force)
            request.notebook = str(notebook)
        specs = axes.expand(request.spec(), over)
        views = service().submit_many(specs, force=force, secrets=request.secrets)
        submitted = JobList(self._submitted(Job(view.id), wait=False) for view in views)
        if wait:
            self._watch(submitted)
        return submitted if over else submitted[0]

    def _submit_cell(self, words: Sequence[str], cell: str) -> Job | None:
        from . import cell_job

        name = words[0] if words and not words[0].startswith("-") else None
        asked = self._parse("%%submit", words[1:] if name else words)
        if asked is None:
            return None
        request, force, wait, _ = asked
        if name is not None:
            request.fields.setdefault("name", name)
        notebook = (
            Path(request.notebook)
            if request.notebook is not None
            else location.current_notebook(self._variables)
        )
        made = cell_job.derive(notebook, cell, self.recorder.current)
        print(made.told)
        request.notebook = str(notebook)
        view = cell_job.submit(request, made, force=force)
        return self._submitted(Job(view.id), wait=wait)

    def _submitted(self, job: Job, *, wait: bool) -> Job:
        self.last = job
        if wait:
            self._watch([job])
        return job

    def _parse(
        self, name: str, words: Sequence[str], more: Sequence[click.Option] = ()
    ) -> _Asked | None:
        """Read options as the command line does; None after ``--help``."""
        command = RequestCommand(
            name,
            _asked,
            [_FORCE, _WAIT, *more],
            subject=_NOTEBOOK,
            help="Run this notebook as an unattended job.",
        )
        outcome = command.main(list(words), prog_name=name, standalone_mode=False)
        return outcome if isinstance(outcome, _Asked) else None

    def _check_saved(self, notebook: Path, *, force: bool) -> None:
        """Say so if the file is older than what is being edited."""
        stale = self.recorder.staleness(notebook)
        saved = time.strftime("%H:%M:%S", time.localtime(stale.saved))
        if stale.changed and not force:
            several = len(stale.changed) > 1
            numbers = ", ".join(map(str, stale.changed))
            raise SpecError(
                f"{notebook.name} on disk (saved at {saved}) is older than what was run here: "
                f"cell{'s' if several else ''} {numbers} stand{'' if several else 's'} differently "
                "in the file; save the notebook and run this again (--force submits the file)"
            )
        if stale.current_is_missing or stale.changed:
            print(
                f"Note: {notebook.name} has changes that are not saved; the job runs it as it was "
                f"saved at {saved}.",
                file=sys.stderr,
            )

    # -- the other commands ----------------------------------------------------------------------

    def _form(self, words: Sequence[str]) -> Any:
        from . import form

        asked = self._parse("%submit form", words)
        if asked is None:
            return None
        request = asked.request
        if request.notebook is None:
            request.notebook = str(location.current_notebook(self._variables))
        return form.show(request, submitted=self._remember, check=self._check_saved)

    def _remember(self, job: Job) -> None:
        self.last = job

    def _status(self, words: Sequence[str]) -> Job:
        return self._job(words)

    def _list(self, words: Sequence[str]) -> JobList:
        if words:
            raise SpecError("%submit list takes no words; jobs(text=…) in Python filters")
        return jobs(limit=50)

    def _logs(self, words: Sequence[str]) -> None:
        follow = bool({"-f", "--follow"}.intersection(words))
        job = self._job([word for word in words if word not in ("-f", "--follow")])
        if not follow:
            print(job.logs(), end="")
            return
        try:
            for piece in job.follow():
                print(piece, end="", flush=True)
        except KeyboardInterrupt:
            print(f"\nStopped reading; the job {job.id} goes on.", file=sys.stderr)

    def _wait(self, words: Sequence[str]) -> Job:
        job = self._job(words)
        self._watch([job])
        return job

    def _watch(self, watched: Sequence[Job]) -> None:
        """Wait; interrupting the kernel stops the waiting and nothing else."""
        try:
            for job in watched:
                job.wait()
        except KeyboardInterrupt:
            what = f"{len(watched)} jobs go" if len(watched) > 1 else f"job {watched[0].id} goes"
            print(f"Stopped waiting; the {what} on.", file=sys.stderr)

    def _job(self, words: Sequence[str]) -> Job:
        if len(words) > 1:
            raise SpecError(f"One job at a time; {' '.join(words[1:])!r} is too much")
        if words:
            return Job(words[0])
        if self.last is not None:
            return self.last
        # A new kernel: the last job of this notebook, else the last of all.
        try:
            found = jobs(location.current_notebook(self._variables), limit=1)
        except UnattendedError:
            found = jobs(limit=1)
        if not found:
            raise SpecError("Nothing has been submitted from this notebook yet; name a job")
        return found[0]

    # -- words -----------------------------------------------------------------------------------

    def _words(self, line: str) -> list[str]:
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise SpecError(f"{line.strip()!r}: {str(error).lower()}") from None
        return [self._value(word) for word in words]

    def _value(self, word: str) -> str:
        """Put in Python values: ``epochs=$n`` and ``{expression}``, each in its own word."""
        head, mark, name = word.rpartition("$")
        if mark and name.isidentifier() and name in self._variables:
            return head + _as_word(self._variables[name])
        return str(self._expand(word))


def _as_word(value: object) -> str:
    """Write a Python value as a person would type it; lists and dicts as JSON."""
    if isinstance(value, (list, tuple, dict)):
        try:
            return json.dumps(value)
        except (TypeError, ValueError):
            return str(value)
    return str(value)


def _print_findings(error: PreflightError) -> None:
    for finding in error.findings:
        cell: Any = getattr(finding, "cell", None)
        where = f"cell {cell + 1}" if cell is not None else "notebook"
        line: Any = getattr(finding, "line", None)
        where += f", line {line}" if line is not None else ""
        severity, message, fix = (
            getattr(finding, name, "") for name in ("severity", "message", "fix")
        )
        print(f"{severity}: {where}: {message}{f'; {fix}' if fix else ''}", file=sys.stderr)
