"""``%submit`` finds the notebook it is typed in, by what the front end tells the kernel."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_unattended.jobs.service import JobService

from .kernels import Kernel, ServedKernel

TOKEN = "for-this-test"


def write(path: Path, source: str = "print('here')") -> Path:
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [
        new_code_cell(source),
        new_code_cell("%submit"),
        new_code_cell("%submit --name second"),
    ]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
    return path


class Server:
    """A Jupyter server of this test's own, without our extension."""

    def __init__(self, root: Path, runtime: Path) -> None:
        self.root = root
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser"),
                *(f"--port={self._url.rpartition(':')[2]}", "--ServerApp.port_retries=0"),
                *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}"),
            ],
            env={**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._runtime = runtime
        deadline = time.monotonic() + 60
        while True:
            try:
                self.ask("GET", "status")
                return
            except OSError:
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.1)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"{self._url}/api/{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def open(self, path: str) -> tuple[str, ServedKernel]:
        """Open a notebook as a front end does; return its session and its kernel."""
        wanted = {"path": path, "name": "", "type": "notebook", "kernel": {"name": "python3"}}
        session = self.ask("POST", "sessions", wanted)
        file = self._runtime / f"kernel-{session['kernel']['id']}.json"
        return session["id"], ServedKernel(file)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture
def server(state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    root = tmp_path / "root"
    root.mkdir()
    server = Server(root, tmp_path / "runtime")
    try:
        yield server
    finally:
        server.close()


def test_a_renamed_notebook_is_found_through_the_sessions_of_its_server(
    server: Server, service: JobService
) -> None:
    write(server.root / "before.ipynb")
    session, kernel = server.open("before.ipynb")
    try:
        kernel.run("%load_ext jupyter_unattended")
        assert kernel.run("%submit").status == "ok"
        (server.root / "before.ipynb").rename(server.root / "after.ipynb")
        server.ask("PATCH", f"sessions/{session}", {"path": "after.ipynb"})
        answer = kernel.run("%submit --name second")
        assert answer.status == "ok", answer
    finally:
        kernel.close()
    names = [Path(view.notebook).name for view in service.list()]
    assert names == ["after.ipynb", "before.ipynb"]


def test_vs_codes_variable(
    state_dir: Path, service: JobService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "in vs code.ipynb")
    # What VS Code starts knows no session, and runs in the notebook's directory.
    kernel = Kernel(path, JPY_SESSION_NAME="")
    try:
        kernel.run("%load_ext jupyter_unattended")
        answer = kernel.run("%submit")
        assert "--notebook PATH" in answer.stderr
        kernel.run(f"__vsc_ipynb_file__ = {str(path)!r}")
        answer = kernel.run("%submit")
        assert answer.status == "ok", answer
        code = "from jupyter_unattended import submit\nprint(submit(name='from-python').name)"
        assert kernel.run(code).stdout == "from-python\n"
    finally:
        kernel.close()
    assert {view.notebook for view in service.list()} == {str(path)}


def test_a_notebook_that_is_named(state_dir: Path, service: JobService, tmp_path: Path) -> None:
    path = write(tmp_path / "named.ipynb")
    kernel = Kernel(path, JPY_SESSION_NAME="")
    try:
        kernel.run("%load_ext jupyter_unattended")
        assert kernel.run("%submit --notebook named.ipynb").status == "ok"
    finally:
        kernel.close()
    assert service.list()[0].notebook == str(path)
