"""What every backend has to do, as tests: one class, run against every backend that is there.

To run it against another backend, subclass `BackendContract` in a test module and give it a fixture
``site`` that returns a `Site`. The tests use the service as a face would, real notebooks, and what
`Site` says about the scheduler; nothing of a backend's inside.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_unattended.backends.base import Backend, Bundle, JobRef
from jupyter_unattended.errors import ConflictError, SpecError
from jupyter_unattended.jobs import ids
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import FINAL, State
from jupyter_unattended.jobs.testing import as_test
from jupyter_unattended.jobs.view import JobView
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec

from .local_jobs import until

#: How many steps the notebook below has, and after how many it saves in its loop.
STEPS, INTERVAL = 200, 2
#: A notebook whose loop takes minutes in the first attempt, and no time in later ones.
DRAWS = (
    "import math, os, random, time\nfrom jupyter_unattended import resumable\n"
    "random.seed(7); drawn = []; print('prepared')",
    f"for step in resumable(range({STEPS}), state=drawn, every={INTERVAL}):\n"
    "    drawn.append(random.random()); print('step', step, flush=True)\n"
    "    if os.environ['UNATTENDED_ATTEMPT'] == '1' and step > 1: time.sleep(1)",
    "print(math.fsum(drawn), random.random())",
)
#: Says that it waits, and waits, in the first attempt; in later ones it goes on at once.
WAITS_ONCE = """\
import os, pathlib, time
mark = pathlib.Path(os.environ["UNATTENDED_CHECKPOINT_DIR"]) / "mark"
print("attempt", os.environ["UNATTENDED_ATTEMPT"], flush=True)
if not mark.exists():
    mark.touch()
    time.sleep(600)
print("went on")
"""
WAITS = "import time\nprint('waiting', flush=True)\ntime.sleep(600)"


@dataclass
class Site:
    """A backend, and a place to run jobs on it.

    Parameters
    ----------
    service
        The door.
    workspace
        A workspace that jobs see at the same path.
    backend
        Name of the backend.
    kill
        Kills all processes of a job's running attempt with SIGKILL, as a failing machine would.
    stop
        Makes the scheduler stop the running attempt as it does when it needs the machine: SIGTERM,
        the grace period, SIGKILL.
    fields
        Fields of every JobSpec, for example an image.
    patience
        How long anything may take, in seconds.
    slots
        How many one-core jobs run at the same time.
    """

    service: JobService
    workspace: Path
    backend: str
    kill: Callable[[JobView], None]
    stop: Callable[[JobView], None]
    fields: dict[str, Any] = field(default_factory=dict)
    patience: float = 30.0
    slots: int = 2

    def spec(self, *cells: str, file: str = "notebook.ipynb", **fields: Any) -> JobSpec:
        """Return the spec of a job whose notebook has these code cells."""
        node = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
            cells=[nbformat.v4.new_code_cell(source) for source in cells],  # type: ignore[no-untyped-call]
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        path = self.workspace / file
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(nbformat.writes(node))  # type: ignore[no-untyped-call]
        (path.parent / "requirements.txt").touch()
        merged = {"grace_period": 5, **self.fields, **fields}
        return JobSpec(notebook=path, backend=self.backend, **merged)

    def submit(self, *cells: str, **fields: Any) -> JobView:
        """Submit a notebook with these code cells."""
        return self.service.submit(self.spec(*cells, **fields), force=True)

    def until(self, job: JobView, *states: State) -> JobView:
        """Wait until a job is in one of `states`."""
        seen: list[JobView] = []

        def look() -> bool:
            seen[:] = [self.service.get(job.id)]
            return seen[0].state in states

        try:
            until(look, self.patience, f"{job.id} to be {', '.join(states)}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {seen[0]}; log: {self.log(job)}") from None
        return seen[0]

    def end(self, job: JobView) -> JobView:
        """Wait until a job has ended."""
        return self.until(job, *FINAL)

    def says(self, job: JobView, text: str) -> None:
        """Wait until a job has written `text` to its log."""
        until(lambda: text in self.log(job), self.patience, f"{text!r} in the log of {job.id}")

    def log(self, job: JobView) -> str:
        """Return the whole log."""
        return "".join(self.service.logs(job.id))

    def count(self, job: JobView, text: str) -> int:
        """Return how many lines of the log begin with `text`."""
        return sum(line.startswith(text) for line in self.log(job).splitlines(keepends=True))

    def output(self, job: JobView) -> str:
        """Return what the executed notebook's cells wrote to stdout."""
        file = JobPaths(Path(job.directory)).output
        node = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(node)
        outputs = [output for cell in node.cells for output in cell.get("outputs", ())]
        return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")

    def history(self, job: JobView) -> list[State]:
        """Return the states a job has been in."""
        return [entry.state for entry in self.service.history(job.id)]


