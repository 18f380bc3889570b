"""Reading what squeue and sacct list."""

from __future__ import annotations

import re
import time
from typing import Any

from ..batch.observe import Seen
from ..batch.plan import clock
from . import reasons

#: squeue's fields with their widths.
_FIELDS = (
    ("JobArrayID", 48), ("State", 24), ("Reason", 128), ("exit_code", 16),
    ("StartTime", 24), ("EndTime", 24), ("SubmitTime", 24), ("TimeLimit", 24), ("MinMemory", 16),
    ("Comment", 255),
)  # fmt: skip
_PENDING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"RUNNING", "CONFIGURING", "COMPLETING", "SIGNALING", "STAGE_OUT", "RESIZING"}
_HELD = {"REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_STARTING = {"CONFIGURING": "its node is being prepared"}
_ENDED_AS: dict[str, Any] = {
    "CANCELLED": "cancelled", "TIMEOUT": "time limit", "DEADLINE": "time limit",
    "OUT_OF_MEMORY": "memory", "NODE_FAIL": "node", "BOOT_FAIL": "node",
    "PREEMPTED": "preempted",
}  # fmt: skip

#: What a job's comment begins with; our id of it follows.
COMMENT = "unattended:"
#: What is said to squeue's -O.
FORMAT = ",".join(f"{name}:{width}|" for name, width in _FIELDS)
#: What is said to sacct's -o.
ACCOUNTING = "JobID,State,End,Timelimit,ReqMem"


def parse_jobs(listed: str) -> list[dict[str, Any]]:
    """Return the lines of squeue as `Seen` in plain data."""
    return [_row(line) for line in listed.splitlines() if line.count("|") >= len(_FIELDS)]


def parse_accounting(listed: str) -> dict[str, Seen]:
    """Return how jobs ended from ``sacct -n -P``."""
    found = {}
    for line in listed.splitlines():
        fields = line.split("|")
        if len(fields) < 5:
            continue
        state = fields[1].split()[0] if fields[1] else ""
        found[fields[0]] = Seen(
            fields[0],
            "ended",
            reasons.why_ended(state, _limit(fields[3]), fields[4]),
            _time(fields[2]),
            _ENDED_AS.get(state, "unclear"),
        )
    return found


def _row(line: str) -> dict[str, Any]:
    """One line of squeue as `Seen` in plain data."""
    fields = [field.strip() for field in line.split("|")]
    id_, comment = fields[0], fields[len(_FIELDS) - 1]
    # All tasks of an array have the comment of its first.
    job = comment.removeprefix(COMMENT) if comment.startswith(COMMENT) and "_" not in id_ else ""
    return {"id": id_, "job": job, **_standing(*fields[1 : len(_FIELDS) - 1])}


def _standing(
    state: str,
    reason: str,
    code: str,
    starts: str,
    ended: str,
    submitted: str,
    limit: str,
    memory: str,
) -> dict[str, Any]:
    if state in _PENDING:
        held = "held" in reason.lower() or state in _HELD
        return {
            "phase": "held" if held else "pending",
            "why": reasons.why_waiting(reason),
            "since": _time(submitted),
            "starts": _time(starts),
            "delayed": reason == "BeginTime",
        }
    if state in _RUNNING:
        why = _STARTING.get(state, "")
        return {"phase": "running", "why": why, "since": _time(starts)}
    if state == "SUSPENDED" or state == "STOPPED":
        return {"phase": "suspended", "why": "suspended by Slurm"}
    why = reasons.why_ended(state, _limit(limit), "" if memory == "0" else memory)
    if not why and code.isdecimal() and int(code) & 0x7F:
        why = _killed_by(int(code) & 0x7F)
    return {
        "phase": "ended",
        "why": why,
        "since": _time(ended),
        "ended_as": _ENDED_AS.get(state, "unclear"),
    }


def _killed_by(number: int) -> str:
    if number == 53:  # how slurmstepd says that it could not open the job's output
        return (
            "the node could not open scheduler.log: the job directory is not there or not writable"
        )
    return f"its script was killed by signal {number} from outside Slurm"


def _limit(text: str) -> str:
    if text.isdecimal():  # minutes, as in the file of completed jobs
        return clock(int(text) * 60)
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if not found:
        return ""
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return clock(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _time(text: str) -> float | None:
    if text.isdecimal():
        return float(text) or None
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None
