"""Figures in the words of people, the same in every face."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """Return ``850 ms``, ``42 s``, ``3 min 05 s``, ``2 h 10 min`` or ``3 d 4 h``."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
