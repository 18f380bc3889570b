"""When checkpoints are saved and restored around the cells: what the runtime calls.

The share of the run time that saving takes is bounded: a snapshot is taken when the computation
that would be lost is at least fifty times what the last one took, and at least half a minute.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import api
from .checkpoint_link import Link, bind, test_steps
from .checkpoint_manifest import CheckpointError, Manifest
from .checkpoint_store import CheckpointStore
from .hooks import NoHooks, Outcome, Resume, Run
from .snapshot_baseline import Baseline

if TYPE_CHECKING:  # most runs are too short to be saved, and need none of this
    from .snapshot_save import Refusal, Saver
    from .snapshot_verify import Verification

SERIES = "snapshot"

#: Least seconds of computation that are worth a snapshot, and how many times its cost.
MIN_UNSAVED = 30.0
COST_FACTOR = 50.0
#: Of the grace period, what must be left after a save.
_RESERVE = 2.0


def make(run: Run) -> CheckpointHooks | None:
    """Return the hooks of a job; None without a job directory."""
    if run.checkpoint_directory is None:
        return None
    return CheckpointHooks(run)


class CheckpointHooks(NoHooks):
    """Checkpoints of one run."""

    def __init__(self, run: Run) -> None:
        assert run.checkpoint_directory is not None
        self._run = run
        self._store = CheckpointStore(run.checkpoint_directory, run.log)
        spec: Mapping[str, Any] = run.job.get("spec", {})
        self._enabled = bool(spec.get("checkpoints", True))
        interval = spec.get("checkpoint_interval")
        self._interval = None if interval is None else float(interval)
        self._cells = run.notebook["cells"]
        self._contexts: dict[int, str] = {}
        self._current = 0
        #: Seconds of computation since the last snapshot, and since one was last tried.
        self._unsaved = self._untried = 0.0
        self._covers: int | None = None
        self._cost: float | None = None
        self._first_cell = 0
        self._proved = False
        self._verification: Verification | None = None
        self._said: Refusal | None = None
        self._made_saver: Saver | None = None
        self._link = self._make_link()

    # --- what the runtime calls ------------------------------------------------------------------

    def before_run(self, run: Run) -> Resume | None:
        """Restore the newest snapshot."""
        bind(self._link)
        self._baseline = Baseline(run.shell)
        return self._resume() if self._enabled else None

    def before_cell(self, shell: Any, index: int) -> None:
        """Save for a ``resumable()`` in the cell."""
        self._link.context = self._context(index)
        self._link.label = f"cell {index + 1}"
        self._current = index
        if not self._enabled:
            return
        self._look_at_verification()
        loops = f"{__package__}.resumable" in sys.modules
        unsaved = self._unsaved > 0 and self._covers is not None
        if loops and unsaved and self._saver.calls_resumable(index):
            self._save()

    def after_cell(self, shell: Any, index: int, seconds: float) -> None:
        """Save, if it is worth it."""
        self._unsaved += seconds
        self._untried += seconds
        self._covers = index
        if self._enabled:
            self._look_at_verification()
            if self._is_due():
                self._save()
        if self._link.test_steps is not None and self._run.attempt == 1 and self._is_middle(index):
            os.kill(os.getpid(), signal.SIGTERM)

    def on_stop(self, shell: Any, during_cell: bool) -> None:
        """Save between two cells, if there is time."""
        if self._enabled and not during_cell and self._unsaved > 0 and self._covers is not None:
            cost = self._saver.estimate() if self._cost is None else self._cost
            if 1.5 * cost + _RESERVE < self._run.seconds_left():
                self._save()

    def after_run(self, shell: Any, outcome: Outcome) -> None:
        """Remove what nobody will go on from."""
        if self._verification is not None:
            self._verification.end()
        if outcome == "done":
            self._store.remove(f"{SERIES}.")
            self._store.remove("loop-")

    # --- restoring -------------------------------------------------------------------------------

    def _resume(self) -> Resume | None:
        if not self._store.series(SERIES):
            if self._run.attempt > 1:
                self._say_from_the_top("nothing was saved")
            return None
        from .snapshot_restore import Restorer

        restorer = Restorer(self._run, self._store)
        begun = time.monotonic()
        manifest = restorer.restore()
        if manifest is None:
            why = restorer.reasons[0] if restorer.reasons else "no snapshot can be used"
            self._say_from_the_top(why)
            return None
        seconds = round(time.monotonic() - begun, 4)
        meta = manifest.meta
        try:
            kept = restorer.kept_outputs(manifest)
        except (CheckpointError, KeyError, ValueError):
            kept = {}  # those of output.ipynb, then
        self._proved = True
        self._covers = meta["covers"]
        self._first_cell = meta["first_cell"]
        self._run.log(
            f"goes on at cell {meta['first_cell'] + 1}, from the variables that attempt "
            f"{meta['attempt']} saved after cell {meta['covers'] + 1}"
        )
        self._run.journal(
            "resumed",
            snapshot=manifest.sequence,
            covers=meta["covers"],
            first_cell=meta["first_cell"],
            seconds=seconds,
            bytes=manifest.size,
        )
        return Resume(meta["first_cell"], kept, meta["execution_count"])

    def _say_from_the_top(self, why: str) -> None:
        self._run.log(f"starts from the top, because {why}")
        self._run.journal("from_the_top", why=why)

    # --- saving ----------------------------------------------------------------------------------

    @property
    def _saver(self) -> Saver:
        if self._made_saver is None:
            from .snapshot_save import Saver

            self._made_saver = Saver(self._run, self._store, self._baseline)
        return self._made_saver

    def _is_due(self) -> bool:
        if self._interval is not None:
            return self._untried >= self._interval
        if self._untried < MIN_UNSAVED:
            return False
        cost = self._saver.estimate() if self._cost is None else self._cost
        return self._untried >= COST_FACTOR * cost

    def _save(self) -> None:
        from .snapshot_save import Refusal

        assert self._covers is not None
        self._untried = 0.0
        begun = time.monotonic()
        try:
            result = self._saver.save(self._covers)
        except OSError as error:
            result = Refusal(f"the checkpoint could not be written ({error.strerror or error})")
        self._cost = time.monotonic() - begun
        if isinstance(result, Refusal):
            self._refused(result)
        else:
            self._saved(result)

    def _saved(self, manifest: Manifest) -> None:
        assert self._cost is not None
        self._unsaved = 0.0
        self._said = None
        self._first_cell = manifest.meta["first_cell"]
        self._run.journal(
            "checkpoint",
            saved={
                "snapshot": manifest.sequence,
                "covers": manifest.meta["covers"],
                "first_cell": self._first_cell,
                "seconds": round(self._cost, 4),
                "bytes": manifest.size,
                "written": self._saver.written_bytes,
                "left_out": manifest.meta["left_out"],
            },
        )
        for index, context in self._contexts.items():
            if index <= manifest.meta["covers"]:
                self._store.remove(f"loop-{context}-")
        if not self._proved and self._verification is None:
            from .snapshot_verify import Verification

            if Verification.affordable(manifest):
                self._verification = Verification(self._store, manifest)

    def _refused(self, refusal: Refusal) -> None:
        if refusal == self._said:
            return
        self._said = refusal
        where = f"at cell {self._first_cell + 1}" if self._first_cell else "from the top"
        consequence = f"resume will start {where}"
        self._run.log(f"{consequence}, because {refusal.why}")
        self._run.journal(
            "checkpoint",
            refused={
                "cell": refusal.cell,
                "variable": refusal.variable,
                "why": refusal.why,
                "consequence": consequence,
                "seconds": round(self._cost or 0.0, 4),
            },
        )

    def _look_at_verification(self) -> None:
        verification = self._verification
        problem = verification.problem() if verification is not None else None
        if verification is None or problem is None:
            return
        self._verification = None
        if not problem:
            self._proved = True
            return
        from .snapshot_save import Refusal

        # Every snapshot so far has the same trouble.
        self._store.remove(f"{SERIES}.")
        self._first_cell = 0
        self._refused(Refusal(f"the snapshot could not be loaded again ({problem})"))

    # --- loops -----------------------------------------------------------------------------------

    def _is_middle(self, index: int) -> bool:
        code = [n for n, cell in enumerate(self._cells) if cell["cell_type"] == "code"]
        return index >= code[len(code) // 2]

    def _make_link(self) -> Link:
        run = self._run
        stop = api._stop
        link = Link(
            store=self._store,
            attempt=run.attempt,
            context="",
            label="",
            journal=run.journal,
            log=run.log,
            stop_requested=api.stop_requested,
            seconds_left=run.seconds_left,
            outputs=self._outputs_now,
            set_outputs=self._show_again,
            test_steps=test_steps(),
            stopped=KeyboardInterrupt,
        )
        if stop is not None and hasattr(stop, "asks"):

            def cooperate(asks: bool) -> bool:
                before: bool = stop.asks
                stop.asks = asks
                return before

            link.stop_requested = stop.ask
            link.cooperate = cooperate
        return link

    def _outputs_now(self) -> list[dict[str, Any]]:
        self._run.shell.console.flush()
        return self._run.outputs(self._current)

    def _show_again(self, outputs: list[dict[str, Any]]) -> None:
        self._run.shell.console.flush()
        self._run.show_again(outputs)

    def _context(self, index: int) -> str:
        from .snapshot_compatible import sources_digest

        context = self._contexts.get(index)
        if context is None:
            text = f"{index} {sources_digest(self._cells, index)} {list(self._run.arguments)}"
            context = self._contexts[index] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return context
