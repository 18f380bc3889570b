from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.bundle import writer
from jupyter_unattended.errors import WorkspaceError
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    return JobSpec(notebook=tmp_path / "n.ipynb", workspace=tmp_path, name="n")


def contents(*install: Callable[[Path], object]) -> writer.Contents:
    return writer.Contents(
        notebook=b'{"cells": []}',
        requirements="numpy==1\n",
        start_script="#!/bin/bash\n",
        record={"submitted": {"at": 1.0}},
        history='{"t": 1, "state": "queued"}\n',
        executables={"user-start.sh": b"echo\n"},
        install=install,
    )


def write(spec: JobSpec, new_id: Callable[[], str], *install: Callable[[Path], object]) -> JobPaths:
    draft = writer.begin(spec, new_id, contents(*install))
    draft.publish()
    return draft.paths


def left(workspace: Path) -> list[str]:
    return sorted(str(path.relative_to(workspace)) for path in workspace.rglob("*"))


def test_a_whole_directory(spec: JobSpec, tmp_path: Path) -> None:
    paths = write(spec, lambda: "the-id", lambda d: (d / "runtime").mkdir())
    assert paths == JobPaths.in_workspace(tmp_path, "the-id")
    assert paths.notebook.read_bytes() == b'{"cells": []}'
    assert paths.requirements.read_text() == "numpy==1\n"
    assert paths.runtime.is_dir()
    assert paths.attempts.is_dir()
    assert paths.checkpoints.is_dir()
    for script in (paths.start_script, paths.user_start_script):
        assert os.access(script, os.X_OK)
    record = json.loads(paths.spec.read_text())
    assert (record["id"], record["schema_version"], record["submitted"]) == ("the-id", 1, {"at": 1})
    assert JobSpec(**record["spec"]) == spec
    assert (tmp_path / ".unattended" / ".gitignore").read_text() == "*\n"


def test_an_id_that_is_taken_is_not_used(spec: JobSpec, tmp_path: Path) -> None:
    ids = iter(["a", "a", "b", "b", "c"])
    (tmp_path / ".unattended" / ".new-b").mkdir(parents=True)
    names = [write(spec, lambda: next(ids)).job_id for _ in range(2)]
    assert names == ["a", "c"]


def test_it_appears_when_it_is_published(spec: JobSpec) -> None:
    draft = writer.begin(spec, lambda: "a", contents())
    assert not draft.paths.root.exists()
    draft.publish()
    assert draft.paths.spec.is_file()


def test_a_draft_that_cannot_be_published_stays_hidden(spec: JobSpec, tmp_path: Path) -> None:
    draft = writer.begin(spec, lambda: "a", contents())
    draft.paths.root.mkdir()
    (draft.paths.root / "of another").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        draft.publish()
    draft.discard()
    assert left(tmp_path) == [
        ".unattended",
        ".unattended/.gitignore",
        ".unattended/a",
        ".unattended/a/of another",
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, "make the workspace writable"),
        (errno.EIO, "cannot be written"),
    ],
)
def test_nothing_stays_of_what_could_not_be_finished(
    spec: JobSpec, tmp_path: Path, code: int, message: str
) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").mkdir()
        raise OSError(code, os.strerror(code))

    with pytest.raises(WorkspaceError, match=message):
        write(spec, lambda: "a", fail)
    assert left(tmp_path) == []


@pytest.mark.parametrize("published", [False, True])
def test_a_workspace_that_others_use_is_left_as_it_was(
    spec: JobSpec, tmp_path: Path, published: bool
) -> None:
    write(spec, lambda: "other")
    before = left(tmp_path)
    draft = writer.begin(spec, lambda: "a", contents())
    if published:
        draft.publish()
    assert left(tmp_path) != before
    draft.discard()
    assert left(tmp_path) == before


@pytest.mark.parametrize("published", [False, True])
def test_discarding_the_only_job_removes_the_traces(
    spec: JobSpec, tmp_path: Path, published: bool
) -> None:
    draft = writer.begin(spec, lambda: "a", contents())
    if published:
        draft.publish()
    draft.discard()
    assert left(tmp_path) == []


def test_removing_the_only_job_removes_the_traces(spec: JobSpec, tmp_path: Path) -> None:
    first, second = (write(spec, lambda n=n: n) for n in "ab")  # type: ignore[misc]
    writer.remove(first)
    assert second.spec.exists()
    writer.remove(second)
    assert left(tmp_path) == []


def test_a_workspace_that_is_no_directory(spec: JobSpec, tmp_path: Path) -> None:
    (tmp_path / ".unattended").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        write(spec, lambda: "a")


def test_what_killed_writers_left_is_swept_up_in_time(spec: JobSpec, tmp_path: Path) -> None:
    home = tmp_path / ".unattended"
    for name in (".new-old", ".new-young", ".deleted-old", "a-job"):
        (home / name / "in").mkdir(parents=True)
    past = time.time() - 10_000
    for name in (".new-old", ".deleted-old", "a-job"):
        os.utime(home / name, (past, past))
    writer.sweep(tmp_path)
    assert sorted(path.name for path in home.iterdir()) == [".new-young", "a-job"]


def test_a_sweep_of_nothing(tmp_path: Path) -> None:
    writer.sweep(tmp_path)


def test_every_field_of_a_spec_survives(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "arguments": ["a b", "é\n"],
        "parameters": {"x": [1, {"y": None}]},
        "env": {"A": "1"},
        "memory": "4G",
        "time_limit": "1h",
        "priority": -3,
    }
    spec = JobSpec(notebook=tmp_path / "n.ipynb", workspace=tmp_path, **fields)
    paths = write(spec, lambda: "a")
    assert JobSpec(**json.loads(paths.spec.read_text())["spec"]) == spec
