"""Chains under every batch scheduler; each scheduler's test_chains.py runs these tests.

A link is stopped a few seconds after it began: schedulers count time limits in minutes, but the
script itself sees to the seconds.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration.backend_contract import Site

from jupyter_unattended.backends.batch.backend import BatchBackend
from jupyter_unattended.errors import BackendError, ConflictError
from jupyter_unattended.jobs.states import State

from . import bundles
from .bundles import Run
from .daemons import wait_for

Submit = Callable[..., Run]
Cluster = Any

both_ways = pytest.mark.parametrize("way", ["requeue", "links"])

#: Counts to $1, one a second, and goes on where the attempt before it stopped.
COUNTING = """
journal() { echo "{\\"attempt\\": $UNATTENDED_ATTEMPT, $1}" >>"$UNATTENDED_JOB_DIR/journal.jsonl"; }
journal '"event": "started"'
count=$(cat "$UNATTENDED_CHECKPOINT_DIR/count" 2>/dev/null || echo 0)
echo "attempt $UNATTENDED_ATTEMPT from $count"
while ((count < $1)); do
  sleep 1
  count=$((count + 1))
  echo $count >"$UNATTENDED_CHECKPOINT_DIR/count"
  journal "\\"event\\": \\"progress\\", \\"done\\": $count, \\"total\\": $1"
  [[ $count != "${2:-}" ]] || exit 7
done
"""


#: Stays in its fourth step until it is told to stop; in the next link a later step raises.
FAILS_LATER = """\
import os, time
from jupyter_unattended import resumable, stop_requested
for step in resumable(range(20), state=[]):
    while os.environ["UNATTENDED_ATTEMPT"] == "1" and step == 3 and not stop_requested():
        time.sleep(0.1)
    if step == 7:
        raise ValueError("no")
"""
#: Neither a signal nor an exception ends it in the first link.
IGNORES_SIGNALS = """\
import os, pathlib, signal, time
place = pathlib.Path(os.environ["UNATTENDED_CHECKPOINT_DIR"]) / "step"
if not place.exists():
    place.write_text("3")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
