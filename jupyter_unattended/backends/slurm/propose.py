"""A site profile, as far as Slurm itself knows its site."""

from __future__ import annotations

import re

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
    for record in commands.ask(["scontrol", "show", "partition", "-o"]).splitlines():
        fields = dict(re.findall(r"(\w+)=(\S+)", record))
        if fields.get("State") != "UP":
            continue
        gpus = re.search(r"gres/gpu=(\d+)", fields.get("TRES", ""))
        lines += queue_lines(
            "slurm",
            fields["PartitionName"],
            _duration(fields.get("MaxTime", "")),
            "the default" if fields.get("Default") == "YES" else "",
            int(gpus[1]) if gpus else None,
        )
    return "\n".join(lines) + "\n"


def _duration(text: str) -> str | None:
    """Turn ``1-00:00:00`` into ``24h``; None where there is no limit."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    hours += days * 24
    return f"{hours}h" if not minutes and not seconds else f"{hours}:{minutes:02}:{seconds:02}"
