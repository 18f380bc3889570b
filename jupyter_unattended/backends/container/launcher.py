"""Attempts in containers: what the agent of this machine starts them with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import StoreError, UnattendedError
from ...jobs import attempts
from ...spec import JobSpec
from ..local import doorbell, outcome, processes
from ..local import launch as launching
from ..local.launcher import Ended, LaunchError, Running
from ..local.processes import Process
from ..local.queue import Entry, LocalQueue
from . import find, plan, record
from .birth import Birth
from .engine import LAUNCH, Engine, EngineError, Status
from .options import ContainerOptions
from .task import Task

#: How often a container whose processes cannot be seen from here is asked after, in seconds.
_ASKING = 1.0
#: How long the engine may take to say how a container ended, in seconds.
_LAST_WORD = 60.0
#: The same where its first process is known to be gone: whoever had to note that is gone too.
_LAST_WORD_OF_DEAD = 10.0
#: How long a container may take to appear that an agent before this one was starting, in seconds.
_BIRTH = 10.0
#: How long an engine may be away before a job that waits for it fails, and how often to look.
_AWAY, _AWAY_PAUSE = 1800.0, 2.0


@dataclass
class _Launch:
    """What is known of a launch; `looked` is when the engine was last asked."""

    name: str
    engine: Engine
    birth: Birth | None = None
    starting: Task[Status | None] | None = None
    looking: Task[Status | None] | None = None
    looked: float = 0.0
    status: Status | None = None
    ending: Task[Ended] | None = None
    memory: int | None = None
    secrets: Sequence[str] = field(default=())


class RunningContainer:
    """A container that runs; `process` is its first process, where it can be seen from here."""

    def __init__(self, engine: Engine, container: str, process: Process | None) -> None:
        self._engine = engine
        self._container = container
        self.process = process

    def send(self, number: int) -> None:
        """Send a signal to its first process."""
        if self.process is not None:
            if not self.process.is_alive():
                return
            with contextlib.suppress(PermissionError):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.process.pid, number)
                return
        # The engine may take its time.
        name = signal.Signals(number).name
        Task(lambda: self._engine.send(self._container, name), lambda: None)


class ContainerLauncher:
    """Runs start.sh as the first process of a container.

    An engine may take long to answer: whatever is asked of it is asked in a thread, which rings the
    agent's bell when it is done. A running container costs nothing: its first process is watched
    like any other, and only where it cannot be seen (we are in a container ourselves, or the engine
    has a virtual machine) the engine is asked again and again.

    Parameters
    ----------
    state_dir
        The state directory.
    log
        Where to say what went wrong.
    """

    def __init__(self, state_dir: Path, log: Callable[[str], None]) -> None:
        self._state_dir = state_dir
        self._log = log
        self._launches: dict[str, _Launch] = {}

    # -- starting ----------------------------------------------------------------------------------

    def announcement(self, entry: Entry) -> str:
        """Say that the image has to be pulled first, or that the engine is away."""
        launch = self._launches.get(entry.launch or "")
        if launch is not None and launch.birth is not None and launch.birth.waits_for:
            return launch.birth.waits_for
        with contextlib.suppress(ValueError):
            place = record.read(entry.paths).place
            if place.found is None:
                return f"getting the image {place.image}"
        return ""

    def start(
        self, queue: LocalQueue, entry: Entry, launch: str, devices: Sequence[str]
    ) -> tuple[int, int] | None:
        """Start a container, in a thread."""
        try:
            kept = record.read(entry.paths)
            spec = JobSpec.model_validate(json.loads(entry.paths.spec.read_bytes())["spec"])
            options = ContainerOptions.model_validate(spec.options)
        except (OSError, ValueError, KeyError) as error:
            raise LaunchError(f"the job directory is damaged: {error}") from error
        secrets = launching.secret_variables(self._state_dir, entry)
        engine = find.again(kept.engine)
        birth = Birth(_AWAY, _AWAY_PAUSE)

        def begin(place: plan.Place) -> str:
            container = plan.build(
                spec, entry.paths, options, place, environment=kept.environment,
                limits_cpus=engine.limits("cpu"), launch=launch, devices=tuple(devices),
                secrets=secrets,
            )  # fmt: skip
            return birth.begin(lambda: engine.start(container))

        def work() -> Status | None:
            place = birth.patiently(lambda: _with_image(engine, kept, options, entry))
            started = birth.patiently(lambda: begin(place))
            return birth.patiently(lambda: engine.status(started))

        self._launches[launch] = _Launch(
            plan.container_name(entry.paths), engine, birth, Task(work, self._ring),
            memory=spec.memory, secrets=spec.secret_env,
        )  # fmt: skip
        return None

    def is_coming(self, entry: Entry) -> bool:
        """Whether a container is being started, or one before this agent may have been."""
        launch = self._launch(entry)
        if launch is None or launch.ending is not None:
            return False
        if launch.starting is not None:
            if entry.wanted in ("cancel", "pause") and launch.birth and launch.birth.give_up():
                return False
            return not launch.starting.is_done
        if entry.pid is not None:
            return False
        if launch.looking is not None:
            return True
        return launch.status is None and time.time() - (entry.launched or 0) < _BIRTH

    # -- watching ----------------------------------------------------------------------------------

    def running(self, queue: LocalQueue, entry: Entry) -> Running | None:
        """Return the container if it runs."""
        launch = self._launch(entry)
        if launch is None or launch.ending is not None or entry.boot != processes.boot_id():
            return None
        if entry.pid is not None:
            process = processes.look(entry.pid)
            if process is None or process.start != entry.pid_start:
                return None
            return RunningContainer(launch.engine, launch.name, process)
        status = self._status(launch, entry)
        if status is None or not status.running:
            return None
        process = _visible(status)
        if process is not None:
            queue.set(entry.id, pid=process.pid, pid_start=process.start)
            entry.pid, entry.pid_start = process.pid, process.start
        return RunningContainer(launch.engine, launch.name, process)

    def _status(self, launch: _Launch, entry: Entry) -> Status | None:
        """Return how the container was when the engine last told; ask it again now and then."""
        if launch.starting is not None and launch.looked == 0:
            if not launch.starting.is_done:
                return None
            launch.status, launch.looked = launch.starting.result, time.monotonic()
        if launch.looking is not None and launch.looking.is_done:
            if launch.looking.error is None:
                launch.status = launch.looking.result
            launch.looking, launch.looked = None, time.monotonic()
        elif launch.looking is None and time.monotonic() - launch.looked > _ASKING:
            name = entry.launch or ""
            launch.looking = Task(lambda: _of_launch(launch.engine, name), self._ring)
        return launch.status

    def interval(self, entry: Entry) -> float:
        """Look when there is a reason to, where the end of the first process is heard of."""
        return 60.0 if entry.pid is not None else _ASKING

    def memory(self, entry: Entry, enough: int) -> int:
        """Return 0: the limit is the kernel's to keep."""
        return 0

    # -- ending ------------------------------------------------------------------------------------

    def kill(self, entry: Entry, running: Running, *, start_script: bool) -> None:
        """Kill all processes of the container; where they cannot be seen, start.sh with them."""
        if entry.pid is None or start_script:
            running.send(signal.SIGKILL)
            return
        own = processes.of_launch(entry.launch or "")
        processes.kill_all([process for process in own if process.pid != entry.pid])

    def ended(self, entry: Entry) -> Ended | None:
        """Return how the container ended; the kernel has ended everything in it."""
        launch = self._launch(entry)
        if launch is None:
            return Ended(None)
        if launch.ending is None:
            if launch.birth is not None and launch.birth.is_given_up:
                return Ended(None)
            failed = launch.starting.error if launch.starting is not None else None
            if failed is not None:
                return Ended(None, failure=_failure(failed))
            name = entry.launch or ""
            launch.ending = Task(lambda: self._how_it_ended(launch, name, entry), self._ring)
        if not launch.ending.is_done:
            return None
        if launch.ending.error is not None:
            self._log(f"{entry.id}: {launch.ending.error}")
        return launch.ending.result or Ended(None)

    def _how_it_ended(self, launch: _Launch, name: str, entry: Entry) -> Ended:
        patience = _LAST_WORD if entry.pid is None else _LAST_WORD_OF_DEAD
        deadline = time.monotonic() + patience
        while True:
            try:
                status = _of_launch(launch.engine, name)
                if status is None:
                    return Ended(None)
                if not status.running:
                    break
            except EngineError:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                return Ended(None)
            time.sleep(0.05)
        code = status.exit_code
        words = ""
        if _attempt(entry) is None:
            words = launch.engine.words(status.id) or status.error
            if code == plan.REFUSED:
                return Ended(code, failure=words or "the container refused to start the notebook")
        # What a signal did to start.sh is no exit code of its own; what it noted before counts.
        code = None if code is None or code > 128 else code
        # Engines miss it where it was not the first process that was killed; start.sh does not.
        killed = status.out_of_memory or (_attempt(entry) or {}).get("oom_kills")
        memory = _out_of_memory(entry, launch.memory) if killed else ""
        return Ended(code, words=words, out_of_memory=memory)

    def clear(self, entry: Entry) -> None:
        """Remove the container and its secrets."""
        launch = self._launches.pop(entry.launch or "", None)
        if launch is not None:
            secrets = dict.fromkeys(launch.secrets, "")
            Task(lambda: launch.engine.remove(launch.name, secrets), lambda: None)

    # -- what is known -----------------------------------------------------------------------------

    def _launch(self, entry: Entry) -> _Launch | None:
        """Return what is known of the entry's launch, of which an agent before may have begun."""
        if not entry.launch:
            return None
        found = self._launches.get(entry.launch)
        if found is None:
            try:
                kept = record.read(entry.paths)
                engine = find.again(kept.engine)
                spec = json.loads(entry.paths.spec.read_bytes())["spec"]
            except (OSError, ValueError, KeyError, UnattendedError) as error:
                self._log(f"{entry.id}: {error}")
                return None
            found = self._launches[entry.launch] = _Launch(
                plan.container_name(entry.paths), engine, memory=entry.memory,
                secrets=spec.get("secret_env") or (),
            )  # fmt: skip
        return found

    def _ring(self) -> None:
        with contextlib.suppress(OSError, StoreError):
            doorbell.wake(self._state_dir)