print("from step", place.read_text())
"""


def chain(way: str, *, link: float = 8, warning: float = 4, total: float = 200) -> dict[str, Any]:
    """Return options for links that run about ``link - warning`` seconds each."""
    return {"chain": way, "link_time": link, "warning_time": warning, "total_time": total}


def intervals(run: Run) -> list[tuple[float, float]]:
    """Return when attempts began and ended."""
    records = [json.loads(one.record.read_text()) for one in run.paths.existing_attempts()]
    return [(record["started"], record["ended"]) for record in records]


@both_ways
def test_it_ends_by_itself_when_the_notebook_is_done(
    submit: Submit, cluster: Cluster, way: str
) -> None:
    run = submit(COUNTING, arguments=["10"], options=chain(way, total=64))
    ended = run.wait()
    assert (ended.state, ended.exit_code) == (State.SUCCEEDED, 0)
    assert run.attempts >= 3
    assert (run.paths.checkpoints / "count").read_text() == "10\n"
    spans = intervals(run)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))
    wait_for(lambda: not cluster.queue(), 60, "no link is left")
    assert all(one.state in (State.STARTING, State.RUNNING, State.QUEUED, State.PREEMPTED)
               for one in run.seen[:-1])  # fmt: skip


@both_ways
def test_success_in_the_second_of_six_links_leaves_none_behind(
    submit: Submit, cluster: Cluster, way: str
) -> None:
    run = submit(COUNTING, arguments=["8"], options=chain(way, link=10, total=60))
    assert len(cluster.queue()) == (6 if way == "links" else 1)
    assert run.wait().state is State.SUCCEEDED
    attempts = run.attempts
    assert 2 <= attempts < 6
    wait_for(lambda: not cluster.queue(), 60, "no link is left")
    time.sleep(2)
    assert run.attempts == attempts


@both_ways
def test_a_failing_notebook_stops_its_chain(site: Site, cluster: Cluster, way: str) -> None:
    """It fails in its second link, four steps after those of the first."""
    job = site.submit(FAILS_LATER, options=chain(way, link=20, warning=10, total=120))
    ended = site.end(job)
    assert ended.state is State.FAILED
    assert "ValueError: no" in ended.reason
    assert ended.attempt == 2
    wait_for(lambda: not cluster.queue(), 60, "no link is left")


def test_links_that_the_scheduler_starts_at_once_run_one_after_the_other(
    backend: BatchBackend, workspace: Path, cluster: Cluster
) -> None:
    """Somebody hands in the same script three times."""
    bundle = bundles.make(
        workspace, COUNTING, backend=backend.name, arguments=["9"],
        options=chain("requeue", link=8, warning=4),
    )  # fmt: skip
    script = workspace / "by-hand.sh"
    script.write_text(backend.render(bundle).text)
    for _ in range(3):
        cluster.submit_by_hand(script)
    wait_for(lambda: not cluster.queue(), 120, "all have ended", 0.3)
    assert (bundle.paths.checkpoints / "count").read_text() == "9\n"
    attempts = bundle.paths.existing_attempts()
    records = [json.loads(attempt.record.read_text()) for attempt in attempts]
    assert len(records) >= 3
    assert records[-1]["exit_code"] == 0
    for earlier, later in itertools.pairwise(records):
        assert earlier["ended"] <= later["started"]


@both_ways
def test_no_progress_over_three_links_stops_it(submit: Submit, cluster: Cluster, way: str) -> None:
    script = """echo '{"event": "started"}' >>"$UNATTENDED_JOB_DIR/journal.jsonl"; sleep 60"""
    run = submit(script, options=chain(way, link=4, warning=2))
    ended = run.wait()
    assert ended.state is State.FAILED
    assert "no progress over three links" in ended.reason
    assert run.attempts == 3
    wait_for(lambda: not cluster.queue(), 60, "no link is left")


@both_ways
def test_its_total_time_is_kept(submit: Submit, cluster: Cluster, way: str) -> None:
    run = submit(COUNTING, arguments=["1000"], options=chain(way, link=10, warning=3, total=20))
    ended = run.wait()
    assert ended.state is State.FAILED
    assert "not finished in its" in ended.reason
    assert run.attempts == 2
    wait_for(lambda: not cluster.queue(), 60, "no link is left")


@both_ways
def test_it_can_be_lengthened_while_it_runs(submit: Submit, cluster: Cluster, way: str) -> None:
    run = submit(COUNTING, arguments=["14"], options=chain(way, link=16, total=16))
    run.wait_for_text("attempt 1")
    run.backend.lengthen(run.ref, 80)
    assert len(cluster.queue()) == (5 if way == "links" else 1)
    assert run.wait().state is State.SUCCEEDED
    assert run.attempts >= 2
    wait_for(lambda: not cluster.queue(), 60, "no link is left")
    with pytest.raises(ConflictError, match="has ended"):
        run.backend.lengthen(run.ref, 160)


def test_the_queues_own_limit_makes_a_chain_without_a_site_profile(
    backend: BatchBackend, workspace: Path, cluster: Cluster
) -> None:
    options = {"total_time": "72h", "queue": cluster.main}
    bundle = bundles.make(workspace, "true", backend=backend.name, options=options)
    script = backend.render(bundle).text
    assert f"Queue {cluster.main} allows 12 h; 72 h makes a chain of 6 links of 12 h" in script


@both_ways
def test_cancelling_between_two_links(submit: Submit, cluster: Cluster, way: str) -> None:
    run = submit(COUNTING, arguments=["50"], options=chain(way, link=6, warning=3))
    wait_for(lambda: run.attempts == 1 and intervals_closed(run), 30, "the first link ended")
    run.backend.cancel(run.ref)
    assert run.wait().state is State.CANCELLED
    wait_for(lambda: not cluster.queue(), 60, "no link is left")
    attempts = run.attempts
    time.sleep(3)
    assert run.attempts == attempts <= 2


def intervals_closed(run: Run) -> bool:
    """Whether all attempts that were begun have ended."""
    try:
        return bool(intervals(run))
    except (KeyError, FileNotFoundError):
        return False


@both_ways
def test_cancelling_a_running_link_leaves_none(submit: Submit, cluster: Cluster, way: str) -> None:
    run = submit(COUNTING, arguments=["50"], options=chain(way, link=30))
    run.wait_for_text("attempt 1")
    run.backend.cancel(run.ref)
    assert run.wait().state is State.CANCELLED
    wait_for(lambda: not cluster.queue(), 60, "no link is left")
    assert run.attempts == 1


@both_ways
def test_pausing_a_chain_and_resuming_it(submit: Submit, cluster: Cluster, way: str) -> None:
    run = submit(COUNTING, arguments=["10"], options=chain(way, link=30, total=120))
    run.wait_for_text("attempt 1")
    time.sleep(2)
    run.backend.pause(run.ref)
    run.wait(State.PAUSED)
    time.sleep(3)
    assert run.wait(State.PAUSED).state is State.PAUSED
    run.backend.resume(run.ref)
    assert run.wait().state is State.SUCCEEDED
    assert run.attempts == 2
    wait_for(lambda: not cluster.queue(), 60, "no link is left")


@both_ways
def test_a_notebook_that_ignores_signals_is_killed_and_goes_on(
    site: Site, cluster: Cluster, way: str
) -> None:
    job = site.submit(
        IGNORES_SIGNALS, grace_period=2, options=chain(way, link=20, warning=10, total=120)
    )
    ended = site.end(job)
    assert ended.state is State.SUCCEEDED
    assert site.output(ended) == "from step 3\n"
    assert [one.exit_code for one in site.service.attempts(job.id)] == [75, 0]
    wait_for(lambda: not cluster.queue(), 60, "no link is left")


def test_kill_9_of_a_running_link_the_queued_one_goes_on(submit: Submit, cluster: Cluster) -> None:
    run = submit(COUNTING, arguments=["12"], options=chain("links", link=30, total=120))
    run.wait_for_text("attempt 1")
    time.sleep(2)
    os.kill(cluster.script_pid(run.ref.handle), signal.SIGKILL)
    assert run.wait().state is State.SUCCEEDED
    assert run.attempts == 2
    assert "attempt 2 from" in run.log()
    wait_for(lambda: not cluster.queue(), 60, "no link is left")


def test_kill_9_of_a_link_that_would_be_queued_again_is_told(
    submit: Submit, cluster: Cluster
) -> None:
    run = submit(COUNTING, arguments=["8"], options=chain("requeue", link=30, total=120))
    run.wait_for_text("attempt 1")
    os.kill(cluster.script_pid(run.ref.handle), signal.SIGKILL)
    ended = run.wait()
    assert ended.state is State.FAILED
    assert "killed" in ended.reason
    assert not cluster.queue()


def test_the_scheduler_is_killed_and_restarted_in_the_middle(
    submit: Submit, cluster: Cluster
) -> None:
    run = submit(COUNTING, arguments=["12"], options=chain("requeue", link=14, total=100))
    run.wait_for_text("attempt 1")
    cluster.wait_until_saved()
    cluster.kill_controller()
    try:
        run.backend.status.forget()
        with pytest.raises(BackendError, match=run.backend.scheduler):
            run.now()
        with pytest.raises(BackendError, match="does not answer since"):
            run.now()
        available = run.backend.availability()
        assert not available.usable
        assert run.backend.scheduler in available.reason
    finally:
        cluster.start_controller()
    run.backend.status.forget()
    assert run.wait().state is State.SUCCEEDED
    assert run.attempts >= 2
