"""How much memory there is left to use."""

from __future__ import annotations

from pathlib import Path

#: (limit, used) of the control group, version 2 and 1; containers see their own there.
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
#: Assumed where nothing can be read.
_DEFAULT = 1 << 30


def available() -> int:
    """Return the bytes that could be allocated now without swapping or being killed."""
    bytes_left = _machine()
    for limit, used in _CGROUPS:
        try:
            free = int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):
            continue
        bytes_left = min(bytes_left, max(0, free))
    return bytes_left


def _machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return _DEFAULT
