"""What the Tab key offers after ``%submit``: commands, options, backends, parameters, jobs."""

from __future__ import annotations

import re
from typing import Any

from ..errors import UnattendedError
from . import location

_COMMANDS = ("form", "status", "logs", "wait", "pause", "resume", "cancel", "list")
_TAKE_JOB = frozenset(_COMMANDS) - {"form", "list"}


def complete(_shell: Any, event: Any) -> list[str]:
    """Return the words that can stand where the cursor is (called by IPython).

    Completion never fails and never shows an error: what cannot be found out is not offered.
    """
    try:
        return _offers(event)
    except UnattendedError:
        return []


def _offers(event: Any) -> list[str]:
    words = re.sub(r"^.*?%%?submit\b", "", event.text_until_cursor).split()
    symbol = event.symbol
    if symbol and words and words[-1].endswith(symbol):
        # The word that is being typed is not one of those before it.
        words = words[:-1]
    if words and words[0] in _TAKE_JOB:
        return _jobs(symbol)
    if words and words[-1] == "--backend":
        return _backends(symbol)
    if "--" in words:
        return []
    offers = [*_options(_backend(words)), *_parameters()]
    if not words:
        offers = [*_COMMANDS, *offers]
    return [offer for offer in offers if offer.startswith(symbol)]


def _backend(words: list[str]) -> str | None:
    for before, word in zip([*words], words[1:], strict=False):
        if before == "--backend":
            return word
    return None


def _options(backend: str | None) -> list[str]:
    from ..options import job_options

    flags = [option.flag for option in job_options(backend)]
    return [*flags, "--sweep", "--sweep-env", "--force", "--wait", "--notebook", "--help"]


def _backends(symbol: str) -> list[str]:
    from ..backends import registry

    return [name for name in registry.names() if name.startswith(symbol)]


def _parameters() -> list[str]:
    from ..notebook import reader

    try:
        notebook = reader.load(location.current_notebook())
    except UnattendedError:
        return []
    return [
        word
        for parameter in notebook.parameters
        for word in (f"--{parameter.name.replace('_', '-')}", f"{parameter.name}=")
    ]


def _jobs(symbol: str) -> list[str]:
    from ..job import service

    views = service().list(limit=200, refresh=False)
    return [view.id for view in views if view.id.startswith(symbol)]
