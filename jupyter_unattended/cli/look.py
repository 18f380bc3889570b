"""``list`` and ``show``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import text
from .common import WholeNumber, job_argument, json_option, service

if TYPE_CHECKING:
    from rich.text import Text

    from ..jobs.service import JobService
    from ..jobs.view import AttemptView, JobView
    from ..paths import JobPaths

_STATES = (
    "queued", "starting", "running", "pausing", "paused", "preempted", "succeeded", "failed",
    "cancelled", "unknown",
)  # fmt: skip
#: On a terminal: the widest a name is shown, and the space between two columns.
_NAME_WIDTH = 24
_GAP = "  "
_PLAIN_HEADER = (
    "id", "name", "state", "backend", "cells", "created", "seconds", "exit_code", "notebook",
    "reason",
)  # fmt: skip


@click.command(
    "list",
    epilog=text.examples(
        "jupyter unattended list --state running --state queued",
        "jupyter unattended list --all --json | jq -r '.[] | select(.exit_code == 1) | .id'",
    ),
)
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Only jobs in this state. May be repeated.",
)
@click.option("--notebook", type=click.Path(), help="Only jobs made from this notebook.")
@click.option(
    "--search", metavar="TEXT", help="Only jobs whose name, id or notebook contains TEXT."
)
@click.option(
    "-n",
    "--limit",
    type=WholeNumber(1),
    default=30,
    metavar="N",
    help="At most N jobs.  [default: 30]",
)
@click.option("-a", "--all", "everything", is_flag=True, help="All jobs, however many.")
@click.option("-w", "--watch", is_flag=True, help="Keep the table up to date until Ctrl-C.")
@json_option()
def list_command(
    states: Sequence[str],
    notebook: str | None,
    search: str | None,
    limit: int,
    everything: bool,
    watch: bool,
    as_json: bool,
) -> int:
    """List jobs, newest first.

    In a pipe the columns are separated by tabs and times are ISO 8601.
    """
    jobs = service()

    def views() -> tuple[list[JobView], bool]:
        from ..jobs.states import State

        found = jobs.list(
            states=[State(state) for state in states] or None,
            notebook=str(Path(notebook).absolute()) if notebook else None,
            text=search,
            limit=None if everything else limit + 1,
        )
        return (found, False) if everything else (found[:limit], len(found) > limit)

    if watch:
        if not text.is_terminal(sys.stdout):
            raise click.UsageError("--watch needs a terminal.")
        return _watch(views)
    found, more = views()
    if as_json:
        text.print_json([view.to_dict() for view in found])
    elif text.is_terminal(sys.stdout):
        _print_table(found)
    else:
        text.print_rows(_PLAIN_HEADER, (_plain_row(view) for view in found))
    if not found and not as_json:
        text.say("No jobs." if not (states or notebook or search) else "No such jobs.")
    if more:
        text.say(f"There are more than {limit}; --all lists them.")
    return 0


@click.command(
    "show",
    epilog=text.examples(
        "jupyter unattended show train", "jupyter unattended show train-20260131-140259-3f9a --json"
    ),
)
@job_argument()
@json_option()
def show_command(job: str, as_json: bool) -> int:
    """Tell everything about a job."""
    jobs = service()
    view = jobs.get(job)
    attempts = jobs.attempts(view.id)
    if as_json:
        metrics = jobs.metrics(view.id)
        text.print_json(
            {
                **view.to_dict(),
                "attempts": [attempt.to_dict() for attempt in attempts],
                "history": [entry.to_dict() for entry in jobs.history(view.id)],
                "metrics": metrics[-1] if metrics else None,
                "spec": _spec(view),
                "checkpoints": _resumption(view),
            }
        )
        return 0
    text.print_facts(_facts(jobs, view, attempts))
    return 0


def progress_text(view: JobView) -> str:
    """Return ``3/10 cells``, with the notebook's own progress if it reports any."""
    progress = view.progress
    parts = []
    if progress.cells_total is not None:
        parts.append(f"{progress.cells_done or 0}/{progress.cells_total} cells")
    if progress.done is not None and progress.total:
        parts.append(f"{progress.done:g}/{progress.total:g} ({progress.done / progress.total:.0%})")
    if progress.eta is not None and view.state.is_active:
        parts.append(f"{text.duration(progress.eta)} left")
    return ", ".join(parts)


def elapsed(view: JobView) -> float | None:
    """Return the seconds from the first attempt's start to the end, or to now while it runs."""
    if view.started is None or not (view.state.is_active or view.state.is_final):
        return None  # it waits: how long it has run is for its attempts to tell
    return (view.ended if view.ended is not None else time.time()) - view.started


