"""``submit``, ``check``, ``render`` and ``clone``: the commands that read a request."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import axes
from ..errors import PreflightError
from ..jobs.testing import as_test
from ..request import Request, RequestCommand, sweep_options
from ..spec import JobSpec
from . import text
from .common import complete_backends, complete_jobs, service, title

#: What the help of every command with a request says about its words.
WORDS = """
Options that are not listed below are the notebook's parameters and are written after NOTEBOOK;
--epochs 30, --epochs=30 and epochs=30 mean the same. What follows -- is passed on as it is, for
parameters that are named like an option and for notebooks that read sys.argv. --backend X --help
lists the options of backend X.
"""


class Command(RequestCommand):
    """A request command whose values the shell can complete."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, with completion for backends and kernels."""
        params = super().get_params(ctx)
        completers: dict[str | None, Any] = {
            "job_backend": complete_backends,
            "job_kernel": _complete_kernels,
        }
        for param in params:
            if param.name in completers:
                param._custom_shell_complete = completers[param.name]
        return params


def _wait_option() -> click.Option:
    return click.Option(
        ["--wait"], is_flag=True, help="Wait for the end and exit with the job's exit code."
    )


def _submit(
    request: Request,
    force: bool,
    wait: bool,
    dry_run: bool,
    test: bool,
    sweep: Sequence[str],
    sweep_env: Sequence[str],
) -> int:
    specs = axes.expand(request.spec(), axes.read(sweep, sweep_env))
    if dry_run:
        return _print_rendering(specs)
    jobs = service()
    if test:
        specs = [as_test(spec) for spec in specs]
    try:
        views = jobs.submit_many(specs, force=force, secrets=request.secrets)
    except PreflightError as error:
        print_findings(error.findings, sys.stderr)
        many = sum(getattr(finding, "severity", "") == "error" for finding in error.findings)
        text.error(
            f"Not submitted: the check found {many} error{'' if many == 1 else 's'}. "
            "Correct the notebook, or submit it all the same with --force."
        )
        return error.exit_code
    several = f" and {len(views) - 1} more" if len(views) > 1 else ""
    text.say(f"Submitted {title(views[0])}{several}.")
    print("\n".join(view.id for view in views), flush=True)
    if not wait:
        return 0
    from .wait import wait_for

    return wait_for(jobs, [view.id for view in views])


submit_command = Command(
    "submit",
    _submit,
    [
        click.Option(["--force"], is_flag=True, help="Submit even if the check finds errors."),
        _wait_option(),
        click.Option(
            ["--test"],
            is_flag=True,
            help="Try the whole circle quickly: loops of resumable() do a few steps only, the job "
            "stops itself once in the middle and goes on, and ends after 5 minutes at the latest.",
        ),
        click.Option(
            ["--dry-run"], is_flag=True, help="Print what would be submitted and submit nothing."
        ),
        *sweep_options(),
    ],
    help=f"""Submit a notebook as a job and print the job's id.

With --sweep there is a job for each combination of values, and an id on each line.

The job runs a snapshot of the notebook in the notebook's directory. It goes on when this terminal,
the browser or the Jupyter server is closed.
{WORDS}
""",
    epilog=text.examples(
        "jupyter unattended submit train.ipynb",
        "jupyter unattended submit train.ipynb --gpus 1 --time-limit 12h --epochs 30",
        "jupyter unattended submit train.ipynb -e HF_TOKEN -e LOG=debug --wait",
        "jupyter unattended submit train.ipynb --sweep lr=0.1,0.01 --sweep seed=1..5",
        "jupyter unattended submit argparse.ipynb -- --lr 0.1 data.csv",
    ),
)


def _render(request: Request, write: bool) -> int:
    if not write:
        return _print_rendering([request.spec()])
    rendering, directory = service().write_rendered(request.spec())
    print(rendering.text.rstrip("\n"))
    text.say(f"The job directory is {directory}; the job is in no list, its output is there.")
    return 0


