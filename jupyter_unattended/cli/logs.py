"""``logs``: what a job wrote, and what it is writing."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ..errors import InvalidInputError, UnattendedError
from . import text
from .common import WholeNumber, job_argument, service, title
from .wait import tell_end

if TYPE_CHECKING:
    from ..jobs.service import JobService
    from .live import ProgressLine


@click.command(
    "logs",
    epilog=text.examples(
        "jupyter unattended logs -f train", "jupyter unattended logs --tail 20 train"
    ),
)
@job_argument()
@click.option(
    "-f", "--follow", is_flag=True, help="Go on as it is written, across attempts, until the end."
)
@click.option(
    "--attempt",
    type=WholeNumber(1),
    metavar="N",
    help="Only this attempt. Default: all, oldest first.",
)
@click.option("-n", "--tail", type=WholeNumber(0), metavar="N", help="Only the last N lines.")
def logs_command(job: str, follow: bool, attempt: int | None, tail: int | None) -> int:
    """Print what a job wrote to stdout and stderr.

    Ctrl-C stops the printing, not the job.
    """
    jobs = service()
    view = jobs.get(job)
    if attempt is not None and attempt > view.attempt and (view.state.is_final or not follow):
        had = f"{view.attempt} attempt{'' if view.attempt == 1 else 's'}"
        raise InvalidInputError(f"{title(view)} has had {had}; there is no attempt {attempt}.")
    skip, pieces = 0, jobs.logs(view.id, attempt=attempt)
    if tail is not None:
        skip = _print_tail(pieces, tail)
    elif not follow:
        _print_all(pieces)
    if not follow:
        if not view.attempt:
            text.say(f"{title(view)} is {view.state} and has written nothing yet.")
        return 0
    try:
        _follow(jobs, view.id, attempt, skip)
    except KeyboardInterrupt:
        text.say(f"\nNo longer following. See it again: jupyter unattended logs -f {view.id}")
        return 130
    view = jobs.get(view.id)
    if view.state.is_final:
        tell_end(view)
    return 0


def _print_all(pieces: Iterator[str]) -> None:
    for piece in pieces:
        sys.stdout.write(piece)


def _print_tail(pieces: Iterator[str], count: int) -> int:
    """Print the last `count` lines and return how many characters there were in all."""
    seen, last, lines = 0, "", deque[str](maxlen=count)
    for piece in pieces:
        seen += len(piece)
        *complete, last = (last + piece).split("\n")
        lines.extend(line + "\n" for line in complete)
    if last:
        lines.append(last)
    sys.stdout.writelines(lines)
    sys.stdout.flush()
    return seen


def _follow(jobs: JobService, job_id: str, attempt: int | None, skip: int) -> None:
    """Print what comes after the first `skip` characters until the job ends."""
    pieces = _after(jobs.logs(job_id, attempt=attempt, follow=True), skip)
    if not text.is_terminal(sys.stderr):
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
        return
    from .live import ProgressLine

    both = text.is_terminal(sys.stdout)
    with ProgressLine(sys.stderr) as line:
        watcher = _Watcher(job_id, line)
        watcher.start()
        try:
            for piece in pieces:
                if both:  # one terminal: the log goes above the line
                    line.write(piece)
                else:
                    sys.stdout.write(piece)
                    sys.stdout.flush()
            line.finish()
        finally:
            watcher.stop()


def _after(pieces: Iterator[str], skip: int) -> Iterator[str]:
    for piece in pieces:
        rest = piece[skip:]
        skip = max(skip - len(piece), 0)
        if rest:
            yield rest


class _Watcher(threading.Thread):
    """Keeps a progress line up to date while the main thread waits for the log."""

    def __init__(self, job_id: str, line: ProgressLine) -> None:
        super().__init__(daemon=True)
        self._job_id = job_id
        self._line = line
        self._done = threading.Event()

    def run(self) -> None:
        jobs = service()
        while not self._done.is_set():
            try:
                self._line.update(jobs.get(self._job_id))
            except UnattendedError:
                return  # the main thread meets the same error and tells it
            self._done.wait(0.5)

    def stop(self) -> None:
        self._done.set()
        self.join(timeout=5)
