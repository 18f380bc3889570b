"""What the process was like before the notebook changed it."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from . import checkpoint_tensors

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD")
#: Variables of the attempt itself, and those that shells set for themselves.
_OWN = ("UNATTENDED_", "_", "OLDPWD", "SHLVL", "PWD", "LINES", "COLUMNS")


class Baseline:
    """The process before the first cell ran; to be made at that time."""

    def __init__(self, shell: Any) -> None:
        self.names = {k: v for k, v in shell.user_ns.items() if k != "__annotations__"}
        self.environ = dict(os.environ)
        self.path = list(sys.path)
        self.modules = set(sys.modules)
        self.extensions = set(extensions(shell))
        self._magics = _magics(shell)
        self._handlers = {name: _handler(name) for name in _SIGNALS}

    def surroundings(self) -> dict[str, Any]:
        """Return what must be set before anything is imported, as JSON."""
        now = dict(os.environ)
        changed = {
            name: value
            for name, value in now.items()
            if self.environ.get(name) != value and not name.startswith(_OWN)
        }
        removed = [n for n in self.environ if n not in now and not n.startswith(_OWN)]
        return {
            "cwd": os.getcwd(),  # noqa: PTH109
            "environ": changed,
            "environ_removed": removed,
            "path_added": [
                [place, entry]
                for place, entry in enumerate(sys.path)
                if isinstance(entry, str) and entry not in self.path
            ],
            "path_removed": [entry for entry in self.path if entry not in sys.path],
            "modules": [
                name
                for name, module in list(sys.modules.items())
                if name not in self.modules and getattr(module, "__spec__", None) is not None
            ],
            "jax": checkpoint_tensors.jax_options(),
        }

    def handlers_since(self) -> dict[str, Any]:
        """Return handlers of signals that the notebook set."""
        return {
            name: handler
            for name, before in self._handlers.items()
            if (handler := _handler(name)) is not None and handler != before
        }

    def magics_since(self, shell: Any) -> dict[str, dict[str, Any]]:
        """Return magics that the notebook defined as functions of its own."""
        found: dict[str, dict[str, Any]] = {}
        for kind, magics in _magics(shell).items():
            for name, magic in magics.items():
                of_notebook = getattr(magic, "__module__", None) == "__main__"
                if of_notebook and name not in self._magics.get(kind, {}):
                    found.setdefault(kind, {})[name] = magic
        return found


def _handler(name: str) -> Any:
    number = getattr(signal, name, None)
    handler = signal.getsignal(number) if number is not None else None
    return handler if callable(handler) and not isinstance(handler, signal.Handlers) else None


def extensions(shell: Any) -> list[str]:
    """Return the names of the extensions that are loaded."""
    manager = getattr(shell, "extension_manager", None)
    return sorted(manager.loaded) if manager is not None else []


def _magics(shell: Any) -> dict[str, dict[str, Any]]:
    manager = getattr(shell, "magics_manager", None)
    return {kind: dict(magics) for kind, magics in manager.magics.items()} if manager else {}
