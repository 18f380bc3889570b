"""A loop that a library runs, followed from outside: what its callbacks tell."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from . import checkpoint_link, resumable
from .checkpoint_link import Link


class Training:
    """One loop of a library; the counterpart of `resumable`, whose rules hold here too.

    Outside a job it does nothing.

    Parameters
    ----------
    every, keep
        As for `resumable`.
    """

    def __init__(self, every: str | int | timedelta, keep: int) -> None:
        self._seconds, self._steps = resumable.parse_every(every)
        if keep < 1:
            raise ValueError(f"keep={keep} would keep no checkpoint; the least is 1")
        self._keep = keep
        self._link: Link | None = None
        self._loop: resumable.Loop | None = None
        self._cooperated = False
        self._begun = self._saved_at = 0.0

    def begin(self, objects: dict[str, Any], total: int | None) -> int:
        """Restore what an earlier attempt saved; return how many steps were done.

        Parameters
        ----------
        objects
            What the steps change, by name.
        total
            How many steps there are in all.
        """
        self.leave()  # a loop of before may have ended with an error
        self._link = checkpoint_link.current()
        if self._link is None:
            return 0
        self._loop = resumable.Loop(self._link, objects, total, self._keep)
        self._loop.resume()
        self._loop.enter()
        self._cooperated = self._link.cooperate(True)
        self._begun = self._saved_at = time.monotonic()
        return self._loop.steps

    def restore_random(self) -> None:
        """Set the random states that were saved, when nothing draws from them before the loop."""
        if self._loop is not None:
            self._loop.restore_random()

    def reached(self, steps: int) -> None:
        """Note that so many steps are done; save if it is time, end the notebook if asked to."""
        loop, link = self._loop, self._link
        if loop is None or link is None:
            return
        done, loop.steps = steps - loop.steps, steps
        if done and loop.test_steps is not None:
            loop.stop_in_test()
        if link.stop_requested():
            try:
                loop.stop()
            finally:
                self.leave()
        loop.report()
        now = time.monotonic()
        if (self._steps and steps % self._steps == 0) or now - self._saved_at >= self._seconds:
            loop.save()
            self._saved_at = time.monotonic()

    def is_due(self, steps: int, last: bool) -> bool:
        """Return whether the library should save now, by its own means; then call `saved`."""
        loop, link = self._loop, self._link
        if loop is None or link is None:
            return False
        loop.steps = steps
        if loop.test_steps is not None:
            loop.stop_in_test()
        loop.report()
        by_steps = self._steps and steps % self._steps == 0
        late = time.monotonic() - self._saved_at >= self._seconds
        return last or bool(by_steps) or late or link.stop_requested()

    def saved(self, steps: int) -> None:
        """Note what the library saved; end the notebook if asked to."""
        loop, link = self._loop, self._link
        if loop is None or link is None:
            return
        loop.steps = steps
        loop.save(now=True)
        self._saved_at = time.monotonic()
        if link.stop_requested():
            try:
                loop.stop()
            finally:
                self.leave()

    def is_enough(self, steps: int) -> bool:
        """Return whether a quick test needs no more steps than these."""
        loop = self._loop
        return loop is not None and loop.test_steps is not None and steps >= loop.test_steps

    def end(self, steps: int) -> None:
        """Save the end, which counts as `steps` steps, however many there were."""
        loop = self._loop
        self.leave()
        if loop is None:
            return
        loop.settle()
        loop.steps = steps
        loop.report()
        loop.save_end(time.monotonic() - self._begun)

    def leave(self) -> None:
        """Be over, also with an error."""
        if self._loop is not None and self._link is not None:
            self._loop.settle()
            self._loop.leave()
            self._link.cooperate(self._cooperated)
        self._loop = None
