"""A notebook server that is a container itself: jobs run beside it, from the same image."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import write_notebook

from .docker import TestDocker
from .engine import IMAGE, TestEngine
from .jobs import Engine

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = "/home/ada/work"


class Server:
    """A container with the engine's socket, in which commands are typed."""

    def __init__(self, engine: Engine, directory: Path, address: str) -> None:
        self.engine = engine
        self.directory = directory
        self.name = "notebook-server"
        socket = address.removeprefix("unix://")
        engine.command(
            *("run", "--detach", "--name", self.name, "--network", "none", "--pull", "never"),
            *("--volume", f"{directory}:{HOME}", "--volume", f"{REPOSITORY}:/repository:ro"),
            *("--volume", f"{socket}:/var/run/docker.sock", "--env", "PYTHONPATH=/repository"),
            *("--env", f"UNATTENDED_STATE_DIR={HOME}/.state", "--workdir", HOME),
            *("--env", "PYTHONDONTWRITEBYTECODE=1", "--env", "HUB_API_TOKEN=s3cret"),
            *(IMAGE, "sleep", "600"),
        )

    def __call__(self, *words: str) -> str:
        command = ("python3", "-m", "jupyter_unattended.cli", *words)
        return self.engine.command("exec", self.name, *command)

    def show(self, job: str) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self("show", "--json", job))
        return shown

    def until(self, job: str, state: str) -> None:
        """Wait until a job is in a state; the test's time limit ends what hangs."""
        while self.show(job)["state"] != state:
            time.sleep(0.1)


@pytest.fixture(params=["podman", "docker"])
def server(request: pytest.FixtureRequest, engine: TestEngine, tmp_path: Path) -> Iterator[Server]:
    """Start a container as a hub would, with the workspace at another path than here."""
    directory = tmp_path / "volume of ada"
    directory.mkdir()
    if request.param == "docker":
        docker: TestDocker = request.getfixturevalue("docker")
        yield Server(docker, directory, docker.address)
        docker.clear()
    else:
        with engine.service() as address:
            yield Server(engine, directory, address)
            engine.clear()


@pytest.mark.timeout(200)
def test_jobs_run_beside_the_server_from_its_image(server: Server) -> None:
    write_notebook(
        server.directory / "n.ipynb",
        "import os\nprint(os.getcwd(), 'HUB_API_TOKEN' in os.environ, os.environ['HOSTNAME'])",
    )
    (server.directory / "requirements.txt").touch()
    job = server("submit", "n.ipynb", "--backend", "container", "--wait").split()[0]
    shown = server.show(job)
    assert (shown["state"], shown["attempt"]) == ("succeeded", 1)
    printed = [line for line in server("logs", job).splitlines() if line.startswith(HOME)]
    place, has_token, host = printed[-1].split()
    assert (place, has_token) == (HOME, "False")
    own = server.engine.command("inspect", "--format", "{{.Id}} {{.Image}}", server.name).split()
    assert not own[0].startswith(host)
    record = json.loads(Path(server.directory, ".unattended", job, "container.json").read_bytes())
    kept = record["place"]["found"]["id"]
    assert kept.removeprefix("sha256:") == own[1].removeprefix("sha256:")
    # It is another container, with other processes, and can be stopped all the same.
    write_notebook(
        server.directory / "n.ipynb", "import time\nprint('w', flush=True)\ntime.sleep(600)"
    )
    job = server("submit", "n.ipynb", "--backend", "container", "--grace-period", "5").split()[0]
    for state, word in (("paused", "pause"), ("cancelled", "cancel")):
        if state == "paused":
            server.until(job, "running")
        server(word, job)
        server.until(job, state)
    assert server.show(job)["attempt"] == 1
