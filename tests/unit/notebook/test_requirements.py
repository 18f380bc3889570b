"""From imports to requirements.txt."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from notebooks import MakeNotebook

from jupyter_unattended.errors import InvalidInputError
from jupyter_unattended.notebook.environment import Package
from jupyter_unattended.notebook.kernels import Kernel
from jupyter_unattended.notebook.reader import Notebook
from jupyter_unattended.notebook.requirements import Requirements, collect, requirement

KERNEL = Kernel("python3", "python", Path(sys.executable), "ipython")


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put packages into the environment that is asked."""
    site = tmp_path_factory.mktemp("site-packages")
    monkeypatch.syspath_prepend(str(site))

    def install(name: str, version: str, *files: str, direct_url: object = None) -> None:
        metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: not this\n"
        )
        (metadata / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
        if direct_url is not None:
            (metadata / "direct_url.json").write_text(json.dumps(direct_url))
        for file in files:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).touch()

    return install


def pins(requirements: Requirements) -> list[str]:
    """The lines, without comments and IPython."""
    lines = [line for line in requirements.text.splitlines() if not line.startswith("#")]
    return [line for line in lines if not line.lower().startswith("ipython==")]


def collected(notebook: Notebook) -> Requirements:
    return collect(notebook, KERNEL, None, notebook.directory)


def test_imports_become_pins(install: Any, make_notebook: MakeNotebook) -> None:
    install("scikit-thing", "1.2", "skthing/__init__.py", "skthing/sub.py")
    install("Deferred", "2", "deferred.py")
    install("tried", "3", "tried/__init__.py")
    install("unused", "4", "unused/__init__.py")
    install("torchy", "2.3.0+cu121", "torchy/__init__.py")
    install("compiled", "5", "compiled.cpython-311-x86_64-linux-gnu.so")
    notebook = make_notebook(
        "import os, sys, skthing.sub as s\nimport json\nfrom torchy import nn",
        "%%time\n%matplotlib inline\ndef f():\n    import deferred",
        "try:\n    import tried\nexcept ImportError:\n    tried = None",
        "from jupyter_unattended import report",
    )
    requirements = collected(notebook)
    assert requirements.source == "imports"
    assert pins(requirements) == ["Deferred==2", "scikit-thing==1.2", "torchy==2.3.0", "tried==3"]
    assert "ipython==" in requirements.text.lower()
    assert requirements.unmapped == []


def test_namespace_packages_are_told_apart(install: Any, make_notebook: MakeNotebook) -> None:
    install("cloud-storage", "1", "goo/cloud/storage/__init__.py")
    install("cloud-vision", "2", "goo/cloud/vision.py")
    install("auth", "3", "goo/auth/__init__.py")
    assert pins(collected(make_notebook("from goo.cloud import vision"))) == ["cloud-vision==2"]
    assert pins(collected(make_notebook("import goo.cloud.storage.blob"))) == ["cloud-storage==1"]


