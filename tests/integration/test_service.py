"""The service, with real notebooks on the local backend."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_unattended.errors import (
    ArgumentsError,
    JobNotFoundError,
    NotebookError,
    PreflightError,
    SpecError,
    StoreError,
)
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import State
from jupyter_unattended.spec import JobSpec

from .local_jobs import LocalJobs, until


def write(path: Path, *cells: str, parameters: str | None = None) -> Path:
    node = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    if parameters is not None:
        node.cells.append(
            nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})  # type: ignore[no-untyped-call]
        )
    node.cells += [nbformat.v4.new_code_cell(source) for source in cells]  # type: ignore[no-untyped-call]
    path.write_text(nbformat.writes(node))  # type: ignore[no-untyped-call]
    (path.parent / "requirements.txt").touch()
    return path


def log(service: JobService, job_id: str) -> list[str]:
    text = "".join(service.logs(job_id))
    return [line for line in text.splitlines() if not line.startswith("[unattended]")]


@pytest.fixture
def trained(service: JobService, workspace: Path) -> Path:
    return write(
        workspace / "train.ipynb",
        "print(epochs, rate, name)",
        parameters="epochs: int = 3  # how often\nrate = 0.5\nname = 'x'",
    )


def test_parameters_arguments_and_what_becomes_of_them(service: JobService, trained: Path) -> None:
    job = service.submit(
        JobSpec(notebook=trained, arguments=["--epochs=7"], parameters={"name": "it's é"})
    )
    assert service.wait(job.id, 60).state is State.SUCCEEDED
    assert log(service, job.id) == ["7 0.5 it's é"]
    spec = service.spec(job.id)["spec"]
    assert spec["parameters"] == {"epochs": 7, "rate": 0.5, "name": "it's é"}
    assert spec["arguments"] == ["--name=it's é", "--epochs=7"]


def test_a_clone_changes_what_is_said_and_keeps_the_rest(
    service: JobService, trained: Path
) -> None:
    first = service.submit(JobSpec(notebook=trained, arguments=["--epochs", "7", "--rate=0.1"]))
    write(trained, "print('edited')", parameters="epochs = 0")
    merged = service.clone(first.id, parameters={"epochs": 9})
    replaced = service.clone(first.id, arguments=["--name=y"], priority=3)
    again = service.rerun(first.id)
    expected = {
        first.id: "7 0.1 x",
        merged.id: "9 0.1 x",
        replaced.id: "3 0.5 y",
        again.id: "7 0.1 x",
    }
    for job_id, line in expected.items():
        assert service.wait(job_id, 60).state is State.SUCCEEDED
        assert log(service, job_id) == [line]
    assert replaced.priority == 3
    assert service.get(again.id).restarted_from == first.id
    with pytest.raises(ArgumentsError, match="epochs: 'many' is not a whole number"):
        service.clone(first.id, parameters={"epochs": "many"})


def test_preparing_changes_nothing_and_shows_all(
    service: JobService, workspace: Path, trained: Path
) -> None:
    before = sorted(workspace.rglob("*"))
    prepared = service.prepare(JobSpec(notebook=trained))
    assert [parameter.name for parameter in prepared.parameters] == ["epochs", "rate", "name"]
    assert prepared.parameters[0].description == "how often"
    assert prepared.spec.parameters == {"epochs": 3, "rate": 0.5, "name": "x"}
    assert prepared.spec.workspace == workspace
    assert prepared.spec.name == "train"
    assert prepared.start_script.startswith("#!/usr/bin/env bash")
    assert sorted(workspace.rglob("*")) == before
    assert not service.state_dir.exists() or service.list() == []


def test_a_form_may_lack_what_a_submit_needs(service: JobService, workspace: Path) -> None:
    notebook = write(workspace / "n.ipynb", "print(path)", parameters="path: str")
    assert service.prepare(JobSpec(notebook=notebook)).parameters[0].required
    with pytest.raises(ArgumentsError, match="path"):
        service.submit(JobSpec(notebook=notebook))
    assert service.list() == []


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"notebook": "gone.ipynb"}, NotebookError, "gone.ipynb"),
        ({"arguments": ["--epoch=3"]}, ArgumentsError, "epoch"),
        ({"parameters": {"colour": 1}}, ArgumentsError, "colour"),
        ({"backend": "lokal"}, SpecError, "did you mean local"),
        ({"options": {"x": 1}}, SpecError, "no such option"),
        ({"kernel": "no-such-kernel"}, Exception, "no-such-kernel"),
        ({"workspace": "/no/such/place"}, Exception, "is not a directory"),
    ],
)
def test_what_is_refused_leaves_nothing(
    service: JobService,
    workspace: Path,
    trained: Path,
    fields: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        service.submit(JobSpec(**{"notebook": trained, **fields}))
    assert "\n" not in str(caught.value)
    assert service.list() == []
    assert list((workspace / ".unattended").glob("*")) == []


def test_preflights_errors_stop_a_submit_unless_forced(
    service: JobService, workspace: Path
) -> None:
    notebook = write(workspace / "n.ipynb", "name = input('who? ')\nprint(name)")
    with pytest.raises(PreflightError) as caught:
        service.submit(JobSpec(notebook=notebook))
    assert caught.value.findings
    job = service.submit(JobSpec(notebook=notebook), force=True)
    assert service.wait(job.id, 60).state is State.FAILED


def test_finding_a_job(service: JobService, trained: Path) -> None:
    first, second = service.submit_many([JobSpec(notebook=trained, name="mine")] * 2)
    other = service.submit(JobSpec(notebook=trained, name="other"))
    assert service.get(first.id).id == first.id
    assert service.get(first.id[:-1]).id == first.id
    assert service.get("mine").id == second.id
    assert service.get("oth").id == other.id
    with pytest.raises(JobNotFoundError, match="2 jobs begin with 'min'"):
        service.get("min")
    with pytest.raises(JobNotFoundError, match="no job 'nobody'"):
        service.get("nobody")
    assert {view.id for view in service.list(text="mine")} == {first.id, second.id}
    assert [view.id for view in service.list(limit=1)] == [other.id]
    assert service.list(notebook=trained.parent / "x.ipynb") == []


def test_following_the_log_across_attempts(service: JobService, workspace: Path) -> None:
    notebook = write(
        workspace / "n.ipynb",
        "import os, time\n"
        "mark = os.environ['UNATTENDED_CHECKPOINT_DIR'] + '/m'\n"
        "print('attempt', os.environ['UNATTENDED_ATTEMPT'], flush=True)\n"
        "if not os.path.exists(mark):\n"
        "    open(mark, 'w').close(); os.kill(os.getpid(), 9)\n"
        "for n in range(5): print('line', n, flush=True); time.sleep(0.1)",
    )
    job = service.submit(JobSpec(notebook=notebook))
    text = "".join(service.logs(job.id, follow=True))
    said = [line for line in text.splitlines() if line.startswith(("attempt", "line"))]
    assert said == [
        "attempt 1",
        "attempt 2",
        *(f"line {n}" for n in range(5)),
    ]
    assert service.get(job.id).state is State.SUCCEEDED
    pieces, offset = [], 0
    while True:
        chunk = service.read_log(job.id, offset, attempt=2, limit=7)
        pieces.append(chunk.text)
        offset = chunk.offset
        if chunk.last:
            break
    assert "".join(pieces) == "".join(service.logs(job.id, attempt=2))


def test_waiting_gives_up_in_time(local: LocalJobs) -> None:
    job = local.submit("sleep 60")
    begin = time.monotonic()
    assert not local.service.wait(job.id, timeout=0.3).state.is_final
    assert time.monotonic() - begin < 5


def test_many_threads_may_use_one_service(local: LocalJobs) -> None:
    specs = [local.spec("echo ran") for _ in range(8)]
    errors: list[BaseException] = []

    def work(spec: JobSpec) -> None:
        try:
            job = local.service.submit(spec)
            local.service.list()
            assert local.service.wait(job.id, 60).state is State.SUCCEEDED
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(spec,)) for spec in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_the_index_is_rebuilt_from_the_directories(
    local: LocalJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [local.end(local.submit(f"exit {code}")) for code in (0, 3)]
    local.kill_agent()
    views = [replace(view, since=None) for view in local.service.list()]
    local.service.store.file.unlink()
    monkeypatch.chdir("/")
    assert [replace(view, since=None) for view in local.service.list()] == views
    # Another state directory, in the workspace: what this user ran there is found.
    monkeypatch.chdir(local.workspace)
    elsewhere = JobService(tmp_path / "another state")
    assert {view.id: view.state for view in elsewhere.list()} == {v.id: v.state for v in ended}


def test_a_directory_that_is_deleted_by_hand_is_a_deleted_job(local: LocalJobs) -> None:
    job = local.end(local.submit("true"))
    kept = local.end(local.submit("true"))
    shutil.rmtree(job.directory)
    (local.workspace / ".unattended" / "not a job").mkdir()
    assert [view.id for view in local.service.list()] == [kept.id]


def test_a_workspace_that_is_not_mounted_keeps_its_jobs(local: LocalJobs) -> None:
    job = local.end(local.submit("true"))
    hidden = local.workspace.with_name("unmounted")
    os.chdir("/")
    local.workspace.rename(hidden)
    assert [view.id for view in local.service.list()] == [job.id]
    hidden.rename(local.workspace)
    assert [view.id for view in local.service.list()] == [job.id]


def test_an_index_of_a_newer_version_is_refused(local: LocalJobs) -> None:
    import sqlite3

    local.end(local.submit("true"))
    connection = sqlite3.connect(local.service.store.file)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    for use in (local.service.list, lambda: local.service.get("x"), lambda: local.submit("true")):
        with pytest.raises(StoreError, match="newer jupyter-unattended"):
            use()


def test_listing_imports_nothing_heavy(local: LocalJobs) -> None:
    local.end(local.submit("true"))
    code = (
        "import sys; from jupyter_unattended.jobs.service import JobService;"
        "assert len(JobService().list()) == 1;"
        "heavy = {'pydantic', 'nbformat', 'IPython', 'jupyter_client', 'psutil', 'kubernetes'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_a_submit_from_inside_a_job(local: LocalJobs) -> None:
    inner = local.spec('echo "$UNATTENDED_JOB_ID ${UNATTENDED_ATTEMPT}"').notebook
    code = (
        "import sys, pathlib; from jupyter_unattended.jobs.service import JobService;"
        "from jupyter_unattended.spec import JobSpec;"
        "print(JobService().submit(JobSpec(notebook=pathlib.Path(sys.argv[1]))).id)"
    )
    outer = local.submit(f'exec {sys.executable} -c "{code}" "$1"', arguments=[str(inner)])
    assert local.end(outer).state is State.SUCCEEDED, local.log(outer)
    job_id = local.log(outer).strip()
    until(lambda: local.service.get(job_id).state.is_final)
    assert log(local.service, job_id) == [f"{job_id} 1"]


def test_the_record_is_complete_and_plain(service: JobService, trained: Path) -> None:
    job = service.submit(JobSpec(notebook=trained, memory="1G"))
    record = json.loads((Path(job.directory) / "job.json").read_text())
    assert record["id"] == job.id
    assert record["submitted"]["host"]
    assert record["kernel"]["runner"] == "ipython"
    assert record["kernel"]["python"]
    assert "ipython" in record["packages"]
    assert record["working_directory"] == str(trained.parent)
    assert record["spec"]["memory"] == 10**9
    assert service.wait(job.id, 60).state is State.SUCCEEDED
