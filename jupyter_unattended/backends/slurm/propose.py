"""A site profile, as far as Slurm itself knows its site."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..batch.commands import Commands
from ..batch.proposal import queue_lines


def propose(commands: Commands) -> str:
    """Return the table ``[slurm]`` in TOML, made from partitions and the cluster's settings."""
    lines = ["[slurm]"]
    settings = commands.ask(["scontrol", "show", "config"])
    requeue = re.search(r"^JobRequeue\s*=\s*(\d)", settings, re.MULTILINE)
    if requeue and requeue[1] == "0":
        lines.append('chain = "links"  # this cluster does not queue jobs again by itself')
    lines.append('# project = "…"  # the account that pays, if yours is not the default')
    lines.append('# modules = ["…"]')
    nodes = _nodes(commands)
    for fields in partitions(commands.ask(["scontrol", "show", "partition", "-o"])):
        if fields.get("State") != "UP":
            continue
        name = fields["PartitionName"]
        cpus, gpus = nodes.get(name, (None, None))
        lines += queue_lines(
            "slurm",
            name,
            _duration(fields.get("MaxTime", "")),
            "the default" if fields.get("Default") == "YES" else "",
            gpus,
            cpus,
        )
    return "\n".join(lines) + "\n"


def partitions(listed: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each partition in ``scontrol show partition -o``."""
    for record in listed.splitlines():
        yield dict(re.findall(r"(\w+)=(\S+)", record))


def _nodes(commands: Commands) -> dict[str, tuple[int, int]]:
    """Return the most CPUs and GPUs that one node of a partition has: a job runs on one."""
    most: dict[str, tuple[int, int]] = {}
    for line in commands.ask(["sinfo", "-h", "-N", "-o", "%R|%c|%G"]).splitlines():
        name, cpus, gres = [*line.split("|"), "", ""][:3]
        kinds = re.findall(r"\bgpu:(?:[^:,()]+:)?(\d+)", gres)
        gpus = sum(int(count) for count in kinds)
        known = most.get(name, (0, 0))
        most[name] = (max(known[0], int(cpus or 0)), max(known[1], gpus))
    return most


def seconds(text: str) -> float | None:
    """Return Slurm's ``1-00:00:00`` in seconds; None where there is no limit."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if not found:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)


def _duration(text: str) -> str | None:
    """Turn ``1-00:00:00`` into ``24h``; None where there is no limit."""
    limit = seconds(text)
    if limit is None:
        return None
    hours, rest = divmod(round(limit), 3600)
    return f"{hours}h" if not rest else f"{hours}:{rest // 60:02}:{rest % 60:02}"
