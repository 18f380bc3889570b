"""Images that are not here: from a registry that gives them out, refuses, or does not answer."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_unattended.jobs.states import State
from tests.integration.command_line import CommandLine, environment
from tests.integration.local_jobs import until

from .engine import BASE, TestEngine
from .jobs import ContainerJobs
from .registry import Registry, served, trusted
from .test_image import write


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: TestEngine) -> Iterator[Registry]:
    """Return a registry with one image."""
    with served(tmp_path_factory.mktemp("registry")) as found:
        found.push(engine, BASE, "team/python:1")
        yield found


@pytest.fixture(params=["podman", "socket"])
def choice(
    request: pytest.FixtureRequest, engine: TestEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Return an engine to choose; the socket's reads the login where the test does not set it."""
    with engine.service() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        yield request.param


def test_a_registry_that_refuses(jobs: ContainerJobs, registry: Registry, choice: str) -> None:
    image = f"{registry.address}/team/python:1"
    end = jobs.end(jobs.submit("true", image=image, options={"engine": choice}))
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert f"refuses to give out the image {image}; log in to it" in end.reason


def test_what_the_registry_does_not_have(
    jobs: ContainerJobs, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(registry.login))
    image = f"{registry.address}/team/python:2"
    end = jobs.end(jobs.submit("true", image=image))
    assert (end.state, end.attempt) == (State.FAILED, 0)
    assert f"the registry has no image {image}; check the name" in end.reason


def test_an_image_is_got_first_and_is_the_same_for_all_attempts(
    jobs: ContainerJobs,
    engine: TestEngine,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(registry.login))
    image = f"{registry.address}/team/python:1"
    job = jobs.submit("[[ -e first ]] && exit; touch first; sleep 600", image=image)
    until((Path(job.notebook).parent / "first").exists, 100, "the first attempt")
    jobs.kill(job)
    end = jobs.end(job, timeout=100)
    assert (end.state, end.attempt) == (State.SUCCEEDED, 2), end.reason
    reasons = [entry.reason for entry in jobs.service.history(job.id)]
    assert f"getting the image {image}" in reasons
    kept = json.loads((Path(job.directory) / "container.json").read_bytes())["place"]
    assert kept["image"] == image
    assert re.fullmatch(
        re.escape(f"{registry.address}/team/python@sha256:") + "[0-9a-f]{64}",
        kept["found"]["digest"],
    )
    engine.podman("image", "rm", image)


@pytest.mark.timeout(400)
def test_a_base_that_a_registry_gave_is_pinned_by_digest(
    engine: TestEngine,
    registry: Registry,
    state_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(registry.login))
    image = f"{registry.address}/team/python:1"
    write(tmp_path, "pass", requirements="# none\n")
    cli = CommandLine(tmp_path, {**environment(), **engine.env})
    # As soon as the build got it, the digest is known; the layers stay what they are.
    words = ("image", "notebook.ipynb", "--base", image, "--build", "--json")
    first, again = (cli(*words, timeout=200) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    text = (tmp_path / "Containerfile").read_text()
    (pinned,) = re.findall("^FROM (.*)$", text, re.MULTILINE)
    assert re.fullmatch(re.escape(image.rpartition(":")[0]) + "@sha256:[0-9a-f]{64}", pinned)
    assert f"As asked for with --base. Its name is {image}." in text
    assert "Pinned by digest" in text
    built = [json.loads(done.stdout)["image"]["id"] for done in (first, again)]
    assert built[0] == built[1]
    # Where an engine has it already, it is pinned from the beginning.
    cli("image", "notebook.ipynb", "--base", image, "--overwrite", timeout=60)
    assert (tmp_path / "Containerfile").read_text() == text


def test_getting_an_image_can_be_cancelled(jobs: ContainerJobs, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # listens, and says nothing
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with trusted(tmp_path, address):
            job = jobs.submit("echo ran", image=f"{address}/image:1")
            jobs.local.until(job, State.STARTING)
            began = time.monotonic()
            jobs.service.cancel(job.id)
            assert jobs.end(job).state is State.CANCELLED
            assert time.monotonic() - began < 20
    assert jobs.local.log(job) == ""
