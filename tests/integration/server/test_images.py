"""Making an image from a form, as far as that goes without a container engine.

With one: tests/container/test_image_forms.py.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest


async def ended(ask: Any, notebook: str) -> dict[str, Any]:
    """Wait until an image is made, or is not."""
    while True:
        status, state = await ask("GET", "image", notebook=notebook)
        assert status == 200
        if state["phase"] not in ("writing", "building", "trying"):
            found: dict[str, Any] = state
            return found
        await asyncio.sleep(0.05)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory on PATH, with a Python in it and no engine."""
    directory = tmp_path / "programs"
    directory.mkdir()
    (directory / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(directory))
    return directory


async def test_without_an_engine_there_are_the_files_and_a_reason(
    ask: Any, notebook: Any, jp_root_dir: Path, programs: Path
) -> None:
    path = notebook("import os\nprint(os.environ['LEVEL'])", path="my work/train.ipynb")
    assert await ask("GET", "image", notebook=path) == (200, {"phase": "none"})
    status, _ = await ask("POST", "image", {"notebook": path, "data": {}, "base": "mine:1"})
    assert status == 201
    state = await ended(ask, path)
    assert (state["phase"], state["image"]) == ("failed", None)
    assert state["error"].startswith("There is no podman, docker or buildah on PATH")
    text = (jp_root_dir / "my work" / "Containerfile").read_text()
    assert "\nFROM mine:1\n" in text
    assert state["made"]["written"][:2] == ["Containerfile", ".dockerignore"]
    assert [tie["option"] for tie in state["made"]["ties"]] == ["-e LEVEL"]


async def test_a_build_can_be_watched_and_cancelled(
    ask: Any, notebook: Any, jp_root_dir: Path, programs: Path
) -> None:
    # A builder that begins and does not come to an end.
    builder = programs / "podman"
    builder.write_text(
        "#!/bin/bash\n[[ $1 == build ]] || exit 1\necho 'STEP 2/7: RUN sleep'\n"
        f"echo $$ >{jp_root_dir}/pid\nexec /bin/sleep 600\n"
    )
    builder.chmod(0o755)
    path = notebook("pass")
    await ask("POST", "image", {"notebook": path, "data": {}})
    while not (state := (await ask("GET", "image", notebook=path))[1]).get("step"):
        assert state["phase"] in ("writing", "building"), state
        await asyncio.sleep(0.05)
    assert state["phase"] == "building"
    assert state["step"] == {"number": 2, "total": 7, "text": "RUN sleep"}
    assert state["lines"] == ["STEP 2/7: RUN sleep"]
    assert state["log"] == ".unattended/image-train.log"
    status, answer = await ask("POST", "image", {"notebook": path, "data": {}})
    assert status == 409
    assert "is being made" in answer["message"]
    status, _ = await ask("DELETE", "image", notebook=path)
    assert status == 204
    assert (await ended(ask, path))["phase"] == "cancelled"
    with pytest.raises(ProcessLookupError):
        os.kill(int((jp_root_dir / "pid").read_text()), 0)


async def test_what_is_wrong_with_a_request_is_said(ask: Any, notebook: Any) -> None:
    assert (await ask("POST", "image", {"notebook": notebook("1"), "data": []}))[0] == 400
    assert (await ask("POST", "image", {"data": {}}))[0] == 400
    assert (await ask("GET", "image", notebook="../../etc/passwd"))[0] == 400
    path = notebook("1")
    await ask("POST", "image", {"notebook": path, "data": {"options": {"flux": 1}}})
    state = await ended(ask, path)
    assert state["phase"] == "failed"
    assert "flux" in state["error"]
