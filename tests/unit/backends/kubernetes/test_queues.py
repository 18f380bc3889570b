from __future__ import annotations

from jupyter_unattended import forms
from jupyter_unattended.backends.base import Availability
from jupyter_unattended.backends.kubernetes import KubernetesBackend, queues
from jupyter_unattended.backends.kubernetes.cluster import Cluster
from jupyter_unattended.policy import Policy


def test_queues_in_few_words() -> None:
    assert queues.describe({}) == ""
    assert queues.describe({"kueue": ["a", "b"]}) == "Kueue (a, b)"
    assert queues.describe({"runai": ["x"], "kai": []}) == "KAI (no queue readable); Run:ai (x)"


def test_a_form_offers_only_the_queues_there_are() -> None:
    backend = KubernetesBackend()
    free = forms.BackendChoice.of(backend, Availability(True), Policy()).options["properties"]
    assert "enum" not in free["queue"]

    cluster = backend._clusters[None] = Cluster(None)
    cluster._queues["default"] = (1.0, {"kueue": ["team-a", "team-b"]})
    found = forms.BackendChoice.of(backend, Availability(True), Policy()).options["properties"]
    assert (found["queue"]["type"], found["queue"]["enum"]) == ("string", ["team-a", "team-b"])
    assert found["queue"]["description"] == free["queue"]["description"]
    assert not {"anyOf", "default", "x-disabled"} & found["queue"].keys()
    assert found["queue_system"]["enum"] == ["auto", "kueue", "none"]
    assert "x-disabled" not in found["workload_priority"]

    cluster._queues["default"] = (1.0, {"kai": []})
    found = forms.BackendChoice.of(backend, Availability(True), Policy()).options["properties"]
    assert "enum" not in found["queue"]  # they cannot be read, so any may be there
    assert found["workload_priority"]["x-disabled"] == "This cluster does not have Kueue."

    cluster._queues["default"] = (1.0, {})
    found = forms.BackendChoice.of(backend, Availability(True), Policy()).options["properties"]
    for name in ("queue", "queue_system", "workload_priority"):
        assert "neither Kueue nor KAI nor Run:ai" in found[name]["x-disabled"]
