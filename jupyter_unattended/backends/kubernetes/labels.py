"""How jobs are marked in a cluster, and names that are valid there."""

from __future__ import annotations

import re
from typing import Any

#: On the Job and on its pods: the id of the job.
JOB = "jupyter-unattended/job"
#: On the Job and on its pods: who submitted it.
USER = "jupyter-unattended/user"
#: On Jobs, as an annotation: the job directory.
DIRECTORY = "jupyter-unattended/directory"
#: On Jobs, as an annotation: made anew for each, so that we know our own again.
NONCE = "jupyter-unattended/nonce"
#: Name of the container that runs start.sh.
CONTAINER = "job"
#: Name of the init container that clones a repository.
CLONE = "clone"


def value(text: str) -> str:
    """Return `text` as a valid value of a label, as similar as possible."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:63].strip("-_.")


def name(text: str, limit: int = 63) -> str:
    """Return `text` as a valid name of an object."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:limit].strip("-") or "job"


def run_key(name: str, index: int | None) -> str:
    """Return what stands for a Job, or for one run of a sweep, in handles and among pods."""
    return name if index is None else f"{name}#{index}"


def pods_key(pod: dict[str, Any]) -> str:
    """Return the `run_key` that a pod belongs to."""
    marks = pod["metadata"].get("labels", {})
    index = marks.get("batch.kubernetes.io/job-completion-index")
    name = marks.get("batch.kubernetes.io/job-name", "")
    return run_key(name, None if index is None else int(index))
