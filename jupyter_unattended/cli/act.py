"""Commands that change a job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import UnattendedError
from . import text
from .common import WholeNumber, job_argument, jobs_argument, service, title

if TYPE_CHECKING:
    from ..jobs.service import JobService


@click.command("pause", epilog=text.examples("jupyter unattended pause train"))
@jobs_argument()
def pause_command(jobs: Sequence[str]) -> int:
    """Stop jobs so that they can go on later.

    The notebook gets SIGTERM and its grace period, what it has is saved, and `resume` starts the
    next attempt.
    """
    found = service()
    return _each(found, jobs, found.pause, "is pausing")


@click.command("resume", epilog=text.examples("jupyter unattended resume train"))
@jobs_argument()
def resume_command(jobs: Sequence[str]) -> int:
    """Queue the next attempt of paused jobs."""
    found = service()
    return _each(found, jobs, found.resume, "is queued again")


@click.command(
    "cancel", epilog=text.examples("jupyter unattended cancel train sweep-20260131-140259")
)
@jobs_argument()
def cancel_command(jobs: Sequence[str]) -> int:
    """Stop jobs for good.

    A running notebook gets SIGTERM and its grace period; what it wrote stays.
    """
    found = service()
    return _each(found, jobs, found.cancel, "is being cancelled")


@click.command("rerun", epilog=text.examples("jupyter unattended rerun train"))
@job_argument()
def rerun_command(job: str) -> int:
    """Submit a job again, exactly as it was, and print the new job's id."""
    view = service().rerun(job)
    text.say(f"Submitted {title(view)}, a re-run of {view.restarted_from or job}.")
    print(view.id)
    return 0


@click.command(
    "priority",
    context_settings={"ignore_unknown_options": True},
    epilog=text.examples(
        "jupyter unattended priority train 10", "jupyter unattended priority train -10"
    ),
)
@job_argument()
@click.argument("number", type=WholeNumber(-1000, 1000), metavar="N")
def priority_command(job: str, number: int) -> int:
    """Change a job's priority: higher runs earlier."""
    view = service().set_priority(job, number)
    text.say(f"{title(view)} has priority {number}.")
    return 0


@click.command(
    "move",
    epilog=text.examples("jupyter unattended move train first", "jupyter unattended move train 3"),
)
@job_argument()
@click.argument("position", metavar="POSITION")
def move_command(job: str, position: str) -> int:
    """Move a queued job to another place in the queue.

    POSITION is 1 for the front, or one of the words first and last.
    """
    words = {"first": 0, "last": sys.maxsize}
    if position not in words and not (position.isdecimal() and int(position) > 0):
        raise click.UsageError(f"{position!r} is not a place: write 1, 2, 3 …, first or last.")
    view = service().move(job, words[position] if position in words else int(position) - 1)
    place = f"is number {view.position + 1} in the queue" if view.position is not None else "moved"
    text.say(f"{title(view)} {place}.")
    return 0


@click.command(
    "lengthen",
    epilog=text.examples(
        "jupyter unattended lengthen train 96h", "jupyter unattended lengthen train 4-00:00:00"
    ),
)
@job_argument()
@click.argument("total_time", metavar="TOTAL-TIME")
def lengthen_command(job: str, total_time: str) -> int:
    """Change how long a job may run, all its links together.

    TOTAL-TIME counts from the job's first start, like --total-time of a submit. A chain under Slurm
    or Grid Engine gets more links, or fewer.
    """
    from ..spec import parse_duration

    try:
        seconds = parse_duration(total_time)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not isinstance(seconds, float) or seconds <= 0:
        raise click.UsageError(f"{total_time!r} is not a time above 0; write for example 96h.")
    view = service().lengthen(job, seconds)
    text.say(f"{title(view)} may run for {total_time} altogether.")
    return 0


@click.command(
    "delete",
    epilog=text.examples(
        "jupyter unattended delete train", "jupyter unattended delete --yes train-2026 sweep-3"
    ),
)
@jobs_argument()
@click.option("-y", "--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked.")
def delete_command(jobs: Sequence[str], yes: bool) -> int:
    """Delete ended jobs with their job directories: logs and results, too.

    The notebook and what the job wrote elsewhere stay. Running jobs are refused.
    """
    found = service()
    views = [found.get(job) for job in jobs]
    listed = ", ".join(title(view) for view in views if view.state.is_final)
    if listed and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"Nobody can be asked here: --yes deletes {listed}.")
        click.confirm(f"Delete {listed} with all logs and results?", abort=True, err=True)
    return _each(found, [view.id for view in views], found.delete, "is deleted")


def _each(found: JobService, jobs: Sequence[str], change: Callable[[str], Any], done: str) -> int:
    """Do it to every job; one that refuses does not keep the others from it."""
    code = 0
    for job in jobs:
        try:
            view = found.get(job)
            change(view.id)
            text.say(f"{title(view)} {done}.")
        except UnattendedError as error:  # noqa: PERF203
            text.error(str(error))
            code = error.exit_code
    return code
