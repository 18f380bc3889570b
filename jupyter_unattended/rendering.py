"""Jobs as text and HTML for notebooks. Pure functions of data: nothing is asked, nothing is kept.

The HTML uses JupyterLab's CSS variables with fallbacks, so that it follows the theme there and is
readable in VS Code and in a notebook exported to HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .jobs.states import State
from .jobs.view import JobView
from .wording import duration

_COLOURS = {
    State.QUEUED: "var(--jp-ui-font-color2, #757575)",
    State.STARTING: "var(--jp-info-color1, #0288d1)",
    State.RUNNING: "var(--jp-info-color1, #0288d1)",
    State.PAUSING: "var(--jp-warn-color0, #e65100)",
    State.PAUSED: "var(--jp-warn-color0, #e65100)",
    State.PREEMPTED: "var(--jp-warn-color0, #e65100)",
    State.SUCCEEDED: "var(--jp-success-color0, #1b5e20)",
    State.FAILED: "var(--jp-error-color1, #d32f2f)",
    State.CANCELLED: "var(--jp-ui-font-color2, #757575)",
    State.UNKNOWN: "var(--jp-warn-color0, #e65100)",
}
_ESCAPE_SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
_SPARK_WIDTH, _SPARK_HEIGHT = 120, 24


def elapsed(view: JobView, now: float) -> float | None:
    """Return seconds from the first attempt's start to the end, or to `now`; None before."""
    if view.started is None:
        return None
    return (view.ended if view.ended is not None else now) - view.started


def progress_words(view: JobView) -> str:
    """Say how far it is: ``7 of 12 cells``, with what the notebook itself says in front."""
    progress = view.progress
    words = []
    if progress.done is not None:
        total = f" of {progress.total:g}" if progress.total is not None else ""
        words.append(f"{progress.done:g}{total}")
    if progress.cells_done is not None and progress.cells_total:
        words.append(f"{progress.cells_done} of {progress.cells_total} cells")
    if progress.eta is not None and progress.eta >= 1 and not view.state.is_final:
        words.append(f"about {duration(progress.eta)} left")
    return ", ".join(words)


def one_line(view: JobView, now: float) -> str:
    """Write a job as one line of plain text."""
    parts = [f"{view.id}: {view.state}"]
    ran = elapsed(view, now)
    if ran is not None:
        parts.append(duration(ran))
    if progress_words(view):
        parts.append(progress_words(view))
    if view.position is not None:
        parts.append(f"place {view.position + 1} in the queue")
    if view.reason:
        parts.append(view.reason)
    return " · ".join(parts)


def card(view: JobView, metrics: Sequence[Mapping[str, Any]], log: str, now: float) -> str:
    """Draw one job: state, progress bar, elapsed time, metrics, the last lines of the log.

    Parameters
    ----------
    metrics
        Entries of metrics.jsonl.
    log
        The end of the log as written, escape sequences and all.
    """
    fraction = 1.0 if view.state is State.SUCCEEDED else view.progress.fraction
    facts = [_escape(view.backend)]
    ran = elapsed(view, now)
    if ran is not None:
        facts.append(duration(ran))
    if view.attempt > 1:
        facts.append(f"attempt {view.attempt}")
    if view.position is not None:
        facts.append(f"place {view.position + 1} in the queue")
    if progress_words(view):
        facts.append(_escape(progress_words(view)))
    reason = f'<div class="jpu-reason">{_escape(view.reason)}</div>' if view.reason else ""
    tail = "\n".join(plain(log).splitlines()[-8:])
    shown = (
        f'<div class="jpu-log" role="group" aria-label="End of the log"><pre>{_escape(tail)}</pre>'
        "</div>"
        if tail
        else ""
    )
    return (
        f'{_STYLE}<div class="jpu-card">'
        f'<div class="jpu-head">{_badge(view.state)}<b>{_escape(view.name)}</b>'
        f'<span class="jpu-id">{_escape(view.id)}</span></div>'
        f"{_bar(view.state, fraction)}"
        f'<div class="jpu-facts">{" · ".join(facts)}</div>'
        f"{reason}{_sparklines(metrics)}{shown}</div>"
    )


