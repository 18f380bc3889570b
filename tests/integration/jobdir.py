"""Job directories made by hand, for the tests of the runtime and of start.sh."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_unattended.bundle import startscript
from jupyter_unattended.runtime import travel


def code(source: str, *tags: str, **fields: Any) -> dict[str, Any]:
    """A code cell."""
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "outputs": [],
        "execution_count": None,
        **fields,
    }


def notebook(*cells: str | dict[str, Any], minor: int = 4, **metadata: Any) -> dict[str, Any]:
    """A notebook of these cells; strings are code."""
    return {
        "nbformat": 4,
        "nbformat_minor": minor,
        "metadata": {
            "kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"},
            **metadata,
        },
        "cells": [code(cell) if isinstance(cell, str) else cell for cell in cells],
    }


class Job:
    """A job directory, and what a run left in it."""

    def __init__(
        self,
        workspace: Path,
        *cells: str | dict[str, Any],
        arguments: Sequence[str] = (),
        requirements: str = "",
        user_script: str | None = None,
        name: str = "job-1",
        python: str = sys.executable,
        runner: str = "ipython",
        grace_period: float = 30,
        contents: dict[str, Any] | None = None,
    ) -> None:
        self.workspace = workspace
        self.root = workspace / ".unattended" / name
        self.root.mkdir(parents=True)
        self.arguments = list(arguments)
        content = contents if contents is not None else notebook(*cells)
        (self.root / "notebook.ipynb").write_text(json.dumps(content), encoding="utf-8")
        (self.root / "requirements.txt").write_text(requirements, encoding="utf-8")
        spec = {"notebook": str(workspace / "work.ipynb"), "workspace": str(workspace)}
        kernel = {"name": "python3", "language": "python", "python": python, "runner": runner}
        job = {"schema_version": 1, "id": name, "spec": spec, "kernel": kernel}
        (self.root / "job.json").write_text(json.dumps(job), encoding="utf-8")
        travel.install(self.root)
        if user_script is not None:
            (self.root / "user-start.sh").write_text(user_script, encoding="utf-8")
        script = self.root / "start.sh"
        script.write_text(
            startscript.render(
                notebook="work.ipynb",
                working_directory=str(workspace),
                python=python,
                grace_period=grace_period,
                user_script=user_script is not None,
            ),
            encoding="utf-8",
        )
        script.chmod(0o755)

    def start(
        self, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start start.sh."""
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        return subprocess.Popen(
            [str(self.root / "start.sh"), *self.arguments],
            stdin=subprocess.DEVNULL,
            env=clean_environment(env),
            **options,
        )

    def run(self, timeout: float = 60, **options: Any) -> int:
        """Run start.sh to its end and return its exit code."""
        process = self.start(**options)
        try:
            return process.wait(timeout)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @property
    def output(self) -> dict[str, Any]:
        """output.ipynb."""
        found: dict[str, Any] = json.loads((self.root / "output.ipynb").read_text("utf-8"))
        return found

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """The outputs of one cell."""
        found: list[dict[str, Any]] = self.output["cells"][index]["outputs"]
        return found

    def text(self, index: int, stream: str | None = None) -> str:
        """The text of a cell's stream outputs."""
        return "".join(
            "".join(output["text"])
            for output in self.outputs(index)
            if output["output_type"] == "stream" and stream in (None, output["name"])
        )

    def attempt(self, number: int = 1) -> Path:
        """The directory of an attempt."""
        return self.root / "attempts" / str(number)

    def log(self, number: int = 1) -> str:
        """The log of an attempt."""
        return (self.attempt(number) / "log.txt").read_text("utf-8", errors="replace")

    def record(self, number: int = 1) -> dict[str, Any]:
        """attempt.json."""
        found: dict[str, Any] = json.loads((self.attempt(number) / "attempt.json").read_text())
        return found

    def exit_file(self, number: int = 1) -> list[str]:
        """The words in the exit file."""
        return (self.attempt(number) / "exit").read_text().split()

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The whole lines of a JSON lines file."""
        found = []
        file = self.root / name
        for line in file.read_text("utf-8").splitlines() if file.exists() else ():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def events(self, event: str | None = None) -> list[dict[str, Any]]:
        """The events of the journal, or those of one kind."""
        return [line for line in self.lines("journal.jsonl") if event in (None, line["event"])]


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what this test run itself may have from a job."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("UNATTENDED_")}
    return {**kept, **(more or {})}
