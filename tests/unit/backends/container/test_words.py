from __future__ import annotations

import pytest

from jupyter_unattended.backends.container import words


@pytest.mark.parametrize(
    ("said", "part"),
    [
        # Podman 4.3 and Docker 28.
        (
            "Error: writing blob: storing blob: write /var/tmp/x: no space left on device",
            "no space left",
        ),
        (
            "Error: pinging container registry r.example.org: Get "
            '"https://r.example.org/v2/": dial tcp 192.0.2.1:443: connect: connection refused',
            "cannot be reached",
        ),
        (
            "Error response from daemon: pull access denied for a, repository does not exist or may"
            " require 'docker login': denied: requested access to the resource is denied",
            "refuses to give out the image a:1",
        ),
        ("Error: reading manifest 9 in r.example.org/a: manifest unknown", "has no image a:1"),
        ("Error: a:1: image not known", "no image a:1 here"),
        (
            "docker: Error response from daemon: could not select device driver with capabilities",
            "NVIDIA Container Toolkit",
        ),
        ("Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=0", "nvidia-ctk"),
        (
            'Error: runc: exec failed: unable to start container process: exec: "bash": executable'
            " file not found in $PATH: OCI runtime attempted to invoke a command",
            "has no bash",
        ),
        (
            "Cannot connect to the Docker daemon at unix:///x/docker.sock. Is the docker daemon "
            "running?",
            "does not answer; start it",
        ),
        (
            "Error: unable to connect to Podman socket: Get "
            '"http://d/v4.3.1/libpod/_ping": dial unix /run/podman.sock: connect: connection '
            "refused",
            "does not answer; start it",
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission "
            "denied",
            "may not use the engine's socket",
        ),
    ],
)
def test_what_engines_say_is_put_into_words(said: str, part: str) -> None:
    assert part in words.plain(said, "a:1")


def test_what_is_not_known_is_quoted() -> None:
    said = (
        'time="2026-01-01T00:00:00Z" level=warning msg="something else"\nError: the moon is full\n'
    )
    assert words.plain(said) == "the moon is full"
    assert words.plain("") == "the engine gave no reason"


@pytest.mark.parametrize(
    ("said", "away"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", True),
        ("Error while fetching server API version: ('Connection aborted.', FileNotFound…)", True),
        ("dial unix /var/run/docker.sock: connect: permission denied", False),
        ("pinging container registry: dial tcp 192.0.2.1:443: connect: connection refused", False),
    ],
)
def test_an_engine_that_is_away_is_told_from_one_that_refuses(said: str, away: bool) -> None:
    assert words.is_away(said) is away
