"""What the agent does: start queued jobs, watch them, stop them, and say what became of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import StoreError
from ...jobs import aftermath, attempts, journal, resume
from ...jobs.states import State
from . import outcome
from .launcher import Ended, Launchers, Running
from .ledger import Ledger
from .queue import Entry, LocalQueue, secrets_file
from .starter import Starter

#: How often a starting job's journal is looked at, in seconds.
_STARTING = 0.1
#: How often memory is looked at where there is a limit, and things that hang, in seconds.
_WATCHING = 1.0
#: Time for start.sh to note the exit code after everything else was killed, in seconds.
_LAST_NOTE = 2.0


class Supervisor:
    """Tends all jobs of this host's queue.

    Everything it needs to know is in the queue and in the job directories, so that another one can
    go on where it stopped; what it keeps in memory only makes it faster.

    Parameters
    ----------
    queue, state_dir
        The queue and where it is.
    log
        Where to say what went wrong.
    """

    def __init__(self, queue: LocalQueue, state_dir: Path, log: Callable[[str], None]) -> None:
        self._ledger = Ledger(queue, log)
        self._state_dir = state_dir
        self._log = log
        self._launchers = Launchers(state_dir, log)
        self._starter = Starter(self._ledger, self._launchers, self._guarded)
        self._told_to_stop: set[str] = set()
        self.pidfds: dict[int, str] = {}

    def use(self, queue: LocalQueue) -> None:
        """Go on with another queue, because the one there was is lost."""
        self._ledger.queue = queue

    def step(self) -> float:
        """Do what is to be done now; return in how many seconds to look again at the latest."""
        soon = 60.0
        active = self._ledger.queue.active()
        for entry in active:
            soon = min(soon, self._guarded(entry, self._tend))
        for entry in self._ledger.queue.preempted():
            soon = min(soon, self._guarded(entry, self._requeue))
        self._watch(active)
        return min(soon, self._starter.schedule())

    def _guarded(self, entry: Entry, act: Callable[[Entry], float]) -> float:
        """Run `act`; a full disk or a job directory that is gone must not stop the others."""
        try:
            return act(entry)
        except (StoreError, OSError) as error:
            self._log(f"{entry.id}: {error}; trying again")
            return 2.0

    # -- watching ----------------------------------------------------------------------------------

    def _tend(self, entry: Entry) -> float:
        launcher = self._launchers.of(entry)
        running = launcher.running(self._ledger.queue, entry)
        if running is None:
            if not launcher.is_coming(entry):
                return self._end(entry)
            reason = launcher.announcement(entry)
            if entry.state == State.STARTING and reason != entry.reason:
                self._ledger.enter(entry, State.STARTING, reason, was=State.STARTING)
            return 0.5
        now = time.time()
        soon = _WATCHING if entry.memory or entry.stopping else 60.0
        soon = min(soon, launcher.interval(entry))
        if entry.state == State.STARTING:
            self._look_for_start(entry)
            if entry.state == State.STARTING:
                # Quick at first; installing requirements may take minutes.
                age = now - (entry.launched or now)
                soon = min(soon, max(_STARTING, min(age / 20, 1.0)))
        if entry.wanted in ("cancel", "pause") and entry.stopping not in ("cancel", entry.wanted):
            self._stop(entry, running, entry.wanted, "")
        elif entry.stopping is None:
            if entry.time_limit is not None:
                left = entry.time_limit - entry.run_seconds - (now - (entry.launched or now))
                if left <= 0:
                    over = outcome.over_time(entry.time_limit)
                    self._stop(entry, running, "time-limit", over)
                soon = min(soon, max(left, 0.05))
            if entry.memory is not None:
                self._check_memory(entry, running, entry.memory)
        elif entry.id not in self._told_to_stop:
            # The agent before this one died between noting and telling.
            self._tell_to_stop(entry, running)
        if entry.kill_at is not None:
            if now >= entry.kill_at:
                self._kill(entry, running, now)
            soon = min(soon, max(entry.kill_at - now, 0.2))
        return soon

    def _look_for_start(self, entry: Entry) -> None:
        paths = entry.paths
        if self._find_attempt(entry) and (
            journal.has_started(paths.journal, entry.attempt)
            # A start.sh that the user wrote has no journal.
            or (paths.user_start_script.exists() and paths.attempt(entry.attempt).record.exists())
        ):
            self._ledger.enter(entry, State.RUNNING, "", was=State.STARTING)

    def _note_quick_start(self, entry: Entry) -> None:
        """Note that a job ran which ended before it was looked at."""
        paths = entry.paths
        started = journal.last_event(paths.journal, "started", entry.attempt)
        at = started.get("t") if started else None
        if at is None and paths.user_start_script.exists():
            at = attempts.record(paths.attempt(entry.attempt)).get("started")
        if at is not None:
            self._ledger.note(entry, State.RUNNING, "", float(at), None)

    def _find_attempt(self, entry: Entry) -> bool:
        """Learn the number of the attempt that this launch is; start.sh gives it."""
        for paths in reversed(entry.paths.existing_attempts()):
            record = attempts.record(paths)
            same = entry.pid is not None and (
                (record.get("pid"), record.get("pid_start")) == (entry.pid, entry.pid_start)
            )
            # In a container, process ids are others.
            if same or (entry.launch and record.get("launch") == entry.launch):
                if entry.attempt != paths.number:
                    self._ledger.queue.set(entry.id, attempt=paths.number)
                    entry.attempt = paths.number
                return True
        return False

    def _check_memory(self, entry: Entry, running: Running, limit: int) -> None:
        used = self._launchers.of(entry).memory(entry, limit)
        if used > limit:
            reason = outcome.over_memory(limit, used)
            self._stop(entry, running, "memory", reason, at_once=True)

    # -- stopping ----------------------------------------------------------------------------------

    def _stop(
        self, entry: Entry, running: Running, cause: str, reason: str, *, at_once: bool = False
    ) -> None:
        now = time.time()
        kill_at = entry.kill_at or (now if at_once else now + entry.grace_period)
        first = entry.stopping is None
        self._ledger.queue.set(
            entry.id, stopping=cause, stop_reason=reason or entry.stop_reason, kill_at=kill_at
        )
        entry.stopping, entry.stop_reason, entry.kill_at = cause, reason, kill_at
        if cause == "pause" and entry.state != State.PAUSING:
            self._ledger.enter(entry, State.PAUSING, "")
        if at_once:
            self._told_to_stop.add(entry.id)
        elif first:
            self._tell_to_stop(entry, running)

    def _tell_to_stop(self, entry: Entry, running: Running) -> None:
        # To start.sh only, which forwards it: everything else of the job is the notebook's own.
        running.send(signal.SIGTERM)
        self._told_to_stop.add(entry.id)

    def _kill(self, entry: Entry, running: Running, now: float) -> None:
        """End everything of the launch; start.sh last, so that it can note the exit code."""
        if not entry.stop_reason and entry.stopping in ("cancel", "pause"):
            grace = outcome.duration(entry.grace_period)
            entry.stop_reason = f"killed: it had not stopped after its grace period of {grace}"
            self._ledger.queue.set(entry.id, stop_reason=entry.stop_reason)
        late = now >= (entry.kill_at or now) + _LAST_NOTE
        self._launchers.of(entry).kill(entry, running, start_script=late)

    # -- ending ------------------------------------------------------------------------------------

    def _end(self, entry: Entry) -> float:
        """Settle a job whose start.sh is gone, once everything else of it is gone too."""
        launcher = self._launchers.of(entry)
        end_of_launch = launcher.ended(entry)
        if end_of_launch is None:
            return 0.2
        code = end_of_launch.code
        found = self._find_attempt(entry)
        if code is None and found:
            code = self._noted_code(entry)
        ended = time.time()
        why = self._why(entry, code, end_of_launch, found)
        if found:
            ended = self._close_attempt(entry, code, why) or ended
        run_seconds = entry.run_seconds + max(0.0, ended - (entry.launched or ended))
        if found and entry.state == State.STARTING:
            self._note_quick_start(entry)
        # In one transaction: what a person asks for meanwhile comes before it or after it.
        with self._ledger.queue.transaction():
            fresh = self._ledger.queue.get(entry.id)
            if fresh is not None:
                _note_cause(fresh, code, end_of_launch)
                end = outcome.decide(fresh, code, why, run_seconds)
                if end.restarted and fresh.restarts + 1 >= resume.FRUITLESS_ATTEMPTS:
                    end = outcome.unless_fruitless(end, resume.fruitless(fresh.paths), code)
                self._settle(fresh, end, run_seconds)
        launcher.clear(entry)
        self._told_to_stop.discard(entry.id)
        return 60.0

    def _noted_code(self, entry: Entry) -> int | None:
        """Return the exit code that start.sh or, before it was killed, the notebook noted."""
        noted = attempts.record(entry.paths.attempt(entry.attempt)).get("exit_code")
        if noted is None:
            finished = journal.last_event(entry.paths.journal, "finished", entry.attempt)
            noted = finished.get("exit_code") if finished else None
        return noted if isinstance(noted, int) else None

    @staticmethod
    def _why(entry: Entry, code: int | None, ended: Ended, attempt_found: bool) -> str:
        if attempt_found:
            return ended.out_of_memory or aftermath.explain(entry.paths, entry.attempt, code)
        if ended.failure:
            return ended.failure
        if ended.words:
            return f"start.sh did not get far: {ended.words}"
        return aftermath.VANISHED if code is None else aftermath.describe_code(code)

    def _close_attempt(self, entry: Entry, code: int | None, why: str) -> float | None:
        """Return when the attempt ended; say it in its stead if it could not."""
        paths = entry.paths.attempt(entry.attempt)
        record = attempts.record(paths)
        ended = record.get("ended")
        if isinstance(ended, (int, float)):
            return float(ended)
        record.update(ended=time.time(), reason=why)
        if code is not None:
            record["exit_code"] = code
        temporary = paths.record.with_name(".attempt.json.agent")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")
            temporary.replace(paths.record)
        return None

    def _settle(self, entry: Entry, end: outcome.Outcome, run_seconds: float) -> None:
        columns: dict[str, Any] = {
            "run_seconds": run_seconds, "wanted": None, "stopping": None, "stop_reason": None,
            "kill_at": None, "launch": None, "pid": None, "pid_start": None, "devices": None,
            "exit_code": end.exit_code,
        }  # fmt: skip
        if end.restarted:
            self._ledger.note(entry, State.PREEMPTED, end.reason, time.time(), None)
            columns["restarts"] = entry.restarts + 1
            reason = f"restart {entry.restarts + 1} of at most {entry.max_restarts}: {end.reason}"
            self._ledger.enter(entry, State.QUEUED, reason, **columns)
        else:
            self._ledger.enter(entry, end.state, end.reason, **columns)
        if end.state.is_final:
            with contextlib.suppress(OSError):
                secrets_file(self._state_dir, entry.id).unlink(missing_ok=True)

    def _requeue(self, entry: Entry) -> float:
        self._ledger.enter(entry, State.QUEUED, entry.reason)
        return 0.0

    # -- waking up ---------------------------------------------------------------------------------

    def _watch(self, active: list[Entry]) -> None:
        """Keep a descriptor for every process, by which the agent hears of its end at once."""
        if not hasattr(os, "pidfd_open"):
            return
        wanted = {entry.id: entry.pid for entry in active if entry.pid}
        watched = set(self.pidfds.values())
        for descriptor, job_id in list(self.pidfds.items()):
            if job_id not in wanted:
                self.drop(descriptor)
        for job_id, pid in wanted.items():
            if job_id not in watched:
                with contextlib.suppress(OSError):
                    self.pidfds[os.pidfd_open(pid)] = job_id

    def drop(self, descriptor: int) -> None:
        """Close the descriptor of a process that has ended."""
        self.pidfds.pop(descriptor, None)
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _note_cause(entry: Entry, code: int | None, ended: Ended) -> None:
    """Note in an entry what was not the supervisor's doing and is no reason to start again."""
    if ended.failure:
        entry.stopping, entry.stop_reason = entry.stopping or "failure", ended.failure
    elif ended.out_of_memory and code not in (0, aftermath.STOPPED):
        entry.stopping, entry.stop_reason = "memory", ended.out_of_memory
