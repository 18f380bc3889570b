"""Pinning a branch or tag of a git repository to the commit that it means now."""

from __future__ import annotations

import os
import re
import subprocess

from ...errors import SpecError


def is_pinned(source: str) -> bool:
    """Whether REPOSITORY@REF names a commit already."""
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", source.rpartition("@")[2]) is not None


def pin(source: str) -> str:
    """Return REPOSITORY@COMMIT for REPOSITORY@REF.

    Raises
    ------
    SpecError
        If the repository cannot be asked, or has no such branch or tag.
    """
    if is_pinned(source):
        return source
    repository, _, ref = source.rpartition("@")
    # The last of these wins: what an annotated tag points to, rather than the tag.
    wanted = [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"]
    try:
        done = subprocess.run(
            ["git", "ls-remote", "--", repository, *wanted],
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpecError(
            f"git: {repository} cannot be asked what {ref} is ({error}); give the commit"
        ) from error
    if done.returncode:
        problem = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise SpecError(
            f"git: {repository} cannot be asked what {ref} is ({problem}); give the commit"
        )
    commits = {}
    for line in done.stdout.splitlines():
        commit, _, name = line.partition("\t")
        commits[name] = commit
    for name in reversed(wanted):
        if name in commits:
            return f"{repository}@{commits[name]}"
    raise SpecError(f"git: {repository} has no branch or tag {ref!r}")
