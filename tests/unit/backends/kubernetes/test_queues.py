from __future__ import annotations

from jupyter_unattended.backends.kubernetes import queues


def test_queues_in_few_words() -> None:
    assert queues.describe({}) == ""
    assert queues.describe({"kueue": ["a", "b"]}) == "Kueue (a, b)"
    assert queues.describe({"runai": ["x"], "kai": []}) == "KAI (no queue readable); Run:ai (x)"
