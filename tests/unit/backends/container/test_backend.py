from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.container import ContainerBackend


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContainerBackend:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    made = ContainerBackend()
    made.state_dir = tmp_path
    return made


def image(backend: ContainerBackend) -> dict[str, Any]:
    return dict(backend.described()["image"])


def test_a_form_says_which_image_it_is_when_none_is_named(
    backend: ContainerBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "jupyter_unattended.backends.container.inside.container_id"
    monkeypatch.setattr(where, lambda: None)
    assert image(backend)["x-placeholder"] == ""
    (tmp_path / "container-image").write_text("localhost/digits:1\n")
    assert image(backend)["x-placeholder"] == "as the last time: localhost/digits:1"
    monkeypatch.setattr(where, lambda: "a1" * 32)
    assert image(backend)["x-placeholder"] == "the same as this server's"


def test_a_form_offers_to_make_one_where_there_is_a_builder(
    backend: ContainerBackend, tmp_path: Path
) -> None:
    assert image(backend)["x-cannot-make"].startswith("There is no podman, docker or buildah")
    (tmp_path / "bin" / "buildah").touch(0o755)
    assert "x-cannot-make" not in image(backend)
    assert (image(backend)["x-widget"], image(backend)["x-group"]) == ("image", "where")
