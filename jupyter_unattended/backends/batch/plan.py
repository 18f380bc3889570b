"""From a total time and a queue's limit to the links of a chain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import SpecError
from ...spec import JobSpec
from .options import BatchOptions, ChainWay
from .profile import Profile


@dataclass(frozen=True)
class Plan:
    """How long a job runs, and in how many links. Times are whole seconds.

    Parameters
    ----------
    total
        Longest running time over all links; None where nobody limits it.
    link
        Time limit of one link; None where it is left to the scheduler.
    warning
        How long before its limit a link is told to stop.
    links
        How many links that makes, 1 for a job without a chain.
    way
        How the next link follows.
    words
        What a person should know about it, or an empty text.
    """

    total: int | None
    link: int | None
    warning: int
    links: int
    way: ChainWay
    words: str = ""


def check_size(spec: JobSpec, options: BatchOptions, profile: Profile) -> None:
    """Refuse what no job can have in its queue, as far as the profile tells.

    Raises
    ------
    SpecError
        If more is asked for than the profile allows.
    """
    name, queue = profile.queue_of(options.queue)
    for field, asked, most, what in (
        ("gpus", spec.gpus, queue.gpus, "GPUs"),
        ("cpus", math.ceil(spec.cpus), queue.cpus, "CPU cores"),
    ):
        if most is not None and asked > most:
            has = f"at most {most} {what}" if most else f"no {what}"
            raise SpecError(f"{field}: a job in queue {name} can have {has}, not {asked}")


def needs_limit(
    spec: JobSpec, options: BatchOptions, profile: Profile, asked: float | None
) -> bool:
    """Whether the plan depends on a queue's limit that the profile does not tell."""
    _, queue = profile.queue_of(options.queue)
    return bool(_total(spec, options)) and not (options.link_time or asked or queue.time_limit)


def plan(
    spec: JobSpec,
    options: BatchOptions,
    profile: Profile,
    *,
    asked: float | None = None,
    limit: float | None = None,
) -> Plan:
    """Plan the links of a job.

    Parameters
    ----------
    spec, options, profile
        What was asked for, and what the site says.
    asked
        A time limit that stands in the person's own directives.
    limit
        What the queue allows at once, where the profile does not tell and the scheduler did.

    Raises
    ------
    SpecError
        If the times contradict each other or the queue's limit.
    """
    name, queue = profile.queue_of(options.queue)
    limit = queue.time_limit or limit
    total = _total(spec, options)
    link = options.link_time or asked
    if link and limit and link > limit:
        raise SpecError(
            f"link-time: queue {name or 'by default'} allows {clock(limit)} at once, not "
            f"{clock(link)}"
        )
    if link and total and link > total:
        link = total
    if link is None:
        candidates = [value for value in (total, limit if total else None) if value]
        link = min(candidates) if candidates else profile.default_time
    if total is None:
        total = link
    links = max(1, math.ceil(total / link - 1e-9)) if total and link else 1
    grace = math.ceil(spec.grace_period)
    warning = math.ceil(options.warning_time or grace + min(60.0, max(2.0, (link or 600) / 10)))
    if link and warning >= link:
        raise SpecError(
            f"link-time: a link of {clock(link)} leaves no time to run before its warning, "
            f"{clock(warning)} ahead of the limit (grace-period, warning-time)"
        )
    words = ""
    if links > 1 and total and link:
        where = f"queue {name}" if name else "the queue"
        allowed = f"{where} allows {clock(limit)}; " if limit else ""
        words = f"{allowed}{clock(total)} makes a chain of {links} links of {clock(link)}"
    return Plan(
        math.ceil(total) if total else None,
        math.ceil(link) if link else None,
        warning,
        links,
        options.chain or profile.chain,
        words,
    )


def _total(spec: JobSpec, options: BatchOptions) -> float | None:
    if options.total_time and spec.time_limit and options.total_time != spec.time_limit:
        raise SpecError(
            f"total-time: it is the same as the time limit, but one says "
            f"{clock(options.total_time)} and the other {clock(spec.time_limit)}"
        )
    return options.total_time or spec.time_limit


def clock(seconds: float) -> str:
    """Return a duration as people say it: ``12 h``, ``1 h 30 min``, ``90 s``."""
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:g} s" if whole != seconds else f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
