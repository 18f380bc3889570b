"""Lines of a proposed site profile."""

from __future__ import annotations

import re


def queue_lines(
    table: str,
    name: str,
    limit: str | None,
    note: str = "",
    gpus: int | None = None,
    cpus: int | None = None,
) -> list[str]:
    """Return the table of one queue.

    Parameters
    ----------
    table
        Name of the scheduler's table.
    name
        Name of the queue.
    limit
        Longest a job may run in it, or None.
    note
        What else is known.
    gpus, cpus
        Most of them that a job in it can have, or None.
    """
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'
    lines = ["", f"[{table}.queues.{key}]" + (f"  # {note}" if note else "")]
    if limit:
        lines.append(f'time_limit = "{limit}"')
    if gpus is not None:
        lines.append(f"gpus = {gpus}")
    if cpus:
        lines.append(f"cpus = {cpus}")
    return lines
