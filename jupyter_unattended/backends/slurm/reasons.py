"""What Slurm's states and reasons mean, in people's words."""

from __future__ import annotations

import re

#: Why a job waits. Unknown ones are shown as Slurm says them.
_WAITING = {
    "None": "Slurm has not considered it yet",
    "Priority": "waiting for its priority: jobs of higher priority are before it",
    "Resources": "waiting for free resources",
    "Dependency": "waiting for the link before it",
    "DependencyNeverSatisfied": "the link before it can never end as it must",
    "BeginTime": "Slurm waits a moment before it starts a job again",
    "JobHeldUser": "held",
    "JobHeldAdmin": "held by an administrator",
    "JobArrayTaskLimit": "as many runs of its array as are allowed are running",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is not active",
    "PartitionNodeLimit": "asks for more nodes than its partition allows",
    "PartitionTimeLimit": "its time limit is above what its partition allows",
    "PartitionConfig": "asks for more than its partition has",
    "ReqNodeNotAvail": "a node that it needs is down, drained or reserved",
    "BadConstraints": "no node has what it asks for",
    "NodeDown": "its node is down",
    "Licenses": "waiting for a licence",
    "Reservation": "waiting for its reservation to begin",
    "ReservationDeleted": "its reservation was deleted",
    "Cleaning": "Slurm is cleaning up after its last run",
    "Prolog": "its node is being prepared",
    "InvalidAccount": "its account does not exist or may not be used",
    "InvalidQOS": "its quality of service does not exist or may not be used",
    "AccountNotAllowed": "its partition is closed to its account",
    "QOSNotAllowed": "its partition does not allow its quality of service",
    "SchedDefer": "Slurm has put off scheduling",
    "launch failed requeued held": "it could not be launched; Slurm holds it",
    "launch_failed_requeued_held": "it could not be launched; Slurm holds it",
}  # fmt: skip

_LIMIT_OF = {"Assoc": "the account's", "QOS": "the quality of service's", "User": "your"}
_OF_WHAT = {
    "GRESMin": "GPU minutes", "CPUMin": "CPU minutes",
    "CpuMin": "CPU minutes", "GRES": "GPUs", "Cpu": "CPUs", "CPU": "CPUs", "Mem": "memory",
    "Node": "nodes",
    "Job": "jobs", "Submit": "submitted jobs", "Wall": "running time", "Billing": "budget",
    "Time": "running time", "Runs": "running jobs",
}  # fmt: skip


def why_waiting(reason: str) -> str:
    """Say why a pending job does not run."""
    known = _WAITING.get(reason)
    if known is not None:
        return known
    if reason.startswith("Nodes_required_for_job_are_DOWN"):
        return "the nodes that it needs are down, drained or reserved"
    if re.match(r"job.requeued.in.held.state", reason):
        return "held"
    base = reason.split(",")[0].split(":")[0]
    if base in _WAITING:
        return _WAITING[base]
    found = re.match(r"(Assoc|QOS|User)\w*?(Limit)?$", reason)
    if found and ("Grp" in reason or "Max" in reason or "Min" in reason or found[2]):
        limited = re.sub(r"Per(Job|User|Node|Account)", "", reason)
        what = next((words for key, words in _OF_WHAT.items() if key in limited), "resources")
        return f"over {_LIMIT_OF[found[1]]} limit on {what} ({reason})"
    return reason.replace("_", " ")


#: How a job ended, by state; `{limit}` is its time limit.
_ENDED = {
    "TIMEOUT": "killed at its time limit{limit}",
    "DEADLINE": "ended at its deadline",
    "OUT_OF_MEMORY": "out of memory{memory}",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node could not be started",
    "PREEMPTED": "preempted, and Slurm did not queue it again",
    "REVOKED": "revoked",
    "CANCELLED": "cancelled with scancel",
}


def why_ended(state: str, limit: str = "", memory: str = "") -> str:
    """Say how a job ended that did not end by itself; empty for one that did."""
    text = _ENDED.get(state, "")
    return text.format(
        limit=f" of {limit}" if limit else "", memory=f" with a limit of {memory}" if memory else ""
    )
