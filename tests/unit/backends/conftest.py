from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.base import Bundle
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec

MakeBundle = Callable[..., Bundle]


@pytest.fixture(autouse=True)
def no_profile_but_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep away from the machine's site profiles; return where the test's own goes."""
    monkeypatch.setenv("UNATTENDED_SITE_PROFILE", str(tmp_path / "site.toml"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "site.toml"


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """Return a function that makes a bundle without writing a job directory."""

    def make(backend: str, workspace: Path = tmp_path, **fields: Any) -> Bundle:
        workspace.mkdir(parents=True, exist_ok=True)
        notebook = workspace / "train.ipynb"
        notebook.touch()
        spec = JobSpec.checked(notebook=notebook, workspace=workspace, backend=backend, **fields)
        return Bundle(spec, JobPaths.in_workspace(workspace, "train-1"))

    return make