def _with_image(
    engine: Engine, kept: record.Record, options: ContainerOptions, entry: Entry
) -> plan.Place:
    """Return the job's place with its image, which is got where it is not here."""
    place = kept.place
    if place.found is not None:
        return place
    found = engine.image(place.image) if options.pull != "always" else None
    if found is None:
        engine.pull(place.image)
        found = engine.image(place.image)
    # Every attempt runs from the same image, whatever its name means later.
    place = replace(place, found=found)
    record.write(entry.paths, replace(kept, place=place))
    return place


def _of_launch(engine: Engine, launch: str) -> Status | None:
    found = engine.with_label(LAUNCH, launch)
    return found[0] if found else None


def _visible(status: Status) -> Process | None:
    """Return the container's first process if it is one of those that can be seen from here."""
    if status.pid is None:
        return None
    try:
        groups = Path(f"/proc/{status.pid}/cgroup").read_text()
    except OSError:
        return None
    return processes.look(status.pid) if status.id in groups else None


def _attempt(entry: Entry) -> dict[str, object] | None:
    for paths in reversed(entry.paths.existing_attempts()):
        found = attempts.record(paths)
        if found.get("launch") == entry.launch:
            return found
    return None


def _out_of_memory(entry: Entry, limit: int | None) -> str:
    peak = (_attempt(entry) or {}).get("memory_peak")
    if limit is None:
        return "out of memory: the kernel killed it, because the machine had none left"
    used = peak if isinstance(peak, int) else limit
    return f"out of memory (OOM): {outcome.over_memory(limit, used)}"


def _failure(error: Exception) -> str:
    if isinstance(error, UnattendedError):
        return str(error).removesuffix(".")
    return f"the container cannot be started ({type(error).__name__}: {error})"
