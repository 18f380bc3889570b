"""A drill: run a notebook undisturbed, then stopped at random moments, and compare the results."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConflictError
from ..paths import JobPaths
from . import attempts, resume
from .states import State

if TYPE_CHECKING:
    from ..spec import JobSpec
    from .service import JobService
    from .view import JobView

#: An attempt gets at least this long, or it would never come past its imports.
_LEAST_GAP = 1.0
_POLL = 0.05


@dataclass(frozen=True)
class Drill:
    """What a drill found.

    Parameters
    ----------
    same
        Whether the stopped job showed in the end what the undisturbed one showed.
    deterministic
        Whether a second undisturbed run shows the same as the first; None where that was not asked
        because the results are the same.
    differences
        Numbers of the cells (1 is the first) that show something else.
    stops
        How often it was stopped.
    attempts
        How many attempts it took.
    seconds
        How long all attempts took.
    undisturbed_seconds
        How long the undisturbed run took.
    lost_seconds
        Work that was done twice.
    saving_seconds
        How long the notebook waited for checkpoints.
    reasons
        Why attempts started from the top or checkpoints were refused.
    failure
        Why a run did not succeed; empty if all did.
    jobs
        Ids of the jobs that were kept.
    """

    same: bool
    deterministic: bool | None
    differences: list[int]
    stops: int
    attempts: int
    seconds: float
    undisturbed_seconds: float
    lost_seconds: float
    saving_seconds: float
    reasons: list[str] = field(default_factory=list)
    failure: str = ""
    jobs: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


class Driller:
    """Holds one drill.

    Parameters
    ----------
    service
        The door.
    spec
        What to run; always on the local backend.
    stops
        How often to stop it.
    kill
        Whether to kill with SIGKILL instead of stopping with SIGTERM.
    seed
        For the moments.
    keep
        Whether to keep the jobs when nothing is wrong with them.
    say
        Called with a sentence when something begins.
    """

    def __init__(
        self,
        service: JobService,
        spec: JobSpec,
        *,
        stops: int = 5,
        kill: bool = False,
        seed: int = 0,
        keep: bool = False,
        say: Callable[[str], object] = lambda _text: None,
    ) -> None:
        self._service = service
        name = spec.name or Path(spec.notebook).stem
        interval = spec.checkpoint_interval
        if interval is None and spec.checkpoints:
            interval = 0.0  # else notebooks that take less than half a minute would save nothing
        self._spec = spec.model_copy(
            update={
                "backend": "local",
                "options": {},
                "name": f"drill-{name}"[:200],
                "max_restarts": max(spec.max_restarts, 3 * stops + 3),
                "checkpoint_interval": interval,
            }
        )
        self._stops = stops
        self._kill = kill
        self._chance = random.Random(seed)  # noqa: S311 - nothing secret
        self._keep = keep
        self._say = say
        self._views: list[JobView] = []

    def run(self, *, force: bool = False, secrets: Mapping[str, str] | None = None) -> Drill:
        """Run the drill and return what came out.

        Raises
        ------
        UnattendedError
            If the notebook cannot be submitted.
        """
        try:
            return self._run(force, secrets)
        except BaseException:
            self._clear()
            raise

    def _run(self, force: bool, secrets: Mapping[str, str] | None) -> Drill:
        def submit() -> JobView:
            view = self._service.submit(self._spec, force=force, secrets=secrets)
            self._views.append(view)
            return view

        self._say("Running it undisturbed …")
        first = self._service.wait(submit().id)
        undisturbed = _seconds(first)
        if first.state is not State.SUCCEEDED:
            failure = f"the undisturbed run {first.state}: {first.reason}"
            return Drill(False, None, [], 0, first.attempt, 0.0, undisturbed, 0.0, 0.0, [], failure)
        self._say(f"Running it again, stopped {self._stops} times …")
        second, done = self._disturb(submit(), undisturbed)
        paths = self._service.paths(second.id)
        found = resume.of_job(paths, running=False)
        failure, deterministic = "", None
        if second.state is not State.SUCCEEDED:
            failure = f"the stopped run {second.state}: {second.reason}"
        changed = differences(self._service.paths(first.id), paths)
        if changed and not failure:
            self._say("The results differ; running it undisturbed once more …")
            third = self._service.wait(submit().id)
            again = differences(self._service.paths(first.id), self._service.paths(third.id))
            deterministic = third.state is State.SUCCEEDED and not again
        same = not changed and not failure
        if same and not self._keep:
            self._clear()
        return Drill(
            same=same,
            deterministic=deterministic,
            differences=changed,
            stops=done,
            attempts=second.attempt,
            seconds=_seconds(second),
            undisturbed_seconds=undisturbed,
            lost_seconds=found.lost_seconds,
            saving_seconds=found.saving_seconds,
            reasons=_reasons(self._service.events(second.id)) if not same else [],
            failure=failure,
            jobs=[view.id for view in self._views],
        )

    def _disturb(self, view: JobView, undisturbed: float) -> tuple[JobView, int]:
        """Stop the job's attempts one after the other; return how it ended, and how many."""
        paths = self._service.paths(view.id)
        mean = undisturbed / (self._stops + 1)
        done = 0
        for number in range(1, self._stops + 1):
            began = self._begin(view.id, number)
            if began is None:
                break
            gap = max(_LEAST_GAP, self._chance.uniform(0.3, 1.7) * mean)
            if not self._sleep(paths, number, began + gap):
                break
            done += self._stop(paths, number)
        return self._service.wait(view.id), done

    def _begin(self, job: str, number: int) -> float | None:
        """Wait until the first cell of an attempt begins; None if the job ends before."""
        while not self._service.get(job).state.is_final:
            for event in self._service.events(job):
                if event.get("event") == "started" and event.get("attempt") == number:
                    return time.time()
            time.sleep(_POLL)
        return None

    @staticmethod
    def _sleep(paths: JobPaths, number: int, until: float) -> bool:
        """Wait while the attempt runs; return whether it still does."""
        while time.time() < until:
            if attempts.record(paths.attempt(number)).get("exit_code") is not None:
                return False
            time.sleep(_POLL)
        return True

    def _stop(self, paths: JobPaths, number: int) -> bool:
        pid = attempts.record(paths.attempt(number)).get("pid")
        if not isinstance(pid, int):
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._kill:
                os.killpg(os.getpgid(pid), signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGTERM)
            return True
        return False

    def _clear(self) -> None:
        for view in self._views:
            with contextlib.suppress(ConflictError):
                self._service.cancel(view.id)
            self._service.wait(view.id, timeout=60)
            with contextlib.suppress(ConflictError):
                self._service.delete(view.id)
        self._views.clear()


