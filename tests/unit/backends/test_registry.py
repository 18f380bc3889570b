from __future__ import annotations

import importlib.metadata
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from jupyter_unattended.backends import registry
from jupyter_unattended.backends.base import Backend
from jupyter_unattended.errors import BackendUnavailableError, SpecError


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        EntryPoint("good", "jupyter_unattended.backends.local:LocalBackend", registry.GROUP),
        EntryPoint("gone", "no_such_module_at_all:Thing", registry.GROUP),
        EntryPoint("broken", "json:NoSuchThing", registry.GROUP),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found)


@pytest.mark.usefixtures("plugins")
def test_what_is_broken_is_told_and_skipped() -> None:
    loaded, broken = registry.all()
    assert "good" in loaded
    assert "local" in loaded
    assert set(broken) == {"gone", "broken"}
    assert "no_such_module_at_all" in broken["gone"]
    with pytest.raises(BackendUnavailableError, match="cannot be loaded from json:NoSuchThing"):
        registry.get("broken")


@pytest.mark.usefixtures("plugins")
def test_a_name_that_is_none_is_answered_with_those_there_are() -> None:
    with pytest.raises(SpecError, match=r"no backend 'lokal'; did you mean local\?"):
        registry.get("lokal")
    with pytest.raises(SpecError, match="there are: local"):
        registry.get("xyz")


def test_backends_keep_to_the_protocol_and_get_their_state_directory(tmp_path: Path) -> None:
    backend = registry.get("local", tmp_path)
    assert isinstance(backend, Backend)
    assert vars(backend)["state_dir"] == tmp_path
