"""What this machine has for jobs: cores, memory, GPUs, and how it is called."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Resources:
    """An amount of what jobs use; `memory` in bytes."""

    cpus: float
    memory: int
    gpus: int

    def __sub__(self, other: Resources) -> Resources:
        return Resources(self.cpus - other.cpus, self.memory - other.memory, self.gpus - other.gpus)

    def holds(self, other: Resources) -> bool:
        """Whether `other` fits in."""
        return (
            other.cpus <= self.cpus + 1e-9
            and other.memory <= self.memory
            and other.gpus <= self.gpus
        )


def hostname() -> str:
    """Return this host's name, fit for a file name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname()) or "localhost"


def resources(*, gpus: bool) -> Resources:
    """Return what jobs may use on this machine.

    Parameters
    ----------
    gpus
        Whether to look for GPUs, which takes long; else none are reported.
    """
    return Resources(cpus(), memory(), len(devices()) if gpus else 0)


def cpus() -> float:
    """Return the cores of this process: its affinity, within its control group's quota.

    ``UNATTENDED_CPUS`` overrides.
    """
    chosen = os.environ.get("UNATTENDED_CPUS", "")
    with contextlib.suppress(ValueError):
        if float(chosen) > 0:
            return float(chosen)
    try:
        count = float(len(os.sched_getaffinity(0)))
    except AttributeError:
        count = float(os.cpu_count() or 1)
    quota = _cgroup_quota()
    return min(count, quota) if quota is not None else count


def memory() -> int:
    """Return the machine's memory in bytes, or its control group's limit if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [total]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(Path("/sys/fs/cgroup", file).read_text()))
    return min(limit for limit in limits if limit > 0)


def devices() -> tuple[str, ...]:
    """Return the GPUs' identifiers, as in ``CUDA_VISIBLE_DEVICES``.

    ``UNATTENDED_GPUS`` overrides: identifiers with commas between, empty for none.
    """
    return _devices(os.environ.get("UNATTENDED_GPUS"), os.environ.get("CUDA_VISIBLE_DEVICES"))


@lru_cache(maxsize=8)
def _devices(chosen: str | None, visible: str | None) -> tuple[str, ...]:
    if chosen is not None:
        return _listed(chosen)
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    found = tuple(re.findall(r"^GPU (\d+):", listing, re.MULTILINE))
    # Where somebody (an administrator, a scheduler) narrowed the choice, that holds.
    return _listed(visible) if visible is not None else found


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _cgroup_quota() -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return float(quota) / float(period)
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup/cpu")
        quota_us = int((group / "cpu.cfs_quota_us").read_text())
        if quota_us > 0:
            return quota_us / int((group / "cpu.cfs_period_us").read_text())
    return None
