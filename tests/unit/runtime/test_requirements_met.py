from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from jupyter_unattended.runtime.requirements_met import first_unmet, main

PIN = f"ipython=={version('ipython')}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n\n",
        PIN,
        f"{PIN}  # why",
        f"{PIN}.0",
        "IPython",
        "ipython>=1,<1000\nnbformat",
        "nope ; python_version < '3'",
        "jupyter_unattended[kernels]",
        "numpy \\\n >= 1",
    ],
)
def test_satisfied(text: str) -> None:
    assert first_unmet(text) is None


@pytest.mark.parametrize(
    "line",
    [
        "nope==1.0",
        "nope",
        "ipython==0.1",
        "ipython<1",
        "-r other.txt",
        "-e .",
        "--index-url x",
        "./directory",
        "nope @ file:///x",
        "git+file:///x",
        f"{PIN} --hash=sha256:0",
        "???",
    ],
)
def test_not_satisfied_or_not_sure(line: str) -> None:
    assert first_unmet(f"{PIN}\n{line}\n") == line


def test_an_extra_needs_what_it_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "own_thing-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: own-thing\nVersion: 1.0\nProvides-Extra: full\n"
        "Requires-Dist: nope ; extra == 'full'\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert first_unmet("Own.Thing==1.0") is None
    assert first_unmet("own-thing[full]==1.0") == "own-thing[full]==1.0"


def test_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(PIN)
    assert main([str(file)]) == 0
    file.write_text("nope==1\n")
    assert main([str(file)]) == 1
    assert capsys.readouterr().out == "[unattended] not satisfied: nope==1\n"
    assert main([str(tmp_path / "missing")]) == 1
