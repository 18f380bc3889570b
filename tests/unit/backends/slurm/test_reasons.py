from __future__ import annotations

import pytest

from jupyter_unattended.backends.slurm.reasons import why_ended, why_waiting


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Priority", "waiting for its priority: jobs of higher priority are before it"),
        ("ReqNodeNotAvail, Unavailable:n1", "a node that it needs is down, drained or reserved"),
        ("Nodes_required_for_job_are_DOWN,_DRAINED", "the nodes that it needs are down"),
        ("AssocGrpGRES", "over the account's limit on GPUs (AssocGrpGRES"),
        ("AssocGrpGRESMinutes", "over the account's limit on GPU minutes (Assoc"),
        ("AssocGrpCPUMinutesLimit", "over the account's limit on CPU minutes (Assoc"),
        ("AssocMaxJobsLimit", "over the account's limit on jobs (AssocMax"),
        ("QOSMaxCpuPerUserLimit", "over the quality of service's limit on CPUs (QOSMax"),
        ("QOSMaxWallDurationPerJobLimit", "over the quality of service's limit on running time"),
        ("job_requeued_in_held_state", "held"),
        ("Some_New_Reason", "Some New Reason"),
    ],
)  # fmt: skip
def test_why_a_job_waits(reason: str, words: str) -> None:
    assert why_waiting(reason).startswith(words)


@pytest.mark.parametrize(
    ("state", "limit", "memory", "words"),
    [
        ("TIMEOUT", "12 h", "", "killed at its time limit of 12 h"),
        ("TIMEOUT", "", "", "killed at its time limit"),
        ("OUT_OF_MEMORY", "", "4G", "out of memory with a limit of 4G"),
        ("COMPLETED", "1 h", "4G", ""),
    ],
)
def test_why_a_job_ended(state: str, limit: str, memory: str, words: str) -> None:
    assert why_ended(state, limit, memory) == words
