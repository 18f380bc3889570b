"""Kinds of resources of queueing systems, for a cluster that lacks them; the test plays their part.

The fields are those of the systems' references: what is not among them, the API server drops.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from jupyter_unattended.backends.base import JobRef
from tests.cluster.harness import Kubernetes, wait_until
from tests.on_cluster.jobs import Bench

KUEUE = "kueue.x-k8s.io"
KAI = "scheduling.run.ai"
RUNAI = "run.ai"

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_CONDITION = {
    "type": "object",
    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
    "properties": {
        **dict.fromkeys(("type", "status", "reason", "message"), _TEXT),
        "lastTransitionTime": {"type": "string", "format": "date-time"},
    },
}
_WORKLOAD = {
    "spec": {
        "type": "object",
        "properties": {
            "active": {"type": "boolean", "default": True},
            "queueName": _TEXT,
            "priority": _NUMBER,
        },
    },
    "status": {
        "type": "object",
        "properties": {"conditions": {"type": "array", "items": _CONDITION}},
    },
}


def definition(
    group: str, version: str, kind: str, properties: dict[str, Any], *, scope: str = "Namespaced"
) -> dict[str, Any]:
    """Return the definition of a kind of resource."""
    plural = f"{kind.lower()}es" if kind.endswith("s") else f"{kind.lower()}s"
    schema = {"type": "object", "properties": properties}
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        **({"subresources": {"status": {}}} if "status" in properties else {}),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [served],
        },
    }


OF_KUEUE = (
    definition(
        KUEUE,
        "v1beta2",
        "LocalQueue",
        {"spec": {"type": "object", "properties": {"clusterQueue": _TEXT}}},
    ),
    definition(KUEUE, "v1beta2", "Workload", _WORKLOAD),
    definition(
        KUEUE,
        "v1beta2",
        "WorkloadPriorityClass",
        {"value": _NUMBER, "description": _TEXT},
        scope="Cluster",
    ),
)
OF_KAI = (
    definition(
        KAI,
        "v2",
        "Queue",
        {"spec": {"type": "object", "properties": {"parentQueue": _TEXT}}},
        scope="Cluster",
    ),
)
OF_RUNAI = (definition(RUNAI, "v1", "RunaiJob", {"spec": {"type": "object"}}),)


def has(cluster: Kubernetes, group: str) -> bool:
    """Say whether a cluster serves an API group."""
    answer = json.loads(cluster.kubectl("get", "--raw=/apis"))
    return group in {entry["name"] for entry in answer["groups"]}


def define(cluster: Kubernetes, definitions: Iterable[dict[str, Any]]) -> list[str]:
    """Create definitions, wait until they are served, and return their names."""
    found = list(definitions)
    names = [one["metadata"]["name"] for one in found]
    cluster.create(*found)
    for name in names:
        cluster.kubectl("wait", "--for=condition=established", f"crd/{name}", "--timeout=50s")
    return names


def undefine(cluster: Kubernetes, names: Iterable[str]) -> None:
    """Remove definitions; returns when the groups are not served any more."""
    found = list(names)
    cluster.kubectl("delete", "crd", *found)
    for group in {name.partition(".")[2] for name in found}:
        wait_until(lambda group=group: not has(cluster, group), f"{group} is gone")  # type: ignore[misc]


def create(cluster: Kubernetes, content: dict[str, Any]) -> None:
    """Create an object of a kind that is new, which takes the API server a moment to learn."""
    wait_until(
        lambda: "created" in cluster.kubectl("create", "-f", "-", stdin=content, check=False),
        f"{content['kind']} {content['metadata']['name']} can be created",
        30,
    )


class Kueue:
    """Plays Kueue's part for one namespace, with a LocalQueue ``team``."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._create("LocalQueue", "team", {"spec": {"clusterQueue": "all"}})

    def _create(self, kind: str, name: str, fields: dict[str, Any], **labels: str) -> None:
        metadata = {"name": name, "labels": labels}
        if kind != "WorkloadPriorityClass":
            metadata["namespace"] = self.bench.namespace
        content = {"apiVersion": f"{KUEUE}/v1beta2", "kind": kind, "metadata": metadata, **fields}
        create(self.bench.cluster, content)

    def make_priorities(self, **values: int) -> None:
        """Make WorkloadPriorityClasses."""
        for name, value in values.items():
            self._create("WorkloadPriorityClass", name, {"value": value})

    def take(self, job: JobRef) -> None:
        """Take note of a Job, as Kueue's controller does."""
        uid = self.bench.job(job)["metadata"]["uid"]
        self._create("Workload", "w", {"spec": {"active": True}}, **{f"{KUEUE}/job-uid": uid})

    def say(self, *conditions: tuple[str, str, str]) -> None:
        """Set the conditions of the Workload (type, status, message)."""
        content = [
            {
                "type": kind,
                "status": status,
                "reason": "Test",
                "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind, status, message in conditions
        ]
        patch = {"status": {"conditions": content}}
        self._patch(f"workloads.{KUEUE}", "w", patch, "--subresource=status")

    def suspend(self, job: JobRef, *, suspended: bool) -> None:
        """Let a Job run, or stop it."""
        name = job.handle.rpartition("/")[2]
        self._patch("jobs.batch", name, {"spec": {"suspend": suspended}})

    def active(self) -> bool:
        """Say whether the Workload is active."""
        found = self.bench.cluster.get(f"workloads.{KUEUE}", "w", "-n", self.bench.namespace)
        return bool(found["spec"]["active"])

    def _patch(self, kind: str, name: str, patch: Any, *how: str) -> None:
        self.bench.cluster.kubectl(
            *("patch", kind, name, "-n", self.bench.namespace, "--type=merge", *how),
            f"--patch={json.dumps(patch)}",
        )
