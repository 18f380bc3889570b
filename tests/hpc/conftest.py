"""Real schedulers, one for the whole session."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.batch.backend import BatchBackend

pytest.register_assert_rewrite(
    "hpc.bundles", "hpc.jobs", "hpc.chains", "integration.backend_contract"
)

from . import bundles  # noqa: E402
from .bundles import Run  # noqa: E402
from .daemons import scratch  # noqa: E402


@pytest.fixture
def workspace() -> Iterator[Path]:
    """Return an empty workspace that an ordinary user may enter and write."""
    path = scratch("unattended-workspace-")
    path.chmod(0o777)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """Keep away from the user's own state and site profiles."""
    path = tmp_path / "state"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("UNATTENDED_STATE_DIR", str(path))
        environment.setenv("UNATTENDED_SITE_PROFILE", str(tmp_path / "site.toml"))
        environment.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        environment.delenv("UNATTENDED_WORKSPACE", raising=False)
        yield path


@pytest.fixture
def submit(backend: BatchBackend, workspace: Path) -> Callable[..., Run]:
    """Submit a shell script in the place of a notebook."""

    def submit(script: str, **fields: Any) -> Run:
        return Run(backend, bundles.make(workspace, script, backend=backend.name, **fields))

    return submit
