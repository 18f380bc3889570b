"""A notebook server that is a container itself: jobs run beside it, from the same image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import write_notebook

from .engine import IMAGE, TestEngine

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = "/home/ada/work"


class Server:
    """A container with the engine's socket, in which commands are typed."""

    def __init__(self, engine: TestEngine, directory: Path, address: str) -> None:
        self.engine = engine
        self.directory = directory
        self.name = "notebook-server"
        socket = address.removeprefix("unix://")
        engine.podman(
            *("run", "--detach", "--name", self.name, "--network", "none", "--pull", "never"),
            *("--volume", f"{directory}:{HOME}", "--volume", f"{REPOSITORY}:/repository:ro"),
            *("--volume", f"{socket}:/var/run/docker.sock", "--env", "PYTHONPATH=/repository"),
            *("--env", f"UNATTENDED_STATE_DIR={HOME}/.state", "--workdir", HOME),
            *("--env", "PYTHONDONTWRITEBYTECODE=1", "--env", "HUB_API_TOKEN=s3cret"),
            *(IMAGE, "sleep", "600"),
        )

    def __call__(self, *words: str) -> str:
        command = ("python3", "-m", "jupyter_unattended.cli", *words)
        return self.engine.podman("exec", self.name, *command, timeout=100)

    def show(self, job: str) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self("show", "--json", job))
        return shown


@pytest.fixture
def server(engine: TestEngine, tmp_path: Path) -> Iterator[Server]:
    """Start a container as a hub would, with the workspace at another path than here."""
    directory = tmp_path / "volume of ada"
    directory.mkdir()
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
    own = server.engine.podman("inspect", "--format", "{{.Id}} {{.Image}}", server.name).split()
    assert not own[0].startswith(host)
    record = json.loads(Path(server.directory, ".unattended", job, "container.json").read_bytes())
    assert record["place"]["found"]["id"].removeprefix("sha256:") == own[1]
    # It is another container, with other processes, and can be stopped all the same.
    write_notebook(
        server.directory / "n.ipynb", "import time\nprint('w', flush=True)\ntime.sleep(600)"
    )
    job = server("submit", "n.ipynb", "--backend", "container", "--grace-period", "5").split()[0]
    for state, word in (("paused", "pause"), ("cancelled", "cancel")):
        if state == "paused":
            while server.show(job)["state"] != "running":
                pass
        server(word, job)
        while server.show(job)["state"] != state:
            pass
    assert server.show(job)["attempt"] == 1
