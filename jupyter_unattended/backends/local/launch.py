"""Starting an attempt: the process, its environment, and what start.sh says before it has a log."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import processes
from .launcher import LaunchError
from .queue import Entry, LocalQueue, read_secrets

_LAST_WORDS = 500


def new_launch(job_id: str) -> str:
    """Return a new name for a launch; it begins with the job's id."""
    return f"{job_id}.{secrets.token_hex(8)}"


def environment(
    queue: LocalQueue, state_dir: Path, entry: Entry, launch: str, devices: Sequence[str]
) -> dict[str, str]:
    """Return the environment of an attempt.

    Raises
    ------
    LaunchError
        If the values of the job's secret variables are gone.
    """
    variables = {
        **queue.environment(entry.environment),
        **json.loads(entry.env),
        **secret_variables(state_dir, entry),
        processes.LAUNCH: launch,
    }
    if entry.gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    return variables


def secret_variables(state_dir: Path, entry: Entry) -> Mapping[str, str]:
    """Return the job's secret variables, or raise `LaunchError` if their values are gone."""
    hidden = read_secrets(state_dir, entry.id) if entry.secrets else {}
    if hidden is None:
        raise LaunchError(
            "the values of its secret environment variables are gone from the state directory; "
            "submit it again"
        )
    return hidden


def start(
    state_dir: Path, entry: Entry, launch: str, variables: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start start.sh in a session of its own.

    Its output is its own business: it writes the log itself. Only what it says before it has a log
    is caught, in a file of the state directory.
    """
    paths = entry.paths
    if not paths.start_script.is_file():
        raise LaunchError(f"{paths.start_script} is gone")
    errors = _words_file(state_dir, launch)
    try:
        errors.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:
        descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        return subprocess.Popen(
            # Named to bash, so that it also runs on file systems mounted noexec.
            ["bash", str(paths.start_script), *json.loads(entry.arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=descriptor,
            cwd=paths.root,
            env=variables,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


def last_words(state_dir: Path, launch: str) -> str:
    """Return what start.sh wrote last before it had a log, as one line; empty if nothing."""
    try:
        raw = _words_file(state_dir, launch).read_bytes()[-_LAST_WORDS:]
    except OSError:
        return ""
    return " ".join(raw.decode(errors="replace").split())


def clear(state_dir: Path, launch: str) -> None:
    """Remove what was caught."""
    with contextlib.suppress(OSError):
        _words_file(state_dir, launch).unlink()


def _words_file(state_dir: Path, launch: str) -> Path:
    return state_dir / "launches" / f"{launch}.err"
