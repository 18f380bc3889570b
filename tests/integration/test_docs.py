"""The user guide is true: every snippet in it is run, and nothing that it must name is left out."""

from __future__ import annotations

import ast
import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_unattended.errors import UnattendedError
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.spec import JobSpec

from .doc_pages import DOCS, Block, blocks, cells, pages
from .kernels import Answer, Kernel

PACKAGE = DOCS.parent / "jupyter_unattended"
TRAIN = """\
# %% parameters
epochs = 3  # how many
learning_rate = 0.1
# %%
from jupyter_unattended import progress, report
# %%
loss = 1.0
for epoch in range(epochs):
    loss = loss * (1 - learning_rate)
    report(step=epoch, loss=loss)
    progress(epoch + 1, epochs)
    print(f"epoch {epoch}: loss {loss:.3f}")
"""


class Reader:
    """Somebody who types what a page says, one block after the other."""

    #: Seconds that a block may take.
    patience = 90

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.notebook = self.write("train.ipynb", TRAIN)
        self.printed = ""
        self._service = JobService()
        self._kernels: dict[str, Kernel] = {}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._env = {**os.environ, "PATH": programs, "TERM": "dumb"}

    def write(self, name: str, text: str) -> Path:
        made = [
            new_code_cell(source, metadata={"tags": tags} if tags else {})
            for source, tags in cells(text)
        ]
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.workspace / name
        nbformat.write(new_notebook(cells=made, metadata={"kernelspec": spec}), path)
        return path

    def do(self, block: Block) -> None:
        if block.word == "not":
            return
        if block.word == "output":
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            same = doctest.OutputChecker().check_output(block.text, self.printed, flags)
            assert same, f"{block.where}: this was printed instead:\n{self.printed}"
        elif block.word == "notebook":
            self.write(block.rest, block.text)
        elif block.word == "finds":
            assert block.rest in self._findings(block), block.where
        elif block.language == "bash":
            self._bash(block)
        elif block.language in ("ipython", "python"):
            self._cell(block)

    def close(self) -> None:
        for kernel in self._kernels.values():
            kernel.close()

    def _findings(self, block: Block) -> set[str]:
        path = self.write("found.ipynb", block.text)
        spec = JobSpec.checked(notebook=path)
        return {finding.code for finding in self._service.prepare(spec).findings}

    def _bash(self, block: Block) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=self.workspace,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.patience,
        )
        self.printed = done.stdout
        expected = int(block.rest) if block.word == "exit" else 0
        assert done.returncode == expected, f"{block.where}: {done.stdout}"

    def _cell(self, block: Block) -> None:
        """Type a cell, save the notebook, run the cell."""
        cell_id = None
        if block.language == "ipython":
            node = nbformat.read(self.notebook, as_version=4)
            tags = {"tags": block.rest.split()} if block.word == "tags" else {}
            node.cells.append(new_code_cell(block.text.rstrip("\n"), metadata=tags))
            cell_id = node.cells[-1].id
            nbformat.write(node, self.notebook)
        if block.language not in self._kernels:
            # Code of scripts runs in a kernel that belongs to no notebook.
            own = self.notebook if block.language == "ipython" else self.workspace / "script.py"
            self._kernels[block.language] = Kernel(own, PATH=self._env["PATH"])
        answer = self._kernels[block.language].run(block.text.rstrip("\n"), cell_id, timeout=90)
        self.printed = _shown(answer)
        expected = "error" if block.word == "exit" else "ok"
        assert answer.status == expected, f"{block.where}: {answer}"


def _shown(answer: Answer) -> str:
    rich = [str(data.get("text/plain", "")) for data in answer.data]
    return "\n".join([answer.stdout, answer.stderr, *rich])


@pytest.fixture
def reader(state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    workspace = tmp_path / "work"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    reader = Reader(workspace)
    try:
        yield reader
    finally:
        reader.close()


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in pages()])
def test_the_snippets_of_a_page_run(page: Path, reader: Reader) -> None:
    for block in blocks(page):
        reader.do(block)


def test_every_finding_has_its_heading() -> None:
    text = (DOCS / "preflight.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### `([a-z-]+)`$", text, re.MULTILINE)
    assert sorted(headings) == sorted(codes())


def test_a_snippet_that_would_be_passed_over_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in ("```\nls\n```\n", "Text\n\n    ls\n", "<!-- test: skip -->\n```bash\nls\n```\n",
                 "<!-- test: not run -->\n```bash\nls\n```\n"):  # fmt: skip
        page.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"^page\.md:"):
            blocks(page)


def test_a_snippet_that_fails_is_told(reader: Reader, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```bash\necho so; false | cat\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"page\.md:1: so"):
        reader.do(blocks(page)[0])
    with pytest.raises(UnattendedError):
        JobSpec.checked(notebook=page, nonsense=1)


def codes() -> set[str]:
    """Return the codes of all findings, from the sources that make them."""
    found: set[str] = set()
    for file in [
        PACKAGE / "notebook" / "preflight.py",
        *(PACKAGE / "notebook/checks").glob("*.py"),
    ]:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        tables = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
        for node in ast.walk(tree):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if not named or node.func.id != "Finding":
                continue
            code = node.args[0]
            if isinstance(code, ast.Constant):
                found.add(str(code.value))
            else:  # from a table of the module, or a variable that is given a value in it
                found |= _possible(code, tables, tree)
    return found


def _possible(code: ast.expr, tables: list[ast.Dict], tree: ast.Module) -> set[str]:
    """Return the words that look like codes in a module's tables and assignments."""
    values = [value for table in tables for value in table.values]
    values += [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    words = {
        str(constant.value)
        for value in values
        for constant in [value, *(value.elts if isinstance(value, ast.Tuple) else [])]
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    possible = {word for word in words if re.fullmatch(r"[a-z]+(-[a-z]+)+|debugger|widget", word)}
    assert possible, ast.unparse(code)
    return possible
