"""What a cluster has to choose from: queues and classes, as far as this user may read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import queues
from .client import Api, ApiError
from .queues import System

_PRIORITY_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
_RUNTIME_CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
_WORKLOAD_PRIORITIES = f"{queues.KUEUE}/workloadpriorityclasses"
#: Every cluster has these, and nobody but the cluster itself may use them.
_OF_THE_CLUSTER = "system-"


@dataclass(frozen=True)
class Offers:
    """What there is; None for what may not be read, so that any name may be right.

    Parameters
    ----------
    queues
        The queues that jobs of the namespace can wait in, by system.
    priority_classes, runtime_classes, workload_priorities
        Names of classes of the cluster.
    contexts
        The kubeconfig's contexts; empty without one.
    """

    queues: dict[System, list[str]] = field(default_factory=dict)
    priority_classes: list[str] | None = None
    runtime_classes: list[str] | None = None
    workload_priorities: list[str] | None = None
    contexts: Sequence[str] = ()

    @classmethod
    def ask(cls, api: Api, found: set[System], namespace: str) -> Offers:
        """Ask a cluster that has the systems `found`."""
        return cls(
            queues={system: queues.names(api, system, namespace) for system in found},
            priority_classes=_names(api, _PRIORITY_CLASSES),
            runtime_classes=_names(api, _RUNTIME_CLASSES),
            workload_priorities=_names(api, _WORKLOAD_PRIORITIES) if "kueue" in found else None,
            contexts=tuple(api.contexts),
        )

    def narrow(self) -> dict[str, dict[str, Any]]:
        """Return JSON Schema keywords for the options of which these are all the choices."""
        narrowed = {
            **_queues(self.queues),
            **_classes("priority_class", self.priority_classes, "PriorityClass of its own"),
            **_classes("runtime_class", self.runtime_classes, "RuntimeClass"),
        }
        if "kueue" in self.queues:
            what = "WorkloadPriorityClass of Kueue"
            narrowed |= _classes("workload_priority", self.workload_priorities, what)
        if self.contexts:
            narrowed["context"] = {"type": "string", "enum": list(self.contexts)}
        else:
            narrowed["context"] = {"x-disabled": "There is no kubeconfig here."}
        return narrowed


def _names(api: Api, path: str) -> list[str] | None:
    try:
        names = [str(item["metadata"]["name"]) for item in api.get(path).get("items", [])]
    except ApiError:
        return None
    return sorted(name for name in names if not name.startswith(_OF_THE_CLUSTER))


def _classes(option: str, names: list[str] | None, what: str) -> dict[str, dict[str, Any]]:
    if names is None:
        return {}
    if not names:
        return {option: {"x-disabled": f"This cluster has no {what}."}}
    return {option: {"type": "string", "enum": names}}


def _queues(found: dict[System, list[str]]) -> dict[str, dict[str, Any]]:
    if not found:
        why = {"x-disabled": "This cluster has neither Kueue nor KAI nor Run:ai."}
        return {"queue": why, "queue_system": why, "workload_priority": why}
    narrowed: dict[str, dict[str, Any]] = {
        "queue_system": {"enum": ["auto", *sorted(found), "none"], "default": "auto"}
    }
    if all(found.values()):
        names = sorted({name for queues in found.values() for name in queues})
        narrowed["queue"] = {"type": "string", "enum": names}
    if "kueue" not in found:
        narrowed["workload_priority"] = {"x-disabled": "This cluster does not have Kueue."}
    return narrowed
