"""Ids of jobs: valid as a directory, a Kubernetes name, a Slurm and a Grid Engine job name."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata

#: Longest id. Kubernetes allows 63, and schedulers append to names.
MAX_LENGTH = 50

_TAIL_LENGTH = len("-20260101-000000-abcd")
# No vowels and nothing that looks alike: no words by accident, easy to read out.
_ALPHABET = "bcdfghjkmnpqrstvwxz23456789"


def slug(name: str) -> str:
    """Return `name` in [a-z0-9-], starting with a letter, never empty, cut to fit an id."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not words or not words[0].isalpha():
        words = f"job-{words}".rstrip("-")
    return words[: MAX_LENGTH - _TAIL_LENGTH].rstrip("-")


def printable(name: str) -> str:
    """Return a file's name as one line of visible characters, for people."""
    shown = "".join(character if character.isprintable() else " " for character in name)
    return shown.strip()[:200] or "notebook"


def new(name: str, now: float | None = None) -> str:
    """Return a new id, ``<slug>-<YYYYMMDD-HHMMSS>-<4 random>``, in UTC.

    Two calls may return the same id, if rarely: creating the job directory decides who has it.
    """
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() if now is None else now))
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(4))
    return f"{slug(name)}-{moment}-{tail}"
