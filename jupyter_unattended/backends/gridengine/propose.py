"""A site profile, as far as Grid Engine itself knows its site."""

from __future__ import annotations

import re

from ...errors import BackendError
from ..batch.commands import Commands
from ..batch.proposal import queue_lines

_GPU_RESOURCES = ("gpus", "gpu", "ngpus", "cuda")
_MEMORY_RESOURCES = ("mem_per_core", "h_vmem", "mem_free")


def propose(commands: Commands) -> str:
    """Return the table ``[gridengine]`` in TOML, made from complexes, environments and queues."""
    lines = ["[gridengine]", '# project = "…"  # if your site asks for one']
    complexes = {
        words[0]: words[5]
        for words in (line.split() for line in commands.ask(["qconf", "-sc"]).splitlines())
        if len(words) >= 6 and not words[0].startswith("#")
    }
    gpus = next((name for name in _GPU_RESOURCES if name in complexes), None)
    if gpus:
        lines.append(f'gpu_option = "{gpus}"')
        if complexes[gpus].upper() == "YES":
            lines.append("gpus_per_slot = true  # it is consumed by each slot")
    memory = next(
        (name for name in _MEMORY_RESOURCES if complexes.get(name, "NO").upper() != "NO"), None
    ) or next((name for name in _MEMORY_RESOURCES if name in complexes), None)
    if memory:
        lines.append(f'memory_option = "{memory}"')
    environment = _on_one_host(commands)
    if environment:
        lines.append(f'parallel_environment = "{environment}"')
    for name in commands.ask(["qconf", "-sql"]).split():
        settings = commands.ask(["qconf", "-sq", name])
        limit = re.search(r"^h_rt\s+(\S+)", settings, re.MULTILINE)
        notify = re.search(r"^notify\s+(\S+)", settings, re.MULTILINE)
        lines += queue_lines(
            "gridengine",
            name,
            _duration(limit[1]) if limit else None,
            f"gives {notify[1]} between warning and kill" if notify else "",
        )
    return "\n".join(lines) + "\n"


def _on_one_host(commands: Commands) -> str | None:
    """Return a parallel environment that puts all slots on one host."""
    try:
        names = commands.ask(["qconf", "-spl"]).split()
    except BackendError:
        return None
    single = [
        name
        for name in names
        if re.search(
            r"^allocation_rule\s+\$pe_slots", commands.ask(["qconf", "-sp", name]), re.MULTILINE
        )
    ]
    preferred = [name for name in ("omp", "smp", "threads") if name in single]
    return next(iter(preferred or single), None)


def _duration(text: str) -> str | None:
    found = re.match(r"(\d+):(\d+):(\d+)", text)
    if not found:
        return None
    return f"{int(found[1])}h" if found[2] == found[3] == "00" else found[0]
