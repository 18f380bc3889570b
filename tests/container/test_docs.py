"""The pages of the user guide about containers: every command in them is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.integration.test_docs")

from tests.integration.doc_pages import DOCS, blocks  # noqa: E402
from tests.integration.test_docs import Reader  # noqa: E402

from .engine import BASE, IMAGE, TestEngine  # noqa: E402


@pytest.fixture
def names(engine: TestEngine) -> Iterator[None]:
    """Let the names that the pages use mean the tests' images."""
    import sys

    python = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    engine.podman("tag", BASE, python)
    engine.podman("tag", IMAGE, "my-image")
    yield
    engine.podman("untag", python, python)
    engine.podman("untag", "my-image", "my-image")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", ["containers", "images"])
def test_the_snippets_of_a_page_run(
    page: str,
    names: None,
    engine: TestEngine,
    state_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    # Not run where there is no Podman; here there is one.
    copy = tmp_path / f"{page}.md"
    copy.write_text(text.replace("<!-- test: page not run", "<!-- was:"), encoding="utf-8")
    reader = Reader(workspace)
    reader.patience = 300  # the first block that builds an image installs packages
    try:
        done = [block for block in blocks(copy) if block.word != "not"]
        for block in done:
            reader.do(block)
    finally:
        reader.close()
        engine.clear()
    assert len(done) >= 5
