"""`resumable`: a loop that the next attempt goes on with where this one was stopped."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from datetime import timedelta
from itertools import islice
from typing import Any, Generic, TypeVar

from . import api, checkpoint_link, checkpoint_random, checkpoint_state
from . import checkpoint_adapters as adapters
from .checkpoint_link import Link
from .checkpoint_manifest import CheckpointError, Manifest
from .checkpoint_memory import available
from .checkpoint_objects import THREAD_NAME
from .checkpoint_pickle import Captured, estimate_size

T = TypeVar("T")

#: How often the loop looks up from its work, for progress and for what is due.
_TICK = 0.5
#: A loop that was faster than this is quicker run again than saved at its end.
_WORTH_SAVING = 0.5
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def resumable(
    iterable: Iterable[T],
    state: Any = None,
    every: str | int | timedelta = "60s",
    *,
    keep: int = 2,
) -> Resumable[T]:
    """Go through `iterable`; in a job, the next attempt goes on with the next step.

    In a job, `state` and all random states are saved between two steps: every so often, when the
    job is stopped, and at the end. When the job is started again, they are restored in place and
    the steps that were done are left out. Elsewhere this is simply the iterable.

    Parameters
    ----------
    iterable
        What to go through; it must give the same items in every attempt.
    state
        What the steps change: a dict of objects by name, a list of objects, or one object. Models,
        optimisers and the like (``state_dict``, ``get_weights``), estimators, lists, dicts, sets,
        arrays, frames and plain objects are known.
    every
        How often to save: a time such as ``"60s"``, ``"5m"`` or ``"1h"``, or a number of steps.
    keep
        How many saved states to keep.

    Returns
    -------
    Resumable
        To be used in a ``for`` loop.

    Examples
    --------
    >>> history = []
    >>> for epoch in resumable(range(100), state={"model": model, "history": history}):
    ...     history.append(train(model))
    """
    return Resumable(iterable, state, every, keep)


def parse_every(every: str | int | timedelta) -> tuple[float, int]:
    """Return (seconds, steps) of an interval, one of them infinite or 0."""
    if isinstance(every, timedelta):
        return every.total_seconds(), 0
    if isinstance(every, int) and not isinstance(every, bool) and every > 0:
        return float("inf"), every
    if isinstance(every, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", every)
        if match is not None and match[2] in _UNITS:
            return float(match[1]) * _UNITS[match[2]], 0
    raise ValueError(
        f"every={every!r} is not an interval; write a time such as '60s' or a number of steps"
    )


class _Scope(threading.local):
    """The loops that run now in this thread, outermost first, and how many there were."""

    def __init__(self) -> None:
        self.stack: list[Loop] = []
        self.counts: dict[str, int] = {}
        self.context = ""

    def name_for(self, link: Link) -> str:
        """Return a name that the same loop has in every attempt.

        A loop is known by its place: the n-th in its cell, or the n-th within one step of the loop
        around it. So three calls of a training function are three loops.
        """
        if self.context != link.context:
            self.context = link.context
            self.counts.clear()
            self.stack.clear()
        if self.stack:
            parent = self.stack[-1]
            parent.has_children = True
            place = f"{parent.place}.{parent.steps}"
        else:
            place = ""
        number = self.counts[place] = self.counts.get(place, 0) + 1
        return f"{place}.{number}" if place else str(number)


_scope = _Scope()


class Resumable(Generic[T]):
    """What `resumable` returns: an iterable, to be gone through once."""

    def __init__(
        self, iterable: Iterable[T], state: Any, every: str | int | timedelta, keep: int
    ) -> None:
        self._iterable = iterable
        self._objects = adapters.named(state)
        self._seconds, self._steps = parse_every(every)
        if keep < 1:
            raise ValueError(f"keep={keep} would keep no checkpoint; the least is 1")
        self._keep = keep

    def __len__(self) -> int:
        if not isinstance(self._iterable, Sized):
            raise TypeError(f"object of type {type(self._iterable).__name__!r} has no len()")
        return len(self._iterable)

    def __iter__(self) -> Iterator[T]:
        link = checkpoint_link.current()
        if link is None:
            return iter(self._iterable)
        return self._run(link)

    def _run(self, link: Link) -> Iterator[T]:
        total = len(self._iterable) if isinstance(self._iterable, Sized) else None
        loop = Loop(link, self._objects, total, self._keep)
        loop.resume()
        items = self._remaining(loop)
        clock, stop_requested = time.monotonic, link.stop_requested
        begun = saved_at = clock()
        tick = begun + min(_TICK, self._seconds)
        loop.enter()
        cooperated = link.cooperate(True)
        try:
            for item in items:
                yield item
                loop.steps += 1
                if loop.test_steps is not None:
                    loop.stop_in_test()
                if stop_requested():
                    loop.stop()
                if self._steps and loop.steps % self._steps == 0:
                    loop.save()
                    saved_at = clock()
                elif clock() >= tick:
                    loop.report()
                    if clock() - saved_at >= self._seconds:
                        loop.save()
                        saved_at = clock()
                    tick = clock() + min(_TICK, self._seconds)
        finally:
            link.cooperate(cooperated)
            loop.settle()
            loop.leave()
        loop.report()
        loop.save_end(clock() - begun)

    def _remaining(self, loop: Loop) -> Iterator[T]:
        items: Iterator[T]
        if isinstance(self._iterable, (range, list, tuple)):
            items = iter(self._iterable[loop.steps :] if loop.steps else self._iterable)
        else:
            items = islice(self._iterable, loop.steps, None)
        if loop.test_steps is not None:
            items = islice(items, max(0, loop.test_steps - loop.steps))
        # Random states last: an iterator that draws from them on its way must not disturb them.
        loop.restore_random()
        return items


class Loop:
    """One running loop and its checkpoints."""

    def __init__(self, link: Link, objects: dict[str, Any], total: int | None, keep: int) -> None:
        self.place = _scope.name_for(link)
        self.steps = 0
        self.resumed = False
        self.has_children = False
        self._link = link
        self._objects = objects
        self._total = total
        self._keep = keep
        self._series = f"loop-{link.context}-{self.place}"
        #: How many steps to do, in a quick test.
        self.test_steps = link.test_steps
        self._random: dict[str, Any] | None = None
        self._saved_steps = 0
        self._seconds = 0.0
        self._failed = False
        self._writer: threading.Thread | None = None

    def enter(self) -> None:
        """Be the loop around those that begin from now on."""
        _scope.stack.append(self)

    def leave(self) -> None:
        """Be it no longer."""
        _scope.stack[:] = [other for other in _scope.stack if other is not self]

    # --- resuming ----------------------------------------------------------------------------

    def resume(self) -> None:
        """Restore the newest usable state, if there is one."""
        try:
            for manifest in self._link.store.newest_first(self._series):
                if self._restore(manifest):
                    return
        except CheckpointError as error:
            self._link.log(f"the loop in {self._link.label} starts at its first step: {error}")

    def _restore(self, manifest: Manifest) -> bool:
        """Restore from one checkpoint; return whether it could be used."""
        meta = manifest.meta
        usable = False
        with checkpoint_state.passing_over(self._link.store, manifest):
            if meta["total"] != self._total:
                raise CheckpointError(
                    f"its loop had {meta['total']} steps, this one has {self._total}"
                )
            saved = checkpoint_state.load(self._link.store, manifest, meta)
            adapters.check(self._objects, saved["objects"])
            adapters.restore(self._objects, saved["objects"])
            usable = True
        if not usable:
            return False
        self.steps = self._saved_steps = meta["steps"]
        self.resumed = True
        self._random = saved["random"]
        if saved["outputs"] is not None:
            self._link.set_outputs(saved["outputs"])
        of_total = "" if self._total is None else f" of {self._total}"
        self._link.log(
            f"the loop in {self._link.label} goes on after step {self.steps}{of_total}, "
            f"saved by attempt {meta['attempt']}"
        )
        self._link.journal("resumed", loop=self.place, steps=self.steps, total=self._total)
        return True

    def restore_random(self) -> None:
        """Set the random states of the checkpoint, once."""
        if self._random is not None:
            checkpoint_random.restore(self._random)
            self._random = None

    # --- saving ------------------------------------------------------------------------------

    def save(self, now: bool = False) -> None:
        """Save what is not saved; in the background where a copy is cheap, unless `now`."""
        self.settle()
        if self.steps == self._saved_steps or (self._failed and not now):
            return
        begun = time.monotonic()
        try:
            payload = {
                "objects": adapters.capture(self._objects),
                "random": checkpoint_random.capture(),
                "outputs": self._link.outputs(),
            }
            meta = {
                "steps": self.steps,
                "total": self._total,
                "attempt": self._link.attempt,
            }
            if now or estimate_size(payload) > available() / 10:
                with self._link.store.begin(self._series) as publication:
                    meta |= checkpoint_state.dump(publication, payload)
                    manifest = publication.publish(meta, keep=self._keep)
                self._published(manifest, begun, time.monotonic() - begun)
            else:
                captured = Captured(payload)
                blocked = time.monotonic() - begun
                self._writer = threading.Thread(
                    target=self._write, args=(captured, meta, begun, blocked), name=THREAD_NAME
                )
                self._writer.start()
        except Exception as error:
            self._refuse(error)

    def save_end(self, seconds: float) -> None:
        """Save after the last step, where that is worth it after so many seconds."""
        # An inner loop's end is saved with the loop around it.
        if (not _scope.stack and seconds >= _WORTH_SAVING) or self.resumed:
            self.save(now=True)

    def _write(self, captured: Captured, meta: dict[str, Any], begun: float, held: float) -> None:
        try:
            with self._link.store.begin(self._series) as publication:
                meta |= checkpoint_state.write(publication, captured)
                manifest = publication.publish(meta, keep=self._keep)
            self._published(manifest, begun, held)
        except Exception as error:
            self._refuse(error)

    def _published(self, manifest: Manifest, begun: float, blocked: float) -> None:
        self._saved_steps = manifest.meta["steps"]
        self._seconds = time.monotonic() - begun
        self._failed = False
        self._link.journal(
            "checkpoint",
            saved={
                "loop": self.place,
                "steps": self._saved_steps,
                "total": self._total,
                "seconds": round(self._seconds, 4),
                "blocked": round(blocked, 4),
                "bytes": manifest.size,
            },
        )
        if self.has_children:
            self._forget_children()

    def _forget_children(self) -> None:
        """Remove what loops inside finished steps saved; this state covers them."""
        prefix = f"{self._series}."
        for series in self._link.store.series(prefix):
            step = int(series[len(prefix) :].partition(".")[0])
            if step < self._saved_steps:
                self._link.store.remove(f"{series}.")

    def _refuse(self, error: Exception) -> None:
        """Say so and go on: a checkpoint is no reason for the notebook to fail."""
        if not self._failed:
            self._link.log(f"the loop in {self._link.label} could not be saved: {error}")
        self._failed = True
        self._link.journal(
            "checkpoint",
            refused={
                "loop": self.place,
                "why": f"{type(error).__name__}: {error}",
                "consequence": f"the loop would go on after step {self._saved_steps}",
            },
        )

    def settle(self) -> None:
        """Wait until a save in the background is on the disk."""
        if self._writer is not None:
            self._writer.join()
            self._writer = None

    def stop(self) -> None:
        """Save because the job is to stop, if there is time, and end the notebook."""
        self.settle()
        if self._link.seconds_left() > 2 * self._seconds:
            self.save(now=True)
        raise self._link.stopped()

    def stop_in_test(self) -> None:
        """Have the first attempt of a quick test be stopped in the middle."""
        if self._link.attempt == 1 and self.test_steps == 2 * self.steps:
            os.kill(os.getpid(), signal.SIGTERM)

    def report(self) -> None:
        """Tell how far the outermost loop is."""
        if not _scope.stack or _scope.stack[0] is self:
            api.progress(self.steps, self._total)
