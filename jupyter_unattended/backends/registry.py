"""Finding backends: those of this package, and those that others registered as entry points."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..errors import BackendUnavailableError, SpecError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .base import Backend

#: Entry-point group of backends.
GROUP = "jupyter_unattended.backends"

#: Ours are found without asking the metadata of every installed distribution, which takes long.
_OWN = {
    "local": "jupyter_unattended.backends.local:LocalBackend",
    "container": "jupyter_unattended.backends.container:ContainerBackend",
    "kubernetes": "jupyter_unattended.backends.kubernetes:KubernetesBackend",
    "slurm": "jupyter_unattended.backends.slurm:SlurmBackend",
    "gridengine": "jupyter_unattended.backends.gridengine:GridEngineBackend",
}


def names() -> list[str]:
    """Return the names of all registered backends, ours first."""
    return [*_OWN, *sorted(name for name in _entry_points() if name not in _OWN)]


def get(name: str, state_dir: Path | None = None) -> Backend:
    """Return the backend called `name`.

    Parameters
    ----------
    name
        Its name, as in ``--backend``.
    state_dir
        State directory for backends that keep one (those with an attribute ``state_dir``).

    Raises
    ------
    SpecError
        If no backend has this name; the text lists those there are.
    BackendUnavailableError
        If it is registered but cannot be loaded; the text says why.
    """
    entry = None if name in _OWN else _entry_points().get(name)
    if entry is None and name not in _OWN:
        raise SpecError(_no_such(name))
    try:
        if entry is None:
            module, _, attribute = _OWN[name].partition(":")
            backend = cast("Backend", getattr(importlib.import_module(module), attribute)())
        else:
            backend = cast("Backend", entry.load()())
    except Exception as error:
        target = _OWN[name] if entry is None else entry.value
        what = (str(error).splitlines() or [""])[0]
        raise BackendUnavailableError(
            f"The backend {name} cannot be loaded from {target} ({type(error).__name__}: {what})."
        ) from error
    if state_dir is not None and hasattr(backend, "state_dir"):
        backend.state_dir = state_dir
    return backend


def all(state_dir: Path | None = None) -> tuple[dict[str, Backend], dict[str, str]]:  # noqa: A001
    """Return all backends that load, and for those that do not the reason, by name."""
    loaded: dict[str, Backend] = {}
    broken: dict[str, str] = {}
    for name in names():
        try:
            loaded[name] = get(name, state_dir)
        except BackendUnavailableError as error:  # noqa: PERF203 - a handful
            broken[name] = str(error)
    return loaded, broken


def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _no_such(name: str) -> str:
    known = names()
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]}?" if near else f" (there are: {', '.join(known)})."
    return f"There is no backend {name!r}{hint}"
