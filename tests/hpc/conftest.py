"""Real schedulers, one for the whole session."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemons import scratch


@pytest.fixture
def workspace() -> Iterator[Path]:
    """Return an empty workspace that an ordinary user may enter and write."""
    path = scratch("unattended-workspace-")
    path.chmod(0o777)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep away from the user's own state and site profiles."""
    path = tmp_path / "state"
    monkeypatch.setenv("UNATTENDED_STATE_DIR", str(path))
    monkeypatch.setenv("UNATTENDED_SITE_PROFILE", str(tmp_path / "site.toml"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return path
