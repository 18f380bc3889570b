"""Starting queued jobs, as the machine has room for them."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable

from ...errors import StoreError
from ...jobs.states import State
from . import launch as launching
from . import machine, outcome, processes, scheduling
from .launcher import LaunchError, Launchers
from .ledger import Ledger
from .queue import Entry

#: When to look again after a start, in seconds.
_STARTING = 0.1


class Starter:
    """Chooses the jobs that start next, and starts them.

    Parameters
    ----------
    ledger
        Where changes are written.
    launchers
        What starts them.
    guard
        Runs something that is done for a job, and deals with full disks and the like.
    """

    def __init__(
        self,
        ledger: Ledger,
        launchers: Launchers,
        guard: Callable[[Entry, Callable[[Entry], float]], float],
    ) -> None:
        self._ledger = ledger
        self._launchers = launchers
        self._guard = guard
        self._boot = processes.boot_id()
        self._not_before = 0.0
        self._devices: tuple[str, ...] | None = None

    def schedule(self) -> float:
        """Start what can start; return in how many seconds to look again at the latest."""
        if time.time() < self._not_before:
            return self._not_before - time.time()
        queue = self._ledger.queue.queued(limit=200)
        if not queue:
            return 60.0
        active = self._ledger.queue.active()
        total = self._total(any(entry.gpus for entry in queue + active))
        free = total
        for entry in active:
            free = free - entry.needs
        fitting = []
        for entry in queue:
            if total.holds(entry.needs):
                fitting.append(entry)
            else:
                self._guard(entry, self._refuse)
        choice = scheduling.choose(
            [scheduling.Waiting(e.id, e.priority, e.needs, e.passed) for e in fitting], free
        )
        entries = {entry.id: entry for entry in fitting}
        taken = {d for entry in active for d in (entry.devices or "").split(",") if d}
        soon = 60.0
        for job_id in choice.start:
            entry = entries[job_id]
            devices = [d for d in self._devices or () if d not in taken][: entry.gpus]
            taken.update(devices)
            soon = min(soon, self._guard(entry, lambda e, d=devices: self._launch(e, d)))  # type: ignore[misc]
        if choice.head is not None and choice.passed_by:
            with contextlib.suppress(StoreError):
                passed = entries[choice.head].passed + choice.passed_by
                self._ledger.queue.set(choice.head, passed=passed)
        return soon

    def _total(self, gpus: bool) -> machine.Resources:
        if gpus and self._devices is None:
            self._devices = machine.devices()
        return machine.Resources(machine.cpus(), machine.memory(), len(self._devices or ()))

    def _refuse(self, entry: Entry) -> float:
        reason = lacking(entry.needs, self._total(bool(entry.gpus)))
        self._ledger.enter(entry, State.FAILED, reason)
        return 0.0

    def _launch(self, entry: Entry, devices: list[str]) -> float:
        launcher = self._launchers.of(entry)
        launch = launching.new_launch(entry.id)
        existing = entry.paths.existing_attempts()
        reason = launcher.announcement(entry)
        now = time.time()
        with self._ledger.queue.transaction():
            fresh = self._ledger.queue.get(entry.id)
            if fresh is None or fresh.state != State.QUEUED:
                return 60.0
            self._ledger.queue.enter(
                entry.id, State.STARTING, reason, now, launch=launch, launched=now, boot=self._boot,
                pid=None, pid_start=None, devices=",".join(devices), stopping=None, kill_at=None,
                stop_reason=None, wanted=None, passed=0, exit_code=None,
                attempt=existing[-1].number if existing else 0,
            )  # fmt: skip
        self._ledger.note(entry, State.STARTING, reason, now, None)
        try:
            born = launcher.start(self._ledger.queue, entry, launch, devices)
        except LaunchError as error:
            self._ledger.enter(entry, State.FAILED, str(error), launch=None, devices=None)
            return 0.0
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOMEM):
                self._not_before = time.time() + 5.0
                self._ledger.enter(
                    entry, State.QUEUED, str(error.strerror), launch=None, devices=None
                )
                return 5.0
            reason = f"start.sh cannot be started ({error.strerror or error})"
            self._ledger.enter(entry, State.FAILED, reason, launch=None, devices=None)
            return 0.0
        # If this cannot be written, or the agent dies here, the launch's name finds it again.
        if born is not None:
            self._ledger.queue.set(entry.id, pid=born[0], pid_start=born[1])
        return _STARTING


def lacking(needs: machine.Resources, total: machine.Resources) -> str:
    """Say what a machine lacks for a job, with figures; empty if it lacks nothing."""
    if needs.cpus > total.cpus:
        return f"asks for {needs.cpus:g} CPU cores; this machine has {total.cpus:g} for jobs"
    if needs.memory > total.memory:
        return (
            f"asks for {outcome.size(needs.memory)} of memory; this machine has "
            f"{outcome.size(total.memory)}"
        )
    if needs.gpus > total.gpus:
        gpus = f"{needs.gpus} GPU{'' if needs.gpus == 1 else 's'}"
        return f"asks for {gpus}; this machine has {total.gpus}"
    return ""