def test_modules_of_the_workspace_are_followed(
    install: Any, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    install("far", "1", "far.py")
    install("near", "2", "near.py")
    install("shadowed", "3", "helpers.py")
    (tmp_path / "helpers.py").write_text("import near, pack.inner\nimport helpers\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("from . import other\n")
    (tmp_path / "pack/inner.py").write_text("from .deep import x\nfrom .other import y\n")
    (tmp_path / "pack/other.py").write_text("y = 1\n")
    (tmp_path / "pack/deep.py").write_text("import far\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/added.py").write_text("import nowhere\n")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/part.py").touch()
    (tmp_path / "broken.py").write_text("def")
    notebook = make_notebook(
        "import sys\nsys.path.insert(0, './src')\nimport helpers, added, plain, broken",
    )
    requirements = collected(notebook)
    assert pins(requirements) == ["far==1", "near==2"]
    names = {file.relative_to(tmp_path).as_posix() for file in requirements.imports.local}
    assert names == {"helpers.py", "pack/__init__.py", "pack/inner.py", "pack/other.py",
                     "pack/deep.py", "src/added.py", "broken.py"}  # fmt: skip
    (unmapped,) = requirements.unmapped
    assert (unmapped.module, unmapped.cell, unmapped.optional) == ("nowhere", None, False)


def test_what_cannot_be_mapped_is_reported(
    install: Any, make_notebook: MakeNotebook, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = tmp_path_factory.mktemp("source")
    install("edited", "1", "edited.py", direct_url={
        "url": source.as_uri(), "dir_info": {"editable": True}})  # fmt: skip
    notebook = make_notebook(
        "1",
        "import missing\nimport edited",
        "try:\n    import perhaps\nexcept (ImportError, OSError): pass",
    )
    requirements = collected(notebook)
    found = {u.module: (u.cell, u.optional, u.installed) for u in requirements.unmapped}
    assert found == {
        "missing": (1, False, False),
        "edited": (1, False, True),
        "perhaps": (2, True, False),
    }
    assert "# not here: edited: an editable install of" in requirements.text
    assert pins(requirements) == []


def test_pip_lines(install: Any, make_notebook: MakeNotebook) -> None:
    install("Here", "7.1", "here.py")
    notebook = make_notebook(
        "%pip install -q here 'other>=2,<3' extra[x] --index-url=http://i/simple\n"
        "!pip3 install -r more.txt git+https://h/r.git && echo done\n"
        "!{sys.executable} -m pip install fresh > /dev/null 2>&1\n"
        "%pip list\n"
        "!echo pip install nothing; ls",
        "import here, other, fresh",
    )
    requirements = collected(notebook)
    assert pins(requirements) == [
        "--index-url http://i/simple",
        f"-r {notebook.directory / 'more.txt'}",
        "extra[x]",
        "fresh",
        "git+https://h/r.git",
        "here==7.1",
        "other>=2,<3",
    ]
    assert requirements.unmapped == []


def test_the_file_beside_the_notebook_is_used_as_it_is(
    make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    text = "# mine\r\nnumpy>=1\n  --extra-index-url https://x/simple  # note\n"
    (tmp_path / "requirements.txt").write_bytes(text.encode())
    requirements = collected(make_notebook("import missing"))
    assert requirements.text == text.replace("\r\n", "\n")
    assert (requirements.source, requirements.path) == ("file", tmp_path / "requirements.txt")


def test_what_a_file_refers_to_is_still_found(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    named = tmp_path / "named.txt"
    named.write_text("-r base.txt\n-c ../c.txt\n-e pack\n-e git+https://h/r\n./wheel.whl\nnumpy\n")
    requirements = collect(make_notebook("1"), KERNEL, named)
    assert requirements.text.splitlines() == [
        f"-r {tmp_path}/base.txt",
        f"-c {tmp_path}/../c.txt",
        f"-e {tmp_path}/pack",
        "-e git+https://h/r",
        f"{tmp_path}/wheel.whl",
        "numpy",
    ]


def test_files_that_cannot_be_read(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    notebook = make_notebook("1")
    with pytest.raises(InvalidInputError, match=r"none\.txt cannot be read: No such file"):
        collect(notebook, KERNEL, tmp_path / "none.txt")
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    with pytest.raises(InvalidInputError, match="are not UTF-8"):
        collect(notebook, KERNEL, tmp_path / "bad.txt")


def test_other_languages_need_nothing(make_notebook: MakeNotebook) -> None:
    assert collect(make_notebook("library(x)"), Kernel("ir", "r", None, "nbclient")).text == ""


@pytest.mark.parametrize(
    ("direct_url", "line"),
    [
        (None, "p==1"),
        (
            {"url": "https://h/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"},
             "subdirectory": "py"},
            "p @ git+https://h/r.git@abc#subdirectory=py",
        ),
        ({"url": "https://h/p.whl", "archive_info": {}}, "p @ https://h/p.whl"),
        ({"url": "file:///croot/p_1/work", "dir_info": {}}, "p==1"),
        ({"url": "file:///usr", "dir_info": {}}, None),
    ],
)  # fmt: skip
def test_where_a_package_came_from(direct_url: Any, line: str | None) -> None:
    assert requirement(Package("p", "1+local", direct_url, Path("/")), Path("/work"))[0] == line


def test_a_wheel_in_the_workspace_is_there_in_the_job(tmp_path: Path) -> None:
    wheel = tmp_path / "a b.whl"
    wheel.touch()
    package = Package("p", "1", {"url": wheel.as_uri(), "archive_info": {}}, tmp_path)
    assert requirement(package, tmp_path) == (f"p @ {wheel.as_uri()}", "")
