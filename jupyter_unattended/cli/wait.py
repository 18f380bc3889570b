"""``wait``: until jobs end, with a progress bar on a terminal and a line per change elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from . import text
from .common import jobs_argument, service, title
from .look import elapsed

if TYPE_CHECKING:
    from ..jobs.service import JobService
    from ..jobs.view import JobView

#: What ``timeout`` of coreutils exits with.
TIMED_OUT = 124


@click.command(
    "wait",
    epilog=text.examples(
        "jupyter unattended wait train && echo done",
        "jupyter unattended wait $(jupyter unattended submit train.ipynb)",
    ),
)
@jobs_argument()
@click.option(
    "--timeout",
    metavar="TIME",
    help=f"Give up after this time, e.g. 90s or 1h30m, with exit code {TIMED_OUT}.",
)
def wait_command(jobs: Sequence[str], timeout: str | None) -> int:
    """Wait until jobs end and exit with their exit code.

    With several jobs it is the first exit code that is not 0. Ctrl-C stops the waiting, not the
    job.
    """
    seconds = None
    if timeout is not None:
        from ..spec import parse_duration

        try:
            parsed = parse_duration(timeout)
        except ValueError as error:
            raise click.UsageError(f"--timeout: {error}") from error
        assert isinstance(parsed, float)
        seconds = parsed
    found = service()
    return wait_for(found, [found.get(job).id for job in jobs], seconds)


def wait_for(jobs: JobService, ids: Sequence[str], timeout: float | None = None) -> int:
    """Wait for jobs one after the other, telling the person how they get on.

    Parameters
    ----------
    jobs
        The service.
    ids
        Ids of the jobs.
    timeout
        Seconds after which to give up, or None.

    Returns
    -------
    int
        The first exit code that is not 0; `TIMED_OUT`; 130 after Ctrl-C.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    result = 0
    view: JobView | None = None
    try:
        for job_id in ids:
            view = _wait_one(jobs, job_id, deadline)
            if not view.state.is_final:
                text.say(f"{title(view)} is still {view.state} after {text.duration(timeout)}.")
                return TIMED_OUT
            tell_end(view)
            result = result or exit_code_of(view)
    except KeyboardInterrupt:
        text.say(f"\nNo longer waiting. The job goes on; wait again: {_again(ids)}")
        return 130
    return result


def exit_code_of(view: JobView) -> int:
    """Return what to exit with for a job that has ended."""
    if view.exit_code is not None:
        # Killed by signal N: the shells' 128 + N, because an exit code is 0 to 255.
        return view.exit_code if view.exit_code >= 0 else 128 - view.exit_code
    return 0 if view.state.value == "succeeded" else 1


def tell_end(view: JobView) -> None:
    """Say how a job ended."""
    state = text.paint(view.state.value, view.state.value, sys.stderr)
    took = f" after {text.duration(elapsed(view))}" if view.started is not None else ""
    reason = text.one_line(view.reason).rstrip(".")
    text.say(f"{title(view)} {state}{took}{': ' if reason else ''}{reason}.")
    if view.state.value == "failed" and view.attempt:
        text.say(f"Its log: jupyter unattended logs {view.id}")


def _again(ids: Sequence[str]) -> str:
    return f"jupyter unattended wait {' '.join(ids)}"


def _wait_one(jobs: JobService, job_id: str, deadline: float | None) -> JobView:
    if not text.is_terminal(sys.stderr):
        return _watch(jobs, job_id, deadline, None)
    from .live import ProgressLine

    with ProgressLine(sys.stderr) as line:
        return _watch(jobs, job_id, deadline, line)


def _watch(jobs: JobService, job_id: str, deadline: float | None, line: object | None) -> JobView:
    from .live import ProgressLine

    told, began = None, time.monotonic()
    while True:
        view = jobs.get(job_id)
        if isinstance(line, ProgressLine):
            line.update(view)
        elif not view.state.is_final and _change(view) != told:
            told = _change(view)
            text.say(told)
        if view.state.is_final:
            return view
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            return view
        pause = 0.2 if now - began < 10 else 1.0
        time.sleep(pause if deadline is None else min(pause, deadline - now))


def _change(view: JobView) -> str:
    state = view.state.value
    if state == "running" and view.attempt > 1:
        state += f" (attempt {view.attempt})"
    if state == "paused":
        return f"{title(view)} paused; go on with: jupyter unattended resume {view.id}"
    reason = f": {text.one_line(view.reason)}" if view.reason else ""
    return f"{title(view)} {state}{reason}"
