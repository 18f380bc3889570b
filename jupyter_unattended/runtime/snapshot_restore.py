"""Restoring a snapshot: checks first, then the process, the variables, and random states last."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import (
    checkpoint_random,
    checkpoint_tensors,
    snapshot_compatible,
    snapshot_modules,
    snapshot_process,
)
from .checkpoint_manifest import CheckpointError, Manifest
from .checkpoint_state import load
from .checkpoint_store import CheckpointStore
from .parameters import source_of
from .snapshot_functions import find_module
from .snapshot_pickle import NamespaceUnpickler
from .snapshot_save import SERIES

#: Restoring that ended the process so often is not tried again …
_CRASHES = 2
#: … nor one that never ended, when somebody else may have killed the process.
_TRIES = 5


class Restorer:
    """Restores the newest snapshot that can be used.

    Parameters
    ----------
    run
        The run, see ``hooks.Run``.
    store
        Where snapshots are.
    """

    def __init__(self, run: Any, store: CheckpointStore) -> None:
        self._run = run
        self._store = store
        #: Why snapshots were not used, newest first.
        self.reasons: list[str] = []

    def restore(self) -> Manifest | None:
        """Restore a snapshot and return it; None, and `reasons`, if there is none to be used."""
        try:
            for manifest in self._store.newest_first(SERIES):
                if self._try(manifest):
                    return manifest
        except CheckpointError as error:
            self.reasons.append(str(error))
        return None

    def kept_outputs(self, manifest: Manifest) -> dict[int, Mapping[str, Any]]:
        """Return what the cells that are not run again had shown."""
        refs = {ref.name: ref for ref in manifest.refs}
        saved = manifest.meta["outputs"]
        kept = json.loads(bytes(self._store.read(refs[saved["together"]])))
        for index, digest in saved["apart"].items():
            kept[index] = json.loads(bytes(self._store.read(refs[digest])))
        return {int(index): value for index, value in kept.items()}

    def _try(self, manifest: Manifest) -> bool:
        run = self._run
        reason = snapshot_compatible.misfit(manifest.meta, run.notebook["cells"], run.arguments)
        if reason is not None:
            self.reasons.append(reason)
            return False
        namespace = run.shell.user_ns
        before = dict(namespace)
        process = _Process()
        try:
            # Libraries ask for the shell when they are imported, and it is there only in cells.
            with self._marked(manifest), run.shell.builtin_trap:
                self._restore(manifest, namespace)
        except Exception as error:
            namespace.clear()
            namespace.update(before)
            process.put_back()
            text = str(error) if isinstance(error, CheckpointError) else f"{error!r}"
            self.reasons.append(f"snapshot {manifest.sequence} cannot be loaded: {text}")
            self._store.note(self.reasons[-1])
            return False
        for change in snapshot_compatible.patched(manifest.meta):
            run.log(f"note that a library was changed since the snapshot: {change}")
        return True

    def _restore(self, manifest: Manifest, namespace: dict[str, Any]) -> None:
        meta, shell = manifest.meta, self._run.shell
        snapshot_process.enter(meta["surroundings"])
        import_modules(meta["surroundings"]["modules"])
        checkpoint_tensors.set_jax_options(meta["surroundings"]["jax"])
        for name, line in meta["settings"]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shell.run_line_magic(name, line)
        loaded = load_parts(self._store, manifest, namespace)
        # A changed notebook module (``__main__``) is not an import: the namespace is the live one.
        for problem in snapshot_process.restore(loaded["process"], shell):
            self._run.log(f"not everything of the process could be restored: {problem}")
        namespace.update(loaded["names"])
        for index in meta["replay"]:
            self._replay(index)
        namespace.update(loaded["names"])
        checkpoint_random.restore(loaded["process"]["random"])

    def _replay(self, index: int) -> None:
        source = source_of(self._run.notebook["cells"][index])
        result = self._run.shell.run_cell(source, store_history=False, silent=True)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            raise CheckpointError(f"cell {index + 1} was to be run again and failed: {error!r}")

    @contextlib.contextmanager
    def _marked(self, manifest: Manifest) -> Iterator[None]:
        """Leave a mark while restoring, since a crash of the interpreter leaves nothing else."""
        mark = self._store.root / "restoring"
        attempts = _marks(mark, manifest.name)
        crashes = sum(self._ended_by_itself(attempt) for attempt in attempts)
        for tries, most in ((crashes, _CRASHES), (len(attempts), _TRIES)):
            if tries >= most:
                raise CheckpointError(f"it ended the process {tries} times while it was loaded")
        mark.write_text(" ".join([manifest.name, *attempts, str(self._run.attempt)]) + "\n")
        yield
        mark.unlink(missing_ok=True)

    def _ended_by_itself(self, attempt: str) -> bool:
        """Return whether start.sh outlived the process: preemption would have killed both."""
        if self._run.job_directory is None:
            return True
        try:
            code = (self._run.job_directory / "attempts" / attempt / "exit").read_text().split()
        except OSError:
            return False
        return bool(code)


def _marks(mark: Path, name: str) -> list[str]:
    """Return the attempts that began to restore snapshot `name` and did not come to its end."""
    try:
        marked, *attempts = mark.read_text().split()
    except (OSError, ValueError):
        return []
    return attempts if marked == name else []


def import_modules(names: list[str]) -> None:
    """Import what the notebook had imported, in the same order, also for its side effects."""
    for name in names:
        if name not in sys.modules:
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                find_module(name)


def load_parts(
    store: CheckpointStore, manifest: Manifest, namespace: dict[str, Any]
) -> dict[str, Any]:
    """Unpickle a snapshot and put the state of the user's own modules back."""
    make = functools.partial(NamespaceUnpickler, namespace=namespace)
    parts: dict[str, Any] = load(store, manifest, manifest.meta, make)[-1]
    snapshot_modules.restore(parts["modules"])
    return parts


class _Process:
    """What restoring changes before it can fail."""

    def __init__(self) -> None:
        self._environ = dict(os.environ)
        self._path = list(sys.path)
        self._directory = Path.cwd()

    def put_back(self) -> None:
        os.environ.clear()
        os.environ.update(self._environ)
        sys.path[:] = self._path
        os.chdir(self._directory)
