"""How jobs are marked in a cluster, and names that are valid there."""

from __future__ import annotations

import re

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


def value(text: str) -> str:
    """Return `text` as a valid value of a label, as similar as possible."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:63].strip("-_.")


def name(text: str, limit: int = 63) -> str:
    """Return `text` as a valid name of an object."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:limit].strip("-") or "job"
