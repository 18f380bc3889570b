from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jupyter_unattended.backends.kubernetes.git import is_pinned, pin
from jupyter_unattended.errors import SpecError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_commit_is_pinned_already() -> None:
    assert is_pinned(f"git@example.org:team/r.git@{COMMIT}")
    assert not is_pinned("https://example.org/r.git@main")
    assert pin(f"https://example.org/r.git@{COMMIT}") == f"https://example.org/r.git@{COMMIT}"


@pytest.mark.timeout(30)
def test_branches_and_tags_are_replaced_by_what_they_mean(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(
            ["git", *identity, "-C", str(tmp_path), *words], capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    git("init", "-q", "-b", "work/main")
    git("commit", "-q", "--allow-empty", "-m", "first")
    first = git("rev-parse", "HEAD")
    git("tag", "-a", "v1", "-m", "annotated")
    git("commit", "-q", "--allow-empty", "-m", "second")
    second = git("rev-parse", "HEAD")
    assert pin(f"{tmp_path}@work/main") == f"{tmp_path}@{second}"
    assert pin(f"{tmp_path}@v1") == f"{tmp_path}@{first}"
    with pytest.raises(SpecError, match="has no branch or tag 'absent'"):
        pin(f"{tmp_path}@absent")
    with pytest.raises(SpecError, match="cannot be asked what main is"):
        pin(f"{tmp_path / 'nowhere'}@main")
