from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.cli.app import run
from jupyter_unattended.jobs.store import Row, Store
from jupyter_unattended.paths import JobPaths


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state"
    monkeypatch.setenv("UNATTENDED_STATE_DIR", str(path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return path


@pytest.fixture
def add_job(state_dir: Path, tmp_path: Path) -> Callable[..., Row]:
    """Put an ended job into the index, with a job directory."""

    def add(job_id: str, **fields: Any) -> Row:
        workspace = tmp_path / "workspace"
        paths = JobPaths.in_workspace(workspace, job_id)
        paths.attempts.mkdir(parents=True, exist_ok=True)
        record = {"schema_version": 1, "id": job_id, "spec": fields.pop("spec", {})}
        paths.spec.write_text(json.dumps(record))
        row = Row(
            id=job_id,
            name=fields.pop("name", job_id),
            notebook=str(workspace / "train.ipynb"),
            workspace=str(workspace),
            directory=str(paths.root),
            backend="local",
            state=fields.pop("state", "succeeded"),
            created=fields.pop("created", 1_000_000.0),
            **fields,
        )
        Store(state_dir).put([row])
        return row

    return add


@pytest.fixture
def call(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line here; the answer is exit code, stdout and stderr."""

    def run_it(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_it