def drawn_undisturbed() -> str:
    """Return what `DRAWS` shows if nobody stops it."""
    chance = random.Random(7)
    drawn = [chance.random() for _ in range(STEPS)]
    steps = "".join(f"step {step}\n" for step in range(STEPS))
    return f"prepared\n{steps}{math.fsum(drawn)} {chance.random()}\n"


class BackendContract:
    """The contract; a subclass has a fixture ``site``."""

    def test_a_notebook_runs_to_its_end(self, site: Site) -> None:
        job = site.submit("x = 6 * 7", "print('the answer', x)", name="Answer")
        assert job.state is State.QUEUED
        end = site.end(job)
        assert (end.state, end.exit_code, end.attempt, end.name) == (
            State.SUCCEEDED,
            0,
            1,
            "Answer",
        )
        assert end.reason == ""
        assert "the answer 42\n" in site.log(job)
        assert site.output(job) == "the answer 42\n"
        assert (end.progress.cells_done, end.progress.cells_total) == (2, 2)
        assert end.started is not None
        assert end.ended is not None
        assert end.created - 1 <= end.started <= end.ended

    def test_the_history_has_every_step_in_order(self, site: Site) -> None:
        job = site.submit("import time; time.sleep(2)")
        site.end(job)
        seen = site.history(job)
        assert seen[0] is State.QUEUED
        assert seen[-1] is State.SUCCEEDED
        assert State.RUNNING in seen
        entries = site.service.history(job.id)
        assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)

    def test_a_notebook_that_raises_has_failed(self, site: Site) -> None:
        job = site.submit("print('before')", "raise ValueError('no such thing')", "print('after')")
        end = site.end(job)
        assert (end.state, end.attempt) == (State.FAILED, 1)
        assert end.exit_code not in (None, 0, 75)
        assert "ValueError: no such thing" in end.reason
        assert "before\n" in site.log(job)
        assert "Traceback" in site.log(job)
        assert "after" not in site.log(job)

    def test_arguments_and_environment_arrive_as_they_are(self, site: Site) -> None:
        arguments = ["--a=b c", "it's", '"quoted"', "$HOME `id` \\", "line\nbreak", "", "é*"]
        env = {"PLAIN": "x", "AWKWARD": 'it\'s "quoted" $HOME\nnext'}
        job = site.submit(
            "import sys, os, json",
            "print(json.dumps([sys.argv[1:], os.environ['PLAIN'], os.environ['AWKWARD']]))",
            arguments=arguments,
            env=env,
        )
        assert site.end(job).state is State.SUCCEEDED
        assert json.loads(site.output(job)) == [arguments, env["PLAIN"], env["AWKWARD"]]

    def test_secrets_arrive_and_are_written_nowhere(self, site: Site) -> None:
        spec = site.spec("import os", "print(len(os.environ['TOKEN']))")
        job = site.service.submit(spec, force=True, secrets={"TOKEN": "very-s3cret"})
        assert site.end(job).state is State.SUCCEEDED
        assert site.output(job) == "11\n"
        for file in Path(job.directory).rglob("*"):
            assert not file.is_file() or b"s3cret" not in file.read_bytes()

    @pytest.mark.parametrize(
        "file", ["name with spaces.ipynb", 'it\'s "odd" $HOME;é.ipynb', "-dash/9.ipynb"]
    )
    def test_names_may_be_as_bad_as_they_come(self, site: Site, file: str) -> None:
        job = site.submit("import os", "print(os.getcwd())", file=file)
        assert site.end(job).state is State.SUCCEEDED
        assert site.output(job) == f"{(site.workspace / file).parent}\n"

    def test_what_is_stopped_from_outside_goes_on_with_its_next_step(self, site: Site) -> None:
        job = site.submit(*DRAWS, checkpoint_interval=0)
        site.says(job, "step 3\n")
        site.until(job, State.RUNNING)
        site.stop(job)
        end = site.end(job)
        assert (end.state, end.exit_code, end.attempt) == (State.SUCCEEDED, 0, 2), site.log(job)
        assert [attempt.exit_code for attempt in site.service.attempts(job.id)] == [75, 0]
        # A scheduler may start it again before anybody has looked; that it ran twice is seen then.
        seen = site.history(job)
        assert State.PREEMPTED in seen or seen.count(State.RUNNING) == 2, seen
        assert site.output(job) == drawn_undisturbed()
        # The step that ran was finished and saved, so nothing was done twice.
        assert site.count(job, "prepared\n") == 1
        assert site.count(job, "step ") == STEPS

    def test_what_is_killed_does_not_run_for_ever(self, site: Site) -> None:
        job = site.submit(*DRAWS, checkpoint_interval=0)
        site.says(job, "step 5\n")
        site.until(job, State.RUNNING)
        site.kill(job)
        end = site.end(job)
        assert "prepared\n" in site.log(job)
        if end.state is State.SUCCEEDED:
            assert end.attempt == 2
            assert site.output(job) == drawn_undisturbed()
            assert site.count(job, "prepared\n") == 1
            # One interval is lost, and another if its checkpoint was not yet on the disk.
            assert site.count(job, "step ") <= STEPS + 2 * INTERVAL
        else:
            assert end.state is State.FAILED
            assert end.reason != ""

    def test_a_test_run_goes_round_the_whole_circle(self, site: Site) -> None:
        job = site.service.submit(as_test(site.spec(*DRAWS)), force=True)
        end = site.end(job)
        assert (end.state, end.attempt) == (State.SUCCEEDED, 2), f"{end} {site.log(job)}"
        assert [attempt.exit_code for attempt in site.service.attempts(job.id)] == [75, 0]
        # A few steps, with the stop in their middle.
        assert site.count(job, "step ") == 4
        assert site.count(job, "prepared\n") == 1

    def test_pause_and_resume(self, site: Site) -> None:
        backend = site.service.backend(site.backend)
        if backend.capabilities().pause is not None:
            pytest.skip(str(backend.capabilities().pause))
        job = site.submit(WAITS_ONCE)
        site.says(job, "attempt 1")
        site.until(job, State.RUNNING)
        assert site.service.pause(job.id).state in (State.PAUSING, State.PAUSED)
        site.until(job, State.PAUSED)
        assert site.service.get(job.id).attempt == 1
        site.service.resume(job.id)
        end = site.end(job)
        assert (end.state, end.attempt) == (State.SUCCEEDED, 2)
        assert State.PREEMPTED not in site.history(job)

    def test_cancelling_a_running_job(self, site: Site) -> None:
        job = site.submit(WAITS)
        site.says(job, "waiting")
        site.until(job, State.RUNNING)
        site.service.cancel(job.id)
        end = site.end(job)
        assert (end.state, end.attempt) == (State.CANCELLED, 1)
        assert site.output(job) == "waiting\n"
        with pytest.raises(ConflictError):
            site.service.cancel(job.id)

    def test_cancelling_a_queued_job(self, site: Site) -> None:
        running = [site.submit(WAITS, file=f"{n}.ipynb") for n in range(site.slots)]
        for job in running:
            site.until(job, State.RUNNING)
        waiting = site.submit("print('ran')")
        assert site.service.get(waiting.id).state is State.QUEUED
        site.service.cancel(waiting.id)
        assert site.end(waiting).state is State.CANCELLED
        for job in running:
            site.service.cancel(job.id)
        for job in running:
            assert site.end(job).state is State.CANCELLED
        assert "ran" not in site.log(waiting)

    def test_priority_goes_first(self, site: Site) -> None:
        backend = site.service.backend(site.backend)
        if backend.capabilities().priority is not None:
            pytest.skip(str(backend.capabilities().priority))
        running = [site.submit(WAITS, file=f"{n}.ipynb") for n in range(site.slots)]
        for job in running:
            site.until(job, State.RUNNING)
        low, late = (
            site.submit("import time; time.sleep(1)", file=f"{name}.ipynb", cpus=site.slots)
            for name in ("low", "late")
        )
        site.service.set_priority(late.id, 100)
        for job in running:
            site.service.cancel(job.id)
        ended = {job.id: site.end(job) for job in (low, late)}
        assert (ended[late.id].started or 0) < (ended[low.id].started or 0)

    def test_many_jobs_are_asked_about_in_one_call(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = [site.submit("pass", file=f"{n}.ipynb") for n in range(5)]
        backend = site.service.backend(site.backend)
        asked = []
        poll = backend.poll

        def counting(refs: list[JobRef]) -> Any:
            asked.append(len(refs))
            return poll(refs)

        monkeypatch.setattr(backend, "poll", counting)
        site.service.list()
        assert len(asked) <= 1
        assert sum(asked) <= 5
        monkeypatch.undo()
        for job in jobs:
            assert site.end(job).state is State.SUCCEEDED

    def test_a_job_the_scheduler_does_not_know_is_not_in_its_answer(self, site: Site) -> None:
        backend = site.service.backend(site.backend)
        stranger = JobPaths.in_workspace(site.workspace, ids.new("stranger"))
        assert backend.poll([]) == {}
        assert backend.poll([JobRef(stranger.job_id, "", stranger)]) == {}

    def test_rendering_changes_nothing(self, site: Site) -> None:
        spec = site.spec("pass")
        before = sorted(site.workspace.rglob("*"))
        prepared = site.service.prepare(spec)
        assert prepared.rendering.text
        assert prepared.rendering.filename
        assert prepared.rendering.language
        backend = site.service.backend(site.backend)
        paths = JobPaths.in_workspace(site.workspace, "some-id")
        assert "some-id" in backend.render(Bundle(prepared.spec, paths)).text
        assert sorted(site.workspace.rglob("*")) == before
        assert site.service.list() == []

    def test_what_is_deleted_is_gone(self, site: Site) -> None:
        job = site.submit("pass")
        with pytest.raises(ConflictError):
            site.service.delete(job.id)
        site.end(job)
        site.service.delete(job.id)
        assert not Path(job.directory).exists()
        assert site.service.list() == []

    def test_options_are_described_and_checked(self, site: Site) -> None:
        backend = site.service.backend(site.backend)
        for name, described in backend.options_model().model_fields.items():
            assert described.description, f"{name} has no description"
        with pytest.raises(SpecError, match="no such option"):
            site.submit("pass", options={**site.fields.get("options", {}), "no_such": 1})
        assert site.service.list() == []

    def test_it_says_what_it_is(self, site: Site) -> None:
        backend = site.service.backend(site.backend)
        assert isinstance(backend, Backend)
        assert backend.name == site.backend
        assert backend.title
        available = backend.availability()
        assert available.usable, available.reason
        for reason in vars(backend.capabilities()).values():
            assert reason is None or (len(reason) > 10 and "\n" not in reason)
