from __future__ import annotations

from typing import Any

from jupyter_unattended import forms
from jupyter_unattended.backends.base import Availability
from jupyter_unattended.backends.kubernetes import KubernetesBackend
from jupyter_unattended.backends.kubernetes.cluster import Cluster
from jupyter_unattended.backends.kubernetes.offers import Offers
from jupyter_unattended.policy import Policy


def form(offers: Offers | None) -> Any:
    """Return the options that a form shows where a cluster has `offers`."""
    backend = KubernetesBackend()
    if offers is not None:
        cluster = backend._clusters[None] = Cluster(None)
        cluster._offers["default"] = (1.0, offers)
    return forms.BackendChoice.of(backend, Availability(True), Policy()).options["properties"]


def test_a_form_offers_only_the_queues_there_are() -> None:
    free = form(None)
    assert "enum" not in free["queue"]

    found = form(Offers({"kueue": ["team-a", "team-b"]}))
    assert (found["queue"]["type"], found["queue"]["enum"]) == ("string", ["team-a", "team-b"])
    assert found["queue"]["description"] == free["queue"]["description"]
    assert not {"anyOf", "default", "x-disabled"} & found["queue"].keys()
    assert found["queue_system"]["enum"] == ["auto", "kueue", "none"]
    assert "x-disabled" not in found["workload_priority"]

    found = form(Offers({"kai": []}))
    assert "enum" not in found["queue"]  # they cannot be read, so any may be there
    assert found["workload_priority"]["x-disabled"] == "This cluster does not have Kueue."

    found = form(Offers())
    for name in ("queue", "queue_system", "workload_priority"):
        assert "neither Kueue nor KAI nor Run:ai" in found[name]["x-disabled"]


def test_a_form_offers_only_the_classes_and_contexts_there_are() -> None:
    everything = Offers(
        {"kueue": ["team"]},
        priority_classes=["high", "low"],
        runtime_classes=["kata"],
        workload_priorities=["urgent"],
        contexts=["lab", "cloud"],
    )
    found = form(everything)
    assert found["priority_class"]["enum"] == ["high", "low"]
    assert found["runtime_class"]["enum"] == ["kata"]
    assert found["workload_priority"]["enum"] == ["urgent"]
    assert found["context"]["enum"] == ["lab", "cloud"]

    found = form(Offers(priority_classes=[], runtime_classes=[]))
    assert found["priority_class"]["x-disabled"] == (
        "This cluster has no PriorityClass of its own."
    )
    assert found["runtime_class"]["x-disabled"] == "This cluster has no RuntimeClass."
    assert found["context"]["x-disabled"] == "There is no kubeconfig here."


def test_what_may_not_be_read_may_be_anything() -> None:
    found = form(Offers({"kueue": ["team"]}))
    for name in ("priority_class", "runtime_class", "workload_priority"):
        assert not {"enum", "x-disabled"} & found[name].keys()
