"""A job with a snapshot runs the modules as they were when it was submitted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_unattended.errors import InvalidInputError
from jupyter_unattended.jobs.states import State
from jupyter_unattended.spec import JobSpec

from .local_jobs import NOTEBOOK, LocalJobs


def notebook(workspace: Path) -> Path:
    """Write a notebook that imports a module of the workspace."""
    directory = workspace / "of snapshot"
    directory.mkdir()
    (directory / "helper.py").write_text("WORD = 'as submitted'\n")
    source = "import helper\nprint(helper.WORD)"
    path = directory / "a.ipynb"
    path.write_text(json.dumps({**NOTEBOOK, "cells": [{**NOTEBOOK["cells"][0], "source": source}]}))
    (directory / "requirements.txt").touch()
    return path


def test_later_edits_do_not_reach_the_job(local: LocalJobs, workspace: Path) -> None:
    path = notebook(workspace)
    blockers = [local.running(local.submit("sleep 60", cpus=1)) for _ in range(2)]
    snapshot = local.service.submit(JobSpec(notebook=path, snapshot=True))
    live = local.service.submit(JobSpec(notebook=path))
    (path.parent / "helper.py").write_text("WORD = 'as edited'\n")
    for blocker in blockers:
        local.service.cancel(blocker.id)
    assert local.end(snapshot).state == State.SUCCEEDED
    assert local.log(snapshot).count("as submitted") == 1
    assert local.end(live).state == State.SUCCEEDED
    assert "as submitted" not in local.log(live)

    again = local.service.rerun(snapshot.id)
    assert local.end(again).state == State.SUCCEEDED
    assert local.log(again).count("as submitted") == 1


def test_too_much_is_refused_before_anything_is_left(
    local: LocalJobs, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = notebook(workspace)
    monkeypatch.setenv("UNATTENDED_SNAPSHOT_LIMIT", "10")
    with pytest.raises(InvalidInputError, match=r"helper\.py \(\d+ bytes\)"):
        local.service.submit(JobSpec(notebook=path, snapshot=True))
    assert local.service.list() == []
    assert list((workspace / ".unattended").iterdir()) == []