render_command = Command(
    "render",
    _render,
    [
        click.Option(
            ["--write"],
            is_flag=True,
            help="Write the job directory too, so that what is printed can be applied by somebody "
            "else.",
        )
    ],
    help=f"""Print what a backend would submit, without submitting it.
{WORDS}
""",
    epilog=text.examples("jupyter unattended render train.ipynb --gpus 1"),
)


def _check(request: Request, as_json: bool) -> int:
    prepared = service().prepare(request.spec())
    findings = prepared.findings
    errors = len(prepared.errors)
    if as_json:
        text.print_json(
            {
                "notebook": str(prepared.spec.notebook),
                "ok": not errors,
                "findings": [vars_of(finding) for finding in findings],
                "parameters": [vars_of(parameter) for parameter in prepared.parameters],
                "candidates": [vars_of(parameter) for parameter in prepared.candidates],
                "requirements": prepared.requirements.text,
            }
        )
        return PreflightError.exit_code if errors else 0
    print_findings(findings, sys.stdout)
    if errors:
        text.say(f"{errors} error{'s' if errors > 1 else ''}: it would not run to the end.")
        return PreflightError.exit_code
    count = len(findings)
    text.say("Nothing found that would stop it." + (" See above." if count else ""))
    return 0


check_command = Command(
    "check",
    _check,
    [click.Option(["--json", "as_json"], is_flag=True, help="Print JSON.")],
    help=f"""Tell whether a notebook would run from top to bottom with nobody there.

Exits with 0 if nothing was found that would stop it, else with 2. Nothing is run.
{WORDS}
""",
    epilog=text.examples(
        "jupyter unattended check train.ipynb",
        "jupyter unattended check train.ipynb --json | jq '.findings[].message'",
    ),
)


def _clone(request: Request, job: str, wait: bool) -> int:
    jobs = service()
    old = jobs.get(job)
    changes = request.changes(jobs.paths(old.id).notebook)
    view = jobs.clone(old.id, secrets=request.secrets, **changes)
    text.say(f"Submitted {title(view)}, a clone of {title(old)}.")
    print(view.id, flush=True)
    if not wait:
        return 0
    from .wait import wait_for

    return wait_for(jobs, [view.id])


clone_command = Command(
    "clone",
    _clone,
    [_wait_option()],
    subject=click.Argument(["job"], metavar="JOB", shell_complete=complete_jobs),
    help="""Submit a job again with other options or arguments, and print the new job's id.

The clone runs the notebook as it was when JOB was submitted. Options that are not given stay as
they were, whatever is said below of defaults; options that are not listed below are the notebook's
parameters.
""",
    epilog=text.examples(
        "jupyter unattended clone train --epochs 60",
        "jupyter unattended clone train --gpus 2 --name train-2gpus",
    ),
)


def print_findings(findings: Sequence[Any], stream: Any) -> None:
    """Print findings, one a line, each with what to do."""
    for finding in findings:
        where = f"cell {finding.cell + 1}" if finding.cell is not None else "notebook"
        if finding.line is not None:
            where += f", line {finding.line}"
        word = text.paint(finding.severity, finding.severity, stream)
        line = f"{word}: {where}: {text.one_line(finding.message)}"
        print(f"{line}; {text.one_line(finding.fix)}" if finding.fix else line, file=stream)


def vars_of(value: Any) -> dict[str, Any]:
    """Return a dataclass's fields as plain data."""
    import dataclasses

    return dataclasses.asdict(value)


def _print_rendering(specs: Sequence[JobSpec]) -> int:
    print(service().prepare(specs[0]).rendering.text.rstrip("\n"))
    if len(specs) > 1:
        text.say(f"This is the first of {len(specs)} runs.")
    return 0


def _complete_kernels(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[Any]:
    from click.shell_completion import CompletionItem

    from ..notebook import kernels

    names = {*kernels.installed(), kernels.DEFAULT_KERNEL}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]
