"""The command line as an ordinary user runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


class Shell:
    """Runs the command line in a workspace, as the cluster's ordinary user."""

    def __init__(self, cluster: Any, workspace: Path) -> None:
        self.person = cluster.person
        self.cluster = cluster
        self.workspace = workspace
        self.env: dict[str, str] = {}
        self.cluster_env: dict[str, str] = cluster.env

    def __call__(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run ``jupyter-unattended WORDS`` in the workspace."""
        return self.person.run(
            [str(self.person.python), "-m", "jupyter_unattended.cli", *words],
            env={**self.cluster_env, **self.env},
            cwd=self.workspace,
            timeout=timeout,
        )

    def submit(self, *words: str) -> str:
        """Submit and return the id."""
        done = self("submit", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def show(self, job: str) -> dict[str, Any]:
        """Return ``show --json``."""
        done = self("show", "--json", job)
        assert done.returncode == 0, done.stderr
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown
