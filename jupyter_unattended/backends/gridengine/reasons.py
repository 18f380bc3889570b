"""What Grid Engine's states and messages mean, in people's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ..batch.observe import EndedAs

_Words = str | Callable[[re.Match[str]], str]


def _too_little(found: re.Match[str]) -> str:
    """``(-l gpus=2) cannot run at host "h" because it offers only hc:gpus=0.000000``."""
    asked, offered = found[1], found[2]
    kind, _, rest = offered.partition(":")
    name, _, has = rest.partition("=")
    wanted = dict(pair.partition("=")[::2] for pair in asked.split(",")).get(name, "")
    has = re.sub(r"\.0+$", "", has)
    if kind.endswith("c"):  # a consumable: what is offered is what is left of it
        return f"waiting for {name}: it asks for {wanted}, and no host has so much of it free"
    return f"no host has {name}={wanted}; there is {name}={has}"


#: From the most telling to the least: a job has messages about queues that it cannot run in anyway.
_WAITING: tuple[tuple[str, _Words], ...] = (
    (r"job dependencies", "waiting for the link before it"),
    (r"until clean up of a previous run", "its node is cleaning up after the run before it"),
    (
        r'exceeds limit "(.*?)" in rule "(.*?)"',
        lambda m: f"over the limit of the resource quota {m[2]} ({m[1]})",
    ),
    (r"because of user limitations", "as many of your jobs as are allowed are running"),
    (r'project "(.*?)".*(?:no|not).*permission', lambda m: f"project {m[1]} may not run there"),
    (r"\(-l (\S+)\) cannot run .*because it offers only (\S+)", _too_little),
    (
        r'\(-l (\S+)\) cannot run in queue "(.*?)" because of cluster queue',
        lambda m: f"queue {m[2]} does not allow {m[1]}",
    ),
    (
        r'cannot run in PE "(.*?)" because it only offers (-?\d+) slots',
        lambda m: f"waiting for free slots: parallel environment {m[1]} has {m[2]} for it",
    ),
    (
        r'queue instance "(.*?)" dropped because it is (?!full)(.*)',
        lambda m: f"queue {m[1]} is {m[2]}",
    ),
    (r"dropped because it is full", "waiting for a free slot: its queues are full"),
    (
        r"does not request 'forced' resource \"(.*?)\" of queue instance (\S+)",
        lambda m: f"queue {m[2]} is for jobs that ask for {m[1]}",
    ),
    (r"not contained in its hard queue list", "waiting in the queue"),
)


def why_waiting(messages: Sequence[str]) -> str:
    """Say why a pending job does not run.

    Parameters
    ----------
    messages
        What the scheduler said of it, and of queues in general; nothing where the site has
        ``schedd_job_info`` off.
    """
    for pattern, words in _WAITING:
        for message in messages:
            found = re.search(pattern, message)
            if found:
                return words if isinstance(words, str) else words(found)
    return f"waiting: {messages[0]}" if messages else "waiting in the queue"


def standing(row: dict[str, Any], messages: Sequence[str]) -> dict[str, Any]:
    """Return a job of qstat as `Seen` in plain data."""
    letters = row["letters"]
    seen: dict[str, Any] = {"id": row["id"], "since": row["since"], "why": ""}
    if "E" in letters:
        said = messages[0] if messages else "see qstat -j"
        said = re.sub(r"^\S+ \S+ \[\S+\]: (error: )?", "", said)
        return {**seen, "phase": "held", "why": f"Grid Engine could not start it: {said}"}
    if "q" in letters or "w" in letters:
        # The letter is the same for a person's hold and for one that waits for another job.
        if "h" in letters and not any("job dependencies" in message for message in messages):
            return {**seen, "phase": "held", "why": "held"}
        return {**seen, "phase": "pending", "why": why_waiting(messages)}
    if set(letters) & set("sST"):
        return {**seen, "phase": "suspended", "why": "suspended by Grid Engine"}
    return {**seen, "phase": "running", "why": "being deleted" if "d" in letters else ""}


def why_killed_at_a_limit(fields: dict[str, str]) -> tuple[str, EndedAs]:
    """Say which limit it was, from what qacct knows of a job: (words, `Seen.ended_as`)."""
    asked = dict(
        pair.partition("=")[::2]
        for words in re.findall(r"-l (\S+)", fields.get("category", ""))
        for pair in words.split(",")
    )
    memory, used = asked.get("h_vmem", ""), fields.get("maxvmem", "").strip()
    slots = int(fields.get("slots", "1").strip() or 1)
    if memory and _bytes(used) >= 0.98 * slots * _bytes(memory):
        each = " for each slot" if slots > 1 else ""
        return f"out of memory with a limit of {memory}{each}: it used {used}", "memory"
    if asked.get("h_rt"):
        return f"killed at its time limit of {asked['h_rt']} s", "time limit"
    return "killed at a limit that Grid Engine enforces", "time limit"


def _bytes(text: str) -> float:
    """Return an amount as Grid Engine writes it: ``600M``, ``628.262MB``; 0 if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text.strip(), re.IGNORECASE)
    return float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ") if found else 0.0
