"""Whether we are in a container ourselves, and what its engine says of it.

Then jobs run from the same image, and what is mounted here is mounted there: what the engine mounts
is on its machine, not in our container.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from .engine import Engine, Mount, Status

#: In mountinfo: a file from a directory with the id's name, at a place where only the engine of our
#: own container mounts one. (Mounts of other containers are listed on their machine too.)
_ID = re.compile(
    r"^\S+ \S+ \S+ \S*/(?:overlay-)?containers/([0-9a-f]{64})/\S+"
    r" /(?:etc/(?:hostname|hosts|resolv\.conf)|run/\.containerenv) ",
    re.MULTILINE,
)


def container_id(root: Path = Path("/")) -> str | None:
    """Return the id of the container that this process is in; None if that cannot be told.

    Parameters
    ----------
    root
        Where the file system begins.
    """
    podman, docker = root / "run/.containerenv", root / ".dockerenv"
    if not podman.exists() and not docker.exists():
        return None
    # Podman says it; only to root, and not where it is rootless and old.
    found = re.search(r'^id="([0-9a-f]{12,64})"', _text(podman), re.MULTILINE)
    if found is None:
        found = _ID.search(_text(root / "proc/self/mountinfo"))
    if found is not None:
        return found[1]
    hostname = os.environ.get("HOSTNAME", "")
    return hostname if re.fullmatch(r"[0-9a-f]{12}", hostname) else None


def own_container(engine: Engine) -> Status | None:
    """Return our own container as `engine` sees it; None outside, or if it is another engine's."""
    found = container_id()
    return engine.status(found) if found is not None else None


def outside(path: str, own: Status | None) -> str | None:
    """Return where `path` is on the engine's machine; None if it is in our container only."""
    if own is None:
        return path
    mount = _covering(own.mounts, path)
    if mount is None:
        return None
    inside = PurePosixPath(path).relative_to(mount.target)
    return str(PurePosixPath(mount.source) / inside)


def _covering(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    found = [mount for mount in mounts if PurePosixPath(path).is_relative_to(mount.target)]
    return max(found, key=lambda mount: len(PurePosixPath(mount.target).parts), default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
