"""What the service keeps: ``CONTEXT:NAMESPACE/NAME``, and ``#INDEX`` for one run of a sweep."""

from __future__ import annotations

from . import labels


def make(context: str, namespace: str, name: str, index: int | None = None) -> str:
    """Return the handle of a Job, or of one run of a sweep."""
    return f"{context}:{namespace}/{labels.run_key(name, index)}"


def parse(handle: str) -> tuple[str, str, str, int | None]:
    """Return context, namespace, name and index; a context may have colons and slashes."""
    context, _, rest = handle.rpartition(":")
    namespace, _, name = rest.partition("/")
    name, _, index = name.partition("#")
    return context, namespace, name, int(index) if index else None
