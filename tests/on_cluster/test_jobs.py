"""Jobs from submit to end."""

from __future__ import annotations

import json

from jupyter_unattended.jobs.states import State

from .jobs import Bench


def test_a_notebook_runs_to_its_end(bench: Bench) -> None:
    job = bench.submit(
        "import sys\nprint('arguments', sys.argv[1:])",
        name="Größe & co.",
        arguments=["--text=$(HOME) $HOME $$ 'quoted'"],
    )
    ended = bench.wait(job, State.SUCCEEDED)
    assert (ended.exit_code, ended.attempt, ended.reason) == (0, 1, "")
    assert "arguments [\"--text=$(HOME) $HOME $$ 'quoted'\"]" in bench.log(job)
    output = json.loads(job.paths.output.read_text())
    assert "arguments" in "".join(output["cells"][0]["outputs"][0]["text"])


def test_a_failing_notebook_fails_at_once(bench: Bench) -> None:
    job = bench.submit("1 / 0")
    ended = bench.wait(job, State.FAILED)
    assert ended.exit_code == 1
    assert "ZeroDivisionError" in bench.log(job)
    assert len(bench.pods(job)) == 1
