"""`Checkpoint`: save and load whatever a notebook wants to find again in its next attempt."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import checkpoint_adapters as adapters
from . import checkpoint_link, checkpoint_state
from .checkpoint_manifest import Manifest
from .checkpoint_store import CheckpointStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


@dataclass(frozen=True)
class Saved:
    """One saved checkpoint.

    Parameters
    ----------
    step
        What was given to `Checkpoint.save`.
    metrics
        What was given to `Checkpoint.save`.
    written
        When it was saved, seconds since the epoch.
    size
        Its bytes.
    attempt
        The attempt that saved it.
    """

    step: int | None
    metrics: dict[str, float]
    written: float
    size: int
    attempt: int


class Checkpoint:
    """Checkpoints under one name, of which the newest `keep` and the best are kept.

    In a job they are kept in the job's directory on the workspace, and later attempts find them.
    Elsewhere, for example in an interactive notebook, nothing is saved or found unless `directory`
    says where.

    Parameters
    ----------
    name
        Letters, digits, hyphens and underscores.
    keep
        How many to keep.
    best
        Name of a metric; the checkpoint that is best by it is kept as well.
    mode
        ``min`` if less of it is better, ``max`` if more is.
    directory
        Where to keep them instead.

    Examples
    --------
    >>> checkpoint = Checkpoint("training", best="loss")
    >>> found = checkpoint.load({"model": model, "optimizer": optimizer})
    >>> for epoch in range(found.step + 1 if found else 0, 10):
    ...     loss = train(model, optimizer)
    ...     state = {"model": model, "optimizer": optimizer}
    ...     checkpoint.save(state, step=epoch, metrics={"loss": loss})
    """

    def __init__(
        self,
        name: str = "checkpoint",
        *,
        keep: int = 2,
        best: str | None = None,
        mode: Literal["min", "max"] = "min",
        directory: str | Path | None = None,
    ) -> None:
        if not _NAME.match(name):
            raise ValueError(
                f"{name!r} is not a name for a checkpoint: use letters, digits, - and _"
            )
        if keep < 1:
            raise ValueError(f"keep={keep} would keep no checkpoint; the least is 1")
        if mode not in ("min", "max"):
            raise ValueError(f"mode={mode!r}: write 'min' or 'max'")
        self.name = name
        self._keep = keep
        self._best = best
        self._mode = mode
        self._store: CheckpointStore | None = None
        link = checkpoint_link.current()
        if directory is not None:
            note = link.log if link is not None else checkpoint_link._to_stderr
            self._store = CheckpointStore(Path(directory), note)
        elif link is not None:
            self._store = link.store

    @property
    def _series(self) -> str:
        return f"user-{self.name}"

    def save(
        self,
        state: Any,
        *,
        step: int | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> Saved | None:
        """Save `state` atomically; it is on the disk when this returns.

        Parameters
        ----------
        state
            A dict of objects by name, or one object.
        step
            A number to find again, for example the epoch.
        metrics
            Numbers to find again; the metric of ``best`` must be among them.

        Returns
        -------
        Saved or None
            What was saved; None where nothing is saved.
        """
        values = {name: float(value) for name, value in (metrics or {}).items()}
        if self._best is not None and self._best not in values:
            raise ValueError(
                f"the best checkpoint is chosen by {self._best!r}: give it as "
                f"metrics={{{self._best!r}: …}}"
            )
        if self._store is None:
            return None
        link = checkpoint_link.current()
        begun = time.monotonic()
        objects = state if isinstance(state, Mapping) else {"state": state}
        with self._store.begin(self._series) as publication:
            meta = checkpoint_state.dump(publication, adapters.capture(objects))
            meta |= {"step": step, "metrics": values, "attempt": link.attempt if link else 1}
            best = self._best_of(values)
            pins = frozenset() if best is None else frozenset({best.sequence})
            manifest = publication.publish(meta, keep=self._keep, pinned=pins)
        if link is not None:
            link.journal(
                "checkpoint",
                saved={
                    "name": self.name,
                    "step": step,
                    "seconds": round(time.monotonic() - begun, 4),
                    "bytes": manifest.size,
                },
            )
        return _saved(manifest)

    def latest(self) -> Saved | None:
        """Return what the newest usable checkpoint is; None if there is none."""
        manifest = self._find("latest")
        return None if manifest is None else _saved(manifest)

    def best(self) -> Saved | None:
        """Return what the checkpoint with the best metric is; None if there is none."""
        manifest = self._find("best")
        return None if manifest is None else _saved(manifest)

    def load(self, state: Any, which: Literal["latest", "best"] = "latest") -> Saved | None:
        """Restore `state`, in place, from a checkpoint.

        One that is torn or damaged is passed over for the one before it, and the log says so.

        Parameters
        ----------
        state
            The objects, as they were given to `save`.
        which
            ``latest``, or ``best`` by the metric.

        Returns
        -------
        Saved or None
            What was restored; None if there was nothing.
        """
        found = self._load(which)
        if found is None:
            return None
        objects = state if isinstance(state, Mapping) else {"state": state}
        adapters.check(objects, found[1])
        adapters.restore(objects, found[1])
        return _saved(found[0])

    def values(self, which: Literal["latest", "best"] = "latest") -> dict[str, Any] | None:
        """Return the saved objects themselves, or what ``state_dict()`` or the like gave of them.

        Parameters
        ----------
        which
            ``latest``, or ``best`` by the metric.

        Returns
        -------
        dict or None
            By name; None if there is no checkpoint.
        """
        found = self._load(which)
        return None if found is None else {name: value for name, (_, value) in found[1].items()}

    def _load(self, which: str) -> tuple[Manifest, dict[str, tuple[str, Any]]] | None:
        if self._store is None:
            return None
        if which == "best":
            manifest = self._find(which)
            manifests = [] if manifest is None else [manifest]
        else:
            manifests = list(self._store.newest_first(self._series))
        for manifest in manifests:
            with checkpoint_state.passing_over(self._store, manifest):
                return manifest, checkpoint_state.load(self._store, manifest, manifest.meta)
        return None

    def _find(self, which: str) -> Manifest | None:
        if which not in ("latest", "best"):
            raise ValueError(f"which={which!r}: write 'latest' or 'best'")
        if self._store is None:
            return None
        if which == "latest":
            return next(self._store.newest_first(self._series), None)
        if self._best is None:
            raise ValueError("which metric decides? Write Checkpoint(…, best='loss')")
        return self._best_of({})

    def _best_of(self, new: Mapping[str, float]) -> Manifest | None:
        """Return the best one so far, or None if that is the one about to be saved."""
        if self._best is None or self._store is None:
            return None
        sign = 1 if self._mode == "min" else -1
        ranked = [
            (sign * manifest.meta["metrics"][self._best], manifest)
            for manifest in self._store.newest_first(self._series)
            if self._best in manifest.meta["metrics"]
        ]
        if not ranked:
            return None
        value, manifest = min(ranked, key=lambda pair: pair[0])
        if self._best in new and sign * new[self._best] < value:
            return None
        return manifest


def _saved(manifest: Manifest) -> Saved:
    meta = manifest.meta
    return Saved(meta["step"], meta["metrics"], manifest.written, manifest.size, meta["attempt"])
