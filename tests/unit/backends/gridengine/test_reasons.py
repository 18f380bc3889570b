from __future__ import annotations

from typing import Any

import pytest

from jupyter_unattended.backends.gridengine.reasons import standing, why_waiting

FULL = 'queue instance "all.q@n1" dropped because it is full'
FORCED = "does not request 'forced' resource \"wide\" of queue instance wide.q@n1"
ELSEWHERE = 'cannot run in queue "b.q" because it is not contained in its hard queue list (-q)'


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "waiting in the queue"),
        ([ELSEWHERE], "waiting in the queue"),
        ([ELSEWHERE, FORCED, FULL], "waiting for a free slot: its queues are full"),
        ([ELSEWHERE, FORCED], "queue wide.q@n1 is for jobs that ask for wide"),
        (
            [FORCED, '(-l gpus=2,h_rt=60) cannot run at host "n1" because it offers only '
             "hc:gpus=0.000000", FULL],
            "waiting for gpus: it asks for 2, and no host has so much of it free",
        ),
        (
            ['(-l gpu_type=H100) cannot run at host "n1" because it offers only '
             "hf:gpu_type=A100"],
            "no host has gpu_type=H100; there is gpu_type=A100",
        ),
        (
            ['(-l gpu_c=9) cannot run at host "n1" because it offers only hf:gpu_c=8.000000'],
            "no host has gpu_c=9; there is gpu_c=8",
        ),
        (
            ['(-l h_rt=360000) cannot run in queue "all.q" because of cluster queue'],
            "queue all.q does not allow h_rt=360000",
        ),
        (
            [FORCED, 'cannot run in PE "omp" because it only offers 0 slots'],
            "waiting for free slots: parallel environment omp has 0 for it",
        ),
        (
            ['cannot run because it exceeds limit "me/////" in rule "per_user/1"'],
            "over the limit of the resource quota per_user/1 (me/////)",
        ),
        (
            ['cannot run on host "n1" until clean up of a previous run has finished', FULL],
            "its node is cleaning up after the run before it",
        ),
        (['queue instance "all.q@n1" dropped because it is temporarily not available'],
         "queue all.q@n1 is temporarily not available"),
        (["job dropped because of job dependencies"], "waiting for the link before it"),
        (["something new", FORCED.replace("forced", "new")], "waiting: something new"),
    ],
)  # fmt: skip
def test_why_a_job_waits(messages: list[str], words: str) -> None:
    assert why_waiting(messages) == words


@pytest.mark.parametrize(
    ("letters", "messages", "phase", "why"),
    [
        ("qw", [], "pending", "waiting in the queue"),
        ("Rq", [], "pending", "waiting in the queue"),
        ("hqw", ["Job is in hold state"], "held", "held"),
        ("hqw", [], "held", "held"),
        ("hqw", ["job dropped because of job dependencies"], "pending",
         "waiting for the link before it"),
        ("r", [], "running", ""),
        ("dr", [], "running", "being deleted"),
        ("S", [], "suspended", "suspended by Grid Engine"),
        ("Eqw", ["11/21/2026 10:00:00 [0:77]: error: can't open output file"], "held",
         "Grid Engine could not start it: can't open output file"),
        ("Eqw", [], "held", "Grid Engine could not start it: see qstat -j"),
    ],
)  # fmt: skip
def test_where_a_job_is(letters: str, messages: list[str], phase: str, why: str) -> None:
    row: dict[str, Any] = {"id": "7", "letters": letters, "since": None}
    assert standing(row, messages) == {"id": "7", "since": None, "phase": phase, "why": why}
