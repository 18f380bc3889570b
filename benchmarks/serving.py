"""How quickly Jupyter Server answers others while notebooks are being submitted through it."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.request import Request, urlopen

from measure import Line, print_table
from notebooks import one_cell

from jupyter_unattended.errors import ConflictError
from jupyter_unattended.jobs.service import JobService

_TOKEN = "benchmark"


def measure(work: Path, count: int = 200) -> None:
    """Measure ``GET /api/status`` alone, and with `count` submits in flight."""
    root = work / "serving"
    root.mkdir()
    one_cell(root)
    (notebook,) = (path.name for path in root.glob("*.ipynb"))
    port = _free_port()
    command = [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser",
               f"--port={port}", f"--IdentityProvider.token={_TOKEN}",
               f"--ServerApp.root_dir={root}"]  # fmt: skip
    with (work / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=root, stdout=log, stderr=log)
    try:
        _wait(port)
        quiet = _latencies(port, 200)
        answers = []

        def submit(_: int) -> float:
            began = time.perf_counter()
            body = json.dumps({"notebook": notebook, "data": {}}).encode()
            answers.append(_ask(port, "jupyter-unattended/jobs", body))
            return time.perf_counter() - began

        with ThreadPoolExecutor(count) as pool:
            began = time.perf_counter()
            submits = [pool.submit(submit, i) for i in range(count)]
            busy = []
            while not all(one.done() for one in submits):
                busy += _latencies(port, 5)
            took = time.perf_counter() - began
        assert len(answers) == count
    finally:
        server.terminate()
        server.wait(30)
        _end_all()
    p99 = _percentile(busy, 99)
    print_table(
        f"GET /api/status with {count} submits in flight",
        [
            Line("alone, median", f"{1000 * statistics.median(quiet):.1f} ms"),
            Line("alone, p99", f"{1000 * _percentile(quiet, 99):.1f} ms"),
            Line("in flight, median", f"{1000 * statistics.median(busy):.1f} ms"),
            Line("in flight, p99", f"{1000 * p99:.1f} ms", "100 ms", p99 < 0.1),
            Line(f"all {count} answered", f"{took:.1f} s"),
        ],
    )


def _end_all() -> None:
    """Cancel what was submitted, and wait until it has ended."""
    service = JobService()
    for view in service.unfinished():
        with suppress(ConflictError):
            service.cancel(view.id)
    while service.unfinished():
        time.sleep(0.2)


def _latencies(port: int, count: int) -> list[float]:
    found = []
    for _ in range(count):
        began = time.perf_counter()
        _ask(port, "api/status")
        found.append(time.perf_counter() - began)
        time.sleep(0.01)
    return found


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _ask(port: int, path: str, body: bytes | None = None) -> bytes:
    headers = {"Authorization": f"token {_TOKEN}", "Content-Type": "application/json"}
    with urlopen(Request(f"http://127.0.0.1:{port}/{path}", body, headers), timeout=300) as answer:
        content: bytes = answer.read()
        return content


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError):
            _ask(port, "jupyter-unattended/status")
            return
        time.sleep(0.1)
    raise SystemExit("benchmark: the server does not start")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
