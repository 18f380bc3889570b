"""What is read off Jobs and pods as they are: times, conditions, containers."""

from __future__ import annotations

import time
from datetime import datetime

from . import labels
from .client import Json


def moment(text: str | None) -> float | None:
    """Return a time stamp of the API as seconds since the epoch.

    The API cuts off fractions. What is returned is never before the true moment, nor after now, so
    that what was observed in between stays in order.
    """
    if not text:
        return None
    return min(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() + 1, time.time())


def condition(item: Json | None, kind: str) -> Json | None:
    """Return an object's condition of a kind if it is true."""
    for entry in (item or {}).get("status", {}).get("conditions", []):
        if entry["type"] == kind and entry["status"] == "True":
            found: Json = entry
            return found
    return None


def container_status(pod: Json) -> Json:
    """Return the status of the container that runs start.sh; empty before there is one."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == labels.CONTAINER:
            found: Json = status
            return found
    return {}


def terminated(pod: Json) -> Json:
    """Return how the container ended; empty while it has not."""
    found: Json = container_status(pod).get("state", {}).get("terminated") or {}
    return found


def has_started(pod: Json) -> bool:
    """Whether a pod's container runs or has run."""
    return bool({"running", "terminated"} & set(container_status(pod).get("state", {})))


def is_gone(pod: Json) -> bool:
    """Whether nothing of a pod runs any more."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
