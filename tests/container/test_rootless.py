"""Podman without root: an ordinary user, who is the same in the container."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hpc.daemons import Person, install, scratch
from tests.integration.command_line import write_notebook
from tests.integration.conftest import processes_with

from .engine import IMAGE, TestEngine


class Ada:
    """An ordinary user with a rootless Podman of her own, which has the tests' image."""

    def __init__(self, root: Path, engine: TestEngine) -> None:
        self.person = Person(root)
        self.uid = self.person.home.stat().st_uid
        self.work = self.person.home / "my work"
        runtime = root / "run"
        settings = root / "containers.conf"
        # runc, because crun refuses machines that have both versions of control groups.
        settings.write_text(
            "[containers]\n"
            'default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n'
            '[engine]\nruntime = "runc"\nevents_logger = "file"\n'
        )
        storage = root / "storage.conf"
        # Else Podman copies the whole image for every container where fuse-overlayfs is missing.
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.person.home}/storage"\n'
            f'runroot = "{runtime}/storage"\n'
        )
        for file in (settings, storage):
            file.chmod(0o644)
        for directory in (self.work, runtime):
            directory.mkdir(mode=0o700)
            os.chown(directory, self.uid, self.uid)
        self.env = {
            "XDG_RUNTIME_DIR": str(runtime),
            "CONTAINERS_CONF": str(settings),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "UNATTENDED_STATE_DIR": str(self.person.home / "state"),
            "UNATTENDED_CPUS": "2",
        }
        archive = root / "image.tar"
        engine.podman("save", "--quiet", "--output", str(archive), IMAGE, timeout=300)
        archive.chmod(0o644)
        self.podman("load", "--quiet", "--input", str(archive), timeout=300)
        archive.unlink()

    def podman(self, *words: str, timeout: float = 60) -> str:
        """Run her Podman."""
        done = self.person.run(["podman", *words], self.env, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __call__(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours in her directory."""
        command = [str(self.person.python), "-m", "jupyter_unattended.cli", *words]
        return self.person.run(command, {**self.env, **env}, cwd=self.work, timeout=100)

    def show(self, job: str) -> dict[str, Any]:
        """Return a job as it is."""
        found: dict[str, Any] = json.loads(self("show", "--json", job).stdout)
        return found

    def until(self, job: str, state: str) -> dict[str, Any]:
        """Wait until a job is in a state."""
        deadline = time.monotonic() + 60
        while (found := self.show(job))["state"] != state:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        return found

    def close(self) -> None:
        """End and remove what is hers."""
        self.podman("rm", "--all", "--force", "--time", "0")
        for process in processes_with(f"HOME={self.person.home}".encode()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.person.remove()


@pytest.fixture(scope="module")
def ada(engine: TestEngine) -> Iterator[Ada]:
    """Return an ordinary user."""
    install(["newuidmap"], ["uidmap"])
    root = scratch("unattended-ada-")
    root.chmod(0o755)
    made = Ada(root, engine)
    yield made
    made.close()
    shutil.rmtree(root, ignore_errors=True)


def submit(ada: Ada, *cells: str, words: tuple[str, ...] = (), **env: str) -> str:
    """Submit a notebook."""
    path = ada.work / "n.ipynb"
    write_notebook(path, *cells)
    (ada.work / "requirements.txt").touch()
    for file in (path, ada.work / "requirements.txt"):
        os.chown(file, ada.uid, ada.uid)
    there = ("--backend", "container", "--image", IMAGE, "--network", "none")
    done = ada("submit", "n.ipynb", *there, *words, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


def test_the_user_is_the_same_in_the_container(ada: Ada) -> None:
    job = submit(
        ada,
        "import os, pathlib\npathlib.Path('made').touch()\n"
        "print(os.getuid(), os.getcwd(), len(os.environ['TOKEN']), sep=':')",
        words=("--cpus", "1", "--secret-env", "TOKEN"),
        TOKEN="s3cret",
    )
    shown = ada.until(job, "succeeded")
    assert f"{ada.uid}:{ada.work}:6\n" in ada("logs", job).stdout
    assert (ada.work / "made").stat().st_uid == ada.uid
    for file in Path(shown["directory"]).rglob("*"):
        assert file.stat().st_uid == ada.uid, file
        assert not (file.is_file() and b"s3cret" in file.read_bytes()), file
    deadline = time.monotonic() + 30
    while ada.podman("ps", "--all", "--quiet") or ada.podman("secret", "ls", "--quiet"):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_pause_resume_and_cancel(ada: Ada) -> None:
    job = submit(ada, "print('begun', flush=True)\nimport time\ntime.sleep(600)")
    ada.until(job, "running")
    ada("pause", job)
    ada.until(job, "paused")
    ada("resume", job)
    assert ada.until(job, "running")["attempt"] == 2
    ada("cancel", job)
    ada.until(job, "cancelled")
    assert ada("delete", "--yes", job).returncode == 0
    assert (
        ada.podman("ps", "--all", "--quiet", "--filter", f"label=jupyter-unattended.job={job}")
        == ""
    )


def test_a_limit_that_she_may_not_set_is_refused_at_once(ada: Ada) -> None:
    controllers = json.loads(ada.podman("info", "--format", "json"))["host"]["cgroupControllers"]
    if "memory" in (controllers or ()):
        pytest.skip("this machine lets ordinary users limit memory")
    done = ada(*("submit", "n.ipynb", "--backend", "container", "--image", IMAGE, "--memory", "1G"))
    assert done.returncode == 2
    assert "memory: this engine cannot limit memory, because it is rootless" in done.stderr
