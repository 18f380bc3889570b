"""Helpers of the tests that use the command line as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook


def write_notebook(path: Path, *cells: str, parameters: str | None = None) -> Path:
    """Write a notebook of code cells, the first of them tagged `parameters` if there are any."""
    node = new_notebook()
    if parameters is not None:
        node.cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    node.cells += [new_code_cell(source) for source in cells]
    node.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(node, path)
    return path


@dataclass
class CommandLine:
    """Calls ``jupyter-unattended`` in `cwd`, with a state directory of its own."""

    cwd: Path
    env: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(
        self,
        *words: str | Path,
        env: Mapping[str, str] | None = None,
        timeout: float = 100,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(words),
            cwd=self.cwd,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def printed(self, job: str, *options: str) -> str:
        """Return what the notebook itself wrote to the job's log."""
        lines = self("logs", *options, job).stdout.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("[unattended] "))

    def start(
        self, *words: str | Path, env: Mapping[str, str] | None = None, **streams: Any
    ) -> subprocess.Popen[str]:
        """Start it and do not wait."""
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **streams,
        }
        process = subprocess.Popen(
            self._command(words),
            cwd=self.cwd,
            env={**self.env, **(env or {})},
            text=True,
            **streams,
        )
        self.started.append(process)
        return process

    def until(self, reached: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until something has happened."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.2)

    @staticmethod
    def _command(words: tuple[str | Path, ...]) -> list[str]:
        return [sys.executable, "-m", "jupyter_unattended.cli", *map(str, words)]


def environment() -> dict[str, str]:
    """Return the environment of a person at a terminal that can do nothing special."""
    left_out = ("NO_COLOR", "_JUPYTER_UNATTENDED_COMPLETE")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**env, "TERM": "dumb"}
