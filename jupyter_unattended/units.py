"""Amounts as a person writes them: the way back from what ``spec`` parses."""

from __future__ import annotations


def format_memory(size: int) -> str:
    """Write bytes as a person would: ``4G``, ``512Mi``, or the bare number."""
    for units in (
        (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20)),
        (("T", 10**12), ("G", 10**9), ("M", 10**6)),
    ):
        for unit, factor in units:
            if size >= factor and size % factor == 0:
                return f"{size // factor}{unit}"
    return str(size)


def format_duration(seconds: float) -> str:
    """Write seconds as a person would: ``90s``, ``1h30m``, ``2d``."""
    if seconds != int(seconds):
        return f"{seconds:g}s"
    rest, parts = int(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
