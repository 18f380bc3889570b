"""A node that loses its power; a Grid Engine of its own, which gives up on nodes soon."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_unattended.backends.gridengine import GridEngineBackend
from jupyter_unattended.jobs.states import State

from .. import bundles
from ..bundles import Run
from ..chains import COUNTING
from .cluster import GridEngineCluster

GIVES_UP = {"max_unheard": "00:00:03", "reschedule_unknown": "00:00:05"}


def test_the_job_of_a_node_that_fails_runs_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = GridEngineCluster(settings=GIVES_UP)
    try:
        for name, value in cluster.env.items():
            monkeypatch.setenv(name, value)
        backend = GridEngineBackend()
        run = Run(
            backend, bundles.make(workspace, COUNTING, backend="gridengine", arguments=["600"])
        )
        run.wait_for_text("attempt 1")
        cluster.cut_power(run.ref.handle)
        run.wait_for_reason("it was cut off, as when its node fails", timeout=120)
        cluster.start_execd()
        run.wait(State.RUNNING)
        run.wait_for_text("attempt 2")
        assert run.attempts == 2
    finally:
        cluster.stop()