def differences(one: JobPaths, other: JobPaths) -> list[int]:
    """Return the numbers of the cells that show something else in two executed notebooks."""
    first, second = (_shown(paths) for paths in (one, other))
    return [
        number + 1
        for number in range(max(len(first), len(second)))
        if first[number : number + 1] != second[number : number + 1]
    ]


def _shown(paths: JobPaths) -> list[Any]:
    """Return what each cell shows: without times, and text without where it was cut."""
    try:
        cells = json.loads(paths.output.read_bytes())["cells"]
    except (OSError, ValueError, KeyError):
        return []
    found: list[Any] = []
    for cell in cells:
        shown: list[Any] = []
        for output in cell.get("outputs", ()):
            if output.get("output_type") == "stream":
                text = "".join(output["text"])
                if shown and shown[-1][0] == output["name"]:
                    shown[-1] = (output["name"], shown[-1][1] + text)
                else:
                    shown.append((output["name"], text))
            else:
                shown.append(("", json.dumps(output, sort_keys=True)))
        found.append(shown)
    return found


def _reasons(events: list[dict[str, Any]]) -> list[str]:
    found = []
    for event in events:
        refused = event.get("refused")
        if isinstance(refused, dict):
            found.append(f"{refused.get('consequence')}, because {refused.get('why')}")
        elif event.get("event") == "from_the_top":
            found.append(f"attempt {event.get('attempt')} started from the top: {event.get('why')}")
    return list(dict.fromkeys(found))


def _seconds(view: JobView) -> float:
    if view.started is None or view.ended is None:
        return 0.0
    return view.ended - view.started
