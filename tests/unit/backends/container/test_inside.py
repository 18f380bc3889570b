from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_unattended.backends.container.engine import Mount, Status
from jupyter_unattended.backends.container.inside import container_id, outside

ID, OTHER = "a1" * 32, "b2" * 32


def root(tmp_path: Path, mark: str, text: str = "", mounts: str = "") -> Path:
    for name, content in ((mark, text), ("proc/self/mountinfo", mounts)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_podman_says_it_itself(tmp_path: Path) -> None:
    text = f'engine="podman-4.3.1"\nname="x"\nid="{ID}"\nimage="y"\n'
    assert container_id(root(tmp_path, "run/.containerenv", text)) == ID


@pytest.mark.parametrize(
    "line",
    [
        f"1 2 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw",
        f"1 2 0:46 /containers/overlay-containers/{ID}/userdata/resolv.conf /etc/resolv.conf rw -",
    ],
)
def test_the_files_that_the_engine_mounts_tell_it(tmp_path: Path, line: str) -> None:
    assert container_id(root(tmp_path, ".dockerenv", mounts=f"0 0 0:1 / / rw -\n{line}\n")) == ID


def test_mounts_of_other_containers_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "vm")
    shm = (
        f"9 8 0:3 / /var/lib/containers/overlay-containers/{OTHER}/userdata/shm rw - tmpfs shm rw\n"
    )
    assert container_id(root(tmp_path, ".dockerenv", mounts=shm)) is None


def test_on_a_plain_machine_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", ID[:12])
    assert container_id(tmp_path) is None


def test_places_are_those_of_the_engines_machine() -> None:
    own = Status(ID, True, mounts=(Mount("/srv/people", "/home"), Mount("/fast/u", "/home/u/work")))
    assert outside("/home/u/work/a", own) == "/fast/u/a"
    assert outside("/home/u/other", own) == "/srv/people/u/other"
    assert outside("/opt", own) is None
    assert outside("/opt", None) == "/opt"