def table(views: Sequence[JobView], now: float) -> str:
    """Draw jobs as a table."""
    if not views:
        return "<i>No jobs.</i>"
    rows = []
    for view in views:
        ran = elapsed(view, now)
        cells = [
            f"<code>{_escape(view.id)}</code>",
            _badge(view.state),
            _escape(Path(view.notebook).name),
            _escape(view.backend),
            duration(ran) if ran is not None else "",
            _escape(progress_words(view)),
            _escape(view.reason),
        ]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(
        f"<th>{title}</th>"
        for title in ("Job", "State", "Notebook", "Where", "Ran", "Progress", "Reason")
    )
    return (
        f'{_STYLE}<table class="jpu-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def plain(text: str) -> str:
    """Return terminal output as a person would see it: no colours, overwritten lines gone."""
    lines = []
    for line in _ESCAPE_SEQUENCES.sub("", text).split("\n"):
        parts = line.rstrip("\r").split("\r")
        lines.append(parts[-1])
    return "\n".join(lines)


def _badge(state: State) -> str:
    return (
        f'<span class="jpu-state" style="color: {_COLOURS[state]}; '
        f'border-color: {_COLOURS[state]}">{state}</span>'
    )


def _bar(state: State, fraction: float | None) -> str:
    if fraction is None:
        return ""
    percent = round(100 * fraction)
    return (
        f'<div class="jpu-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}" aria-label="Progress"><div style="width: {percent}%; '
        f'background: {_COLOURS[state]}"></div></div>'
    )


def _sparklines(metrics: Sequence[Mapping[str, Any]]) -> str:
    series: dict[str, list[float]] = {}
    for entry in metrics:
        for name, value in entry.get("values", {}).items():
            if isinstance(value, (int, float)) and abs(value) < float("inf"):
                series.setdefault(name, []).append(float(value))
    drawn = [_sparkline(name, values) for name, values in list(series.items())[:6]]
    return f'<div class="jpu-metrics">{"".join(drawn)}</div>' if drawn else ""


def _sparkline(name: str, values: Sequence[float]) -> str:
    values = _thin(values, _SPARK_WIDTH)
    low, high = min(values), max(values)
    scale = (_SPARK_HEIGHT - 4) / ((high - low) or 1.0)
    step = (_SPARK_WIDTH - 4) / max(1, len(values) - 1)
    points = " ".join(
        f"{2 + index * step:.1f},{_SPARK_HEIGHT - 2 - (value - low) * scale:.1f}"
        for index, value in enumerate(values)
    )
    label = f"{name}: {values[-1]:.4g} (lowest {low:.4g}, highest {high:.4g})"
    return (
        f'<span class="jpu-metric" title="{_escape(label)}">{_escape(name)} '
        f'<svg width="{_SPARK_WIDTH}" height="{_SPARK_HEIGHT}" role="img" '
        f'aria-label="{_escape(label)}"><polyline points="{points}" fill="none" '
        f'stroke="var(--jp-brand-color1, #1976d2)" stroke-width="1.5"/></svg> '
        f"<b>{values[-1]:.4g}</b></span>"
    )


def _thin(values: Sequence[float], most: int) -> Sequence[float]:
    """Keep at most about `most` values, the last one among them."""
    if len(values) <= most:
        return values
    step = len(values) / most
    return [values[int(index * step)] for index in range(most)] + [values[-1]]


def _escape(text: str) -> str:
    return html.escape(text)


_STYLE = """<style>
.jpu-card { border: 1px solid var(--jp-border-color2, #bdbdbd); border-radius: 4px;
  padding: 8px 12px; max-width: 760px; font-family: var(--jp-ui-font-family, sans-serif);
  font-size: var(--jp-ui-font-size1, 13px); color: var(--jp-ui-font-color1, inherit); }
.jpu-head { display: flex; align-items: baseline; gap: 8px; flex-wrap: wrap; }
.jpu-id { color: var(--jp-ui-font-color2, #757575);
  font-family: var(--jp-code-font-family, monospace); font-size: 0.9em; }
.jpu-state { border: 1px solid; border-radius: 10px; padding: 0 8px; font-size: 0.9em;
  line-height: 1.5; }
.jpu-bar { height: 6px; border-radius: 3px; margin: 8px 0 4px; overflow: hidden;
  background: var(--jp-layout-color3, #bdbdbd); }
.jpu-bar > div { height: 100%; }
.jpu-facts { color: var(--jp-ui-font-color2, #757575); }
.jpu-reason { margin-top: 2px; }
.jpu-metrics { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 6px; }
.jpu-metric svg { vertical-align: middle; }
.jpu-log { margin: 8px 0 0; padding: 6px 8px; overflow-x: auto;
  background: var(--jp-layout-color2, #f5f5f5); }
.jpu-log pre { margin: 0 !important; padding: 0 !important; border: none; background: none;
  color: var(--jp-content-font-color1, inherit); line-height: 1.35;
  font-size: var(--jp-code-font-size, 12px); }
.jpu-table td, .jpu-table th { text-align: left !important; }
</style>"""
