"""Fixtures for tests that run real jobs on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_unattended.jobs.service import JobService

from .command_line import CommandLine, environment
from .local_jobs import LocalJobs


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a state directory of the test's own; whatever runs on its account ends with it."""
    directory = tmp_path / "state"
    monkeypatch.setenv("UNATTENDED_STATE_DIR", str(directory))
    monkeypatch.setenv("UNATTENDED_CPUS", "2")
    monkeypatch.setenv("UNATTENDED_GPUS", "")
    monkeypatch.delenv("UNATTENDED_WORKSPACE", raising=False)
    yield directory
    mark = f"UNATTENDED_STATE_DIR={directory}".encode()
    deadline = time.monotonic() + 10
    while left := processes_with(mark):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert time.monotonic() < deadline, f"{left} do not end"
        time.sleep(0.02)


def processes_with(mark: bytes) -> list[int]:
    """Return the processes, other than this one, that have `mark` in their environment."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                variables = Path(entry.path, "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in variables:
                found.append(int(entry.name))
    return found


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a workspace whose path is as bad as they come."""
    directory = tmp_path / 'it\'s a "work" space $HOME é\n!'
    directory.mkdir()
    (directory / ".unattended").mkdir()
    return directory


@pytest.fixture
def service(state_dir: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> JobService:
    """Return the door, in a workspace of its own."""
    monkeypatch.chdir(workspace)
    return JobService(state_dir)


@pytest.fixture
def local(service: JobService, workspace: Path) -> LocalJobs:
    """Return a way to submit scripts and to look at what they do."""
    return LocalJobs(service, workspace)


@pytest.fixture
def cli(state_dir: Path, tmp_path: Path) -> CommandLine:
    """Return the command line in an empty directory, with no jobs yet."""
    assert str(state_dir) == os.environ["UNATTENDED_STATE_DIR"]
    directory = tmp_path / "work"
    directory.mkdir()
    return CommandLine(directory, environment())
