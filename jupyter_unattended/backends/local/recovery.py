"""Entries of the queue: from a spec, and from a job directory when the queue was lost."""

from __future__ import annotations

import json
import time
from typing import Any

from ...jobs import attempts, discovery, history
from ...jobs.states import State
from ..base import JobRef
from . import processes
from .queue import Entry


def new_entry(job_id: str, directory: str, spec: dict[str, Any]) -> Entry:
    """Return a queued job, from its spec as in job.json."""
    return Entry(
        id=job_id,
        directory=directory,
        arguments=json.dumps(spec.get("arguments") or []),
        env=json.dumps(spec.get("env") or {}),
        environment="",
        secrets=int(bool(spec.get("secret_env"))),
        ordinal=0.0,
        priority=int(spec.get("priority") or 0),
        cpus=float(spec.get("cpus") or 1),
        memory=spec.get("memory"),
        gpus=int(spec.get("gpus") or 0),
        grace_period=float(spec.get("grace_period") or 30.0),
        time_limit=spec.get("time_limit"),
        max_restarts=int(spec.get("max_restarts") or 0),
        state=State.QUEUED.value,
        reason="",
        since=time.time(),
        backend=str(spec.get("backend") or "local"),
    )


def recover(job: JobRef) -> Entry | None:
    """Return the entry of a job that a lost queue had; None if it never had it.

    The last state is in history.jsonl, the process of a running attempt in attempt.json.
    """
    record = discovery.read_record(job.paths)
    if record is None or not discovery.handed_over(job.paths):
        return None
    entry = new_entry(job.job_id, str(job.paths.root), record["spec"])
    entries = history.read(job.paths.history)
    if entries:
        last = entries[-1]
        entry.state, entry.reason, entry.since = last.state.value, last.reason, last.time
        entry.exit_code = last.exit_code
        entry.restarts = sum(1 for change in entries if change.state is State.PREEMPTED)
    existing = job.paths.existing_attempts()
    if existing:
        entry.attempt = existing[-1].number
        entry.run_seconds = _run_seconds(job, before=entry.attempt)
    if entry.state == State.PREEMPTED:
        entry.state = State.QUEUED.value
    elif State(entry.state).is_active:
        _find_process(job, entry)
    return entry


def _find_process(job: JobRef, entry: Entry) -> None:
    """Fill in the running attempt: the agent then finds out whether it still runs."""
    entry.launched = entry.since
    entry.boot = processes.boot_id()
    if entry.attempt:
        record = attempts.record(job.paths.attempt(entry.attempt))
        if entry.backend == "local":  # in a container, ids of processes are others
            entry.pid, entry.pid_start = record.get("pid"), record.get("pid_start")
        entry.boot = record.get("boot_id") or entry.boot
        entry.launched = record.get("started") or entry.launched
        entry.launch = record.get("launch")
    # One that has no attempt yet is only known to its processes.
    living = processes.launches_of(job.job_id, str(job.paths.root))
    entry.launch = next(iter(living), entry.launch)
    if entry.state == State.PAUSING:
        entry.wanted = "pause"


def _run_seconds(job: JobRef, before: int) -> float:
    total = 0.0
    for paths in job.paths.existing_attempts():
        record = attempts.record(paths)
        if paths.number < before and record.get("started") and record.get("ended"):
            total += record["ended"] - record["started"]
    return total