def _iso(when: float | None) -> str:
    if when is None:
        return ""
    return datetime.fromtimestamp(when).astimezone().isoformat(timespec="seconds")


def _plain_row(view: JobView) -> Sequence[str]:
    progress, took = view.progress, elapsed(view)
    return (
        view.id,
        view.name,
        view.state.value,
        view.backend,
        ""
        if progress.cells_total is None
        else f"{progress.cells_done or 0}/{progress.cells_total}",
        _iso(view.created),
        "" if took is None else f"{took:.1f}",
        "" if view.exit_code is None else str(view.exit_code),
        view.notebook,
        view.reason,
    )


def _table(views: Sequence[JobView], width: int) -> Text:
    """Return the table for a terminal; names and reasons give way when it is narrow."""
    from rich.text import Text

    columns: dict[str, list[Text]] = {"ID": [Text(view.id) for view in views]}
    if not all(view.id.startswith(view.name) for view in views):
        columns["NAME"] = [Text(text.one_line(view.name)) for view in views]
    columns["STATE"] = [
        Text(_state_text(view), style=text.colour_of(view.state.value)) for view in views
    ]
    if len({view.backend for view in views}) > 1:
        columns["BACKEND"] = [Text(view.backend) for view in views]
    columns["PROGRESS"] = [Text(_short_progress(view)) for view in views]
    columns["CREATED"] = [Text(text.ago(view.created)) for view in views]
    columns["TOOK"] = [Text(text.duration(elapsed(view))) for view in views]
    columns["REASON"] = [Text(text.one_line(view.reason)) for view in views]

    lines = [Text() for _ in range(len(views) + 1)]
    left = width
    for heading, cells in columns.items():
        wanted = max([len(heading), *(cell.cell_len for cell in cells)])
        given = min(wanted, _NAME_WIDTH) if heading == "NAME" else wanted
        if heading == "REASON":
            given = min(wanted, max(left, len(heading)))
        left -= given + len(_GAP)
        for line, cell in zip(lines, [Text(heading, style="bold"), *cells], strict=True):
            cell.truncate(given, overflow="ellipsis")
            cell.align("right" if heading == "TOOK" else "left", given)
            line.append_text(cell).append(_GAP)
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _state_text(view: JobView) -> str:
    if view.state.value == "queued" and view.position is not None:
        return f"queued #{view.position + 1}"
    return view.state.value


def _short_progress(view: JobView) -> str:
    """Return what of the progress helps in a list: percent while it runs, then how many cells."""
    progress = view.progress
    if view.state.is_active and progress.done is not None and progress.fraction is not None:
        return f"{progress.fraction:.0%}"
    if progress.cells_total is None:
        return ""
    return f"{progress.cells_done or 0}/{progress.cells_total} cells"


def _print_table(views: Sequence[JobView]) -> None:
    if views:
        from rich.console import Console

        console = Console(highlight=False)
        console.print(_table(views, console.width), soft_wrap=True)


def _watch(views: object) -> int:
    from rich.console import Console
    from rich.live import Live

    assert callable(views)
    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(_table(views()[0], console.width), refresh=True)
                time.sleep(1)
        except KeyboardInterrupt:
            return 0


