"""A job that is ready to be handed to a batch scheduler."""

from __future__ import annotations

from dataclasses import dataclass

from ...spec import JobSpec
from .options import BatchOptions
from .plan import Plan
from .profile import Profile


@dataclass(frozen=True)
class Order:
    """What is submitted, and what it was made from.

    Parameters
    ----------
    spec, options, profile, plan
        What was asked for, what the site says, and the links that makes.
    script
        The text to submit.
    """

    spec: JobSpec
    options: BatchOptions
    profile: Profile
    plan: Plan
    script: str
