"""Saving the namespace: what goes into a snapshot, and why one is not taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import snapshot_activity, snapshot_analysis, snapshot_compatible, snapshot_modules
from .checkpoint_manifest import Manifest
from .checkpoint_pickle import BufferPickler
from .checkpoint_publication import Publication
from .checkpoint_state import dump
from .checkpoint_store import CheckpointStore
from .parameters import source_of
from .skipping import is_skipped
from .snapshot_baseline import Baseline
from .snapshot_pickle import NamespacePickler, Probe, arrange
from .snapshot_process import state_of

#: Tag of cells that may be run again when a snapshot is restored.
SAFE_TAG = "safe-to-replay"
SERIES = "snapshot"
KEEP = 2
#: Outputs of a cell that are larger than this are objects of their own.
_LARGE_OUTPUTS = 64 * 1024


@dataclass(frozen=True)
class Refusal:
    """Why there is no snapshot at this point.

    Parameters
    ----------
    why
        A clause that fits after "because".
    cell
        Index of the cell that made the variable; None if it is not about a variable.
    variable
        The variable.
    """

    why: str
    cell: int | None = None
    variable: str | None = None


@dataclass
class Contents:
    """What is about to be saved of the namespace."""

    names: dict[str, Any]
    modules: dict[str, dict[str, Any]]
    process: dict[str, Any]
    #: Variables that cannot be saved and that nobody will miss: name -> what they hold.
    left_out: dict[str, str] = field(default_factory=dict)
    #: Cells to run again after restoring.
    replay: list[int] = field(default_factory=list)


class Saver:
    """Takes snapshots of one run.

    Parameters
    ----------
    run
        The run, see ``hooks.Run``.
    store
        Where they go.
    baseline
        The process before the first cell.
    """

    def __init__(self, run: Any, store: CheckpointStore, baseline: Baseline) -> None:
        self._run = run
        self._store = store
        self._baseline = baseline
        self._cells: Sequence[Mapping[str, Any]] = run.notebook["cells"]
        self._transform: Callable[[str], str] = run.shell.transform_cell
        self._hidden = baseline.names
        self._uses: dict[int, snapshot_analysis.Uses] = {}
        #: Variables that could not be saved before: name -> (value, what it holds).
        self._unsaveable: dict[str, tuple[Any, str]] = {}

    def save(self, covers: int) -> Manifest | Refusal:
        """Save the namespace as it is after cell `covers`, or say why not.

        Raises
        ------
        OSError
            If the store cannot be written.
        """
        refusal = self._unsuitable(covers)
        if refusal is not None:
            return refusal
        process = state_of(self._baseline, self._run.shell)
        contents = Contents(self._names(), snapshot_modules.state(), process)
        for _ in range(2):
            verdict = self._without_unsaveable(contents, covers)
            if verdict is not None:
                return verdict
            try:
                return self._publish(contents, covers)
            except OSError:
                raise
            except Exception as error:
                refusal = self._process_problem(contents)
                if refusal is not None:
                    return refusal
                if not self._find_unsaveable(contents):
                    return Refusal(f"the variables could not be saved together ({error})")
        return Refusal("its variables change while they are saved")

    def estimate(self) -> float:
        """Guess how many seconds a first save would take."""
        from .checkpoint_pickle import estimate_size

        return estimate_size(self._names()) / 200e6

    def calls_resumable(self, index: int) -> bool:
        """Return whether a cell uses `resumable`, itself or in the functions it calls."""
        uses = self._uses_of(index)
        namespace = self._run.shell.user_ns
        for name in snapshot_analysis.reached(uses.names | uses.bound, namespace):
            value = namespace.get(name)
            if (
                name == "resumable"
                or getattr(value, "__module__", "") == f"{__package__}.resumable"
            ):
                return True
        return False

    # --- whether -----------------------------------------------------------------------------

    def _unsuitable(self, covers: int) -> Refusal | None:
        for index in self._later(covers):
            history = self._uses_of(index).history
            if history is not None:
                return Refusal(f"cell {index + 1} uses {history}, which is not saved")
        alive = snapshot_activity.going_on()
        return None if alive is None else Refusal(alive)

    def _without_unsaveable(self, contents: Contents, covers: int) -> Refusal | None:
        """Take out the variables known to be unsaveable; refuse if one of them is needed."""
        for name, (value, what) in list(self._unsaveable.items()):
            if contents.names.get(name, self) is value:
                del contents.names[name]
                contents.left_out[name] = what
            elif name not in contents.left_out:
                del self._unsaveable[name]
        if not contents.left_out:
            return None
        later = snapshot_analysis.of_cells(
            (source_of(self._cells[index]) for index in self._later(covers)), self._transform
        )
        needed = snapshot_analysis.reached(later.names, self._run.shell.user_ns)
        replay: set[int] = set()
        for name, what in contents.left_out.items():
            if name not in needed and later.everything is None:
                continue
            makers = self._makers(name, covers)
            if makers and all(SAFE_TAG in _tags(self._cells[index]) for index in makers):
                replay.update(makers)
                continue
            maker = makers[-1] if makers else None
            where = "a cell" if maker is None else f"cell {maker + 1}"
            return Refusal(f"{where} holds {what} in `{name}`", maker, name)
        contents.replay = sorted(replay)
        return None

    def _makers(self, name: str, covers: int) -> list[int]:
        return [
            index
            for index, cell in enumerate(self._cells[: covers + 1])
            if cell["cell_type"] == "code"
            and not is_skipped(cell)
            and name in snapshot_analysis.bindings(source_of(cell), self._transform)
        ]

    def _process_problem(self, contents: Contents) -> Refusal | None:
        probe = Probe(self._run.shell.user_ns)
        for name, value in contents.process.items():
            problem = probe.problem(value)
            if problem is not None:
                what = {"handlers": "a signal's handler", "on_stop": "what on_stop() calls"}
                return Refusal(f"{what.get(name, name)} holds {problem}")
        return None

    def _find_unsaveable(self, contents: Contents) -> bool:
        probe = Probe(self._run.shell.user_ns)
        found = False
        for name, value in contents.names.items():
            problem = probe.problem(value)
            if problem is not None:
                self._unsaveable[name] = (value, problem)
                found = True
        for variables in contents.modules.values():
            for name in [name for name, value in variables.items() if probe.problem(value)]:
                del variables[name]  # the import makes a fresh one
                found = True
        return found

    def _later(self, covers: int) -> list[int]:
        return [
            index
            for index, cell in enumerate(self._cells)
            if index > covers and cell["cell_type"] == "code" and not is_skipped(cell)
        ]

    def _uses_of(self, index: int) -> snapshot_analysis.Uses:
        uses = self._uses.get(index)
        if uses is None:
            source = source_of(self._cells[index])
            uses = self._uses[index] = snapshot_analysis.of_cell(source, self._transform)
        return uses

    # --- what --------------------------------------------------------------------------------

    def _names(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self._run.shell.user_ns.items()
            if not (name in self._hidden and self._hidden[name] is value)
            and not _is_history(name)
            and name not in ("__builtins__", "__warningregistry__")
        }

    def _publish(self, contents: Contents, covers: int) -> Manifest:
        run = self._run
        namespace = run.shell.user_ns
        parts = {
            "names": contents.names,
            "modules": contents.modules,
            "process": contents.process,
        }
        with self._store.begin(SERIES) as publication:
            outputs = self._put_outputs(publication, covers)
            description = dump(publication, parts, lambda file, put: _pickler(file, put, namespace))
            later = self._later(covers)
            meta = {
                "covers": covers,
                "first_cell": later[0] if later else len(self._cells),
                "attempt": run.attempt,
                "execution_count": run.shell.execution_count,
                "arguments": list(run.arguments),
                "sources": snapshot_compatible.sources_digest(self._cells, covers),
                "python": snapshot_compatible.python(),
                "versions": snapshot_compatible.versions(self._baseline.modules),
                "workspace_files": snapshot_compatible.workspace_files(),
                "surroundings": self._baseline.surroundings(),
                "settings": self._settings(covers),
                "left_out": contents.left_out,
                "replay": contents.replay,
                "outputs": outputs,
                **description,
            }
            manifest = publication.publish(meta, keep=KEEP)
            self.written_bytes = publication.written_bytes
        return manifest

    def _settings(self, covers: int) -> list[list[str]]:
        found = []
        for cell in self._cells[: covers + 1]:
            if cell["cell_type"] == "code" and "%" in source_of(cell):
                found += snapshot_analysis.settings_of(source_of(cell), self._transform)
        return [list(pair) for pair in found]

    def _put_outputs(self, publication: Publication, covers: int) -> dict[str, Any]:
        """Save what finished cells show: the small ones together, the large ones apart."""
        self._run.shell.console.flush()
        together: dict[str, Any] = {}
        apart: dict[str, str] = {}
        for index in range(covers + 1):
            cell = self._cells[index]
            if cell["cell_type"] != "code":
                continue
            kept = {
                "outputs": self._run.outputs(index),
                "execution_count": cell.get("execution_count"),
                "metadata": {"execution": cell["metadata"].get("execution", {})},
            }
            encoded = json.dumps(kept, separators=(",", ":")).encode()
            if len(encoded) > _LARGE_OUTPUTS:
                apart[str(index)] = publication.put(encoded).name
            else:
                together[str(index)] = kept
        small = publication.put(json.dumps(together, separators=(",", ":")).encode())
        return {"together": small.name, "apart": apart}


def _pickler(file: Any, put: Any, namespace: dict[str, Any]) -> BufferPickler:
    return _Arranging(file, put, namespace)


class _Arranging(NamespacePickler):
    """Dumps the parts of a snapshot with the classes in front."""

    def dump(self, obj: Any) -> None:
        super().dump(arrange(self, obj))


def _tags(cell: Mapping[str, Any]) -> Sequence[str]:
    tags = cell.get("metadata", {}).get("tags", ())
    return tags if isinstance(tags, list) else ()


def _is_history(name: str) -> bool:
    if name in ("In", "Out", "_", "__", "___", "_ih", "_oh", "_dh", "_i", "_ii", "_iii"):
        return True
    return name.startswith("_") and name.lstrip("_").lstrip("i").isdecimal()