def _spec(view: JobView) -> dict[str, object]:
    """Return the specification from job.json; empty where the job directory is gone."""
    import json

    from ..paths import JobPaths

    try:
        record = json.loads(JobPaths(Path(view.directory)).spec.read_text(encoding="utf-8"))
        spec = record["spec"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return spec if isinstance(spec, dict) else {}


def _resumption(view: JobView) -> dict[str, object]:
    from ..jobs import resume
    from ..paths import JobPaths

    paths = JobPaths(Path(view.directory))
    return resume.of_job(paths, running=view.state.is_active).to_dict()


def _facts(
    jobs: JobService, view: JobView, attempts: Sequence[AttemptView]
) -> list[tuple[str, str]]:
    from ..paths import JobPaths

    paths = JobPaths(Path(view.directory))
    spec = _spec(view)
    state = text.paint(view.state.value, view.state.value)
    if view.since is not None:
        state += f" since {text.moment(view.since)} ({text.ago(view.since)})"
    place = f", number {view.position + 1} in the queue" if view.position is not None else ""
    metrics = jobs.metrics(view.id)
    listed = {str(key): value for key, value in _mapping(metrics[-1]).items()} if metrics else {}
    return [
        ("Job", f"{text.one_line(view.name)}"),
        ("Id", view.id),
        ("State", state + place),
        ("Reason", text.one_line(view.reason)),
        ("Exit code", "" if view.exit_code is None else str(view.exit_code)),
        ("Progress", progress_text(view)),
        ("Notebook", text.one_line(view.notebook)),
        ("Parameters", _pairs(spec.get("parameters"))),
        ("Arguments", _arguments(spec.get("arguments"))),
        ("Environment", _environment(spec)),
        (
            "Backend",
            view.backend + (f" ({_pairs(spec['options'])})" if spec.get("options") else ""),
        ),
        ("Resources", _resources(spec)),
        ("Priority", str(view.priority) if view.priority else ""),
        ("Restarted from", view.restarted_from or ""),
        ("Submitted", f"{text.moment(view.created)} ({text.ago(view.created)})"),
        ("Started", text.moment(view.started)),
        ("Ended", text.moment(view.ended)),
        ("Took", _took(view, attempts)),
        ("Attempts", "\n".join(_attempt(attempt) for attempt in attempts)),
        *_checkpoints(paths, view),
        ("Last metrics", _pairs(listed)),
        ("Directory", text.one_line(view.directory)),
        ("Result", text.one_line(paths.output) if paths.output.exists() else ""),
        ("Log", f"jupyter unattended logs {view.id}" if attempts else ""),
    ]


def _checkpoints(paths: JobPaths, view: JobView) -> list[tuple[str, str]]:
    """Tell what was saved and lost, and what a stop would lose now."""
    from ..jobs import resume

    found = resume.of_job(paths, running=view.state.is_active)
    saved = ""
    if found.saves:
        saved = f"{found.saves} saved in {text.duration(found.saving_seconds)}"
        saved += f", the newest has {text.size(found.size)}" if found.size else ""
    lost = text.duration(found.lost_seconds) if found.lost_seconds >= 1 else ""
    stop = ""
    if view.state.is_active and found.unsaved_seconds is not None:
        stop = f"{found.next_stop}; {text.duration(found.unsaved_seconds)} of work is not saved"
    elif not view.state.is_final and view.attempt:
        stop = found.next_stop
    return [("Checkpoints", saved), ("Lost work", lost), ("If stopped now", text.one_line(stop))]


def _mapping(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        values = value.get("values", value)
        return values if isinstance(values, dict) else {}
    return {}


def _pairs(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    return ", ".join(f"{key}={_short(item)}" for key, item in value.items())


def _short(value: object) -> str:
    return text.one_line(f"{value:.6g}" if isinstance(value, float) else value)


def _arguments(value: object) -> str:
    import shlex

    return text.one_line(shlex.join(map(str, value))) if isinstance(value, list) else ""


def _environment(spec: dict[str, object]) -> str:
    env, secret = spec.get("env"), spec.get("secret_env")
    names = [f"{name}=(secret)" for name in secret] if isinstance(secret, list) else []
    return ", ".join(filter(None, [_pairs(env), *names]))


def _resources(spec: dict[str, object]) -> str:
    words = []
    cpus, memory, gpus = spec.get("cpus"), spec.get("memory"), spec.get("gpus")
    if isinstance(cpus, (int, float)):
        words.append(f"{cpus:g} CPU{'' if cpus == 1 else 's'}")
    if isinstance(memory, (int, float)):
        words.append(text.size(memory))
    if isinstance(gpus, int) and gpus:
        words.append(f"{gpus} GPU{'' if gpus == 1 else 's'}")
    limit = spec.get("time_limit")
    if isinstance(limit, (int, float)):
        words.append(f"time limit {text.duration(limit)}")
    return ", ".join(words)


def _took(view: JobView, attempts: Sequence[AttemptView]) -> str:
    """Return how long it took, and how much of that it ran where it was stopped in between."""
    took = text.duration(elapsed(view))
    if len(attempts) < 2 and took:
        return took
    now = time.time()
    ran = sum(
        (now if one.ended is None else one.ended) - one.started
        for one in attempts
        if one.started is not None and (one.ended is not None or one is attempts[-1])
    )
    if not ran:
        return took
    running = f"{text.duration(ran)} of running"
    return f"{took}, {running}" if took else running


def _attempt(attempt: AttemptView) -> str:
    words = [f"{attempt.number}  {text.moment(attempt.started)}"]
    if attempt.host:
        words.append(f"on {attempt.host}")
    if attempt.ended is not None and attempt.started is not None:
        words.append(f"for {text.duration(attempt.ended - attempt.started)}")
    if attempt.exit_code is not None:
        words.append(f"exit code {attempt.exit_code}")
    if attempt.signal:
        words.append(attempt.signal)
    line = ", ".join(words)
    return f"{line}: {text.one_line(attempt.reason)}" if attempt.reason else line
