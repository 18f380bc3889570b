"""A Docker of the tests' own: a daemon with its own directories and socket, and the tests' image.

What it keeps is in the tests' cache, apart from that of whoever runs the tests. Without networks of
its own it needs no firewall rules: the jobs of the tests have none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import cache
from tests.hpc.daemons import Daemon, install, wait_for, which

from .engine import IMAGE, TestEngine

#: Debian's package. A registry is called the same, and files here name none (a test sees to it).
_PACKAGE = "docker" + ".io"


class TestDocker:
    """Docker, for a few tests.

    Parameters
    ----------
    directory
        Where its socket and its running state are.
    """

    __test__ = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "docker.sock"
        self.address = f"unix://{self.socket}"
        self._daemon: Daemon | None = None

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        # Its predecessor may have been killed.
        (self.directory / "pid").unlink(missing_ok=True)
        words = [
            *("--data-root", cache.directory() / "docker", "--exec-root", self.directory / "exec"),
            *("--pidfile", self.directory / "pid", "--host", self.address),
            *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
            # A daemon's usual score is lower than a process without all rights may have.
            *("--storage-driver", "overlay2", "--oom-score-adjust", "0"),
        ]
        log = self.directory / "log"
        self._daemon = Daemon([which("dockerd"), *map(str, words)], log)
        try:
            wait_for(self.answers, 60, "an answer of dockerd", 0.1)
        except TimeoutError as error:
            self._daemon.stop()
            raise RuntimeError(f"dockerd does not start: {log.read_text()[-2000:]}") from error

    def end(self, number: int = signal.SIGTERM) -> None:
        """End the daemon; what it started for itself ends with it, as with a service."""
        assert self._daemon is not None
        self._daemon.process.send_signal(number)
        self._daemon.process.wait(60)
        helper = self.directory / "exec" / "containerd" / "containerd.pid"
        if helper.exists():
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(helper.read_text()), signal.SIGKILL)
            helper.unlink(missing_ok=True)

    def answers(self) -> bool:
        """Whether the daemon answers."""
        return self._docker("version", check=False).returncode == 0

    def command(self, *words: str) -> str:
        """Run a command that Podman and Docker have alike."""
        return self._docker(*words).stdout

    def containers(self, label: str = "jupyter-unattended.job") -> list[str]:
        """Return the ids of all containers with a label, also ended ones."""
        words = ("--all", "--quiet", "--no-trunc", "--filter", f"label={label}")
        return self.command("ps", *words).split()

    def clear(self) -> None:
        """Remove all containers."""
        found = self.command("ps", "--all", "--quiet").split()
        if found:  # some of which the agent may be removing at the same time
            self._docker("rm", "--force", *found, check=False)

    def take_image(self, podman: TestEngine) -> None:
        """Get the image of most tests from the tests' Podman, once a machine."""
        recipe = ("image", "inspect", "--format", '{{index .Config.Labels "recipe"}}', IMAGE)
        found = self._docker(*recipe, check=False).stdout
        if found == podman.podman(*recipe):
            return
        with tempfile.TemporaryDirectory() as scratch:
            archive = f"{scratch}/image.tar"
            podman.podman("save", "--quiet", "--output", archive, IMAGE, timeout=300)
            self.command("load", "--quiet", "--input", archive)

    def _docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [which("docker"), *words],
            env={**os.environ, "DOCKER_HOST": self.address},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"docker {' '.join(words[:3])} failed: {done.stderr[-2000:]}")
        return done


@contextmanager
def running(podman: TestEngine) -> Iterator[TestDocker]:
    """Yield a Docker with the image of most tests."""
    install(["dockerd", "docker"], [_PACKAGE])
    # Short, because paths of sockets have to be.
    directory = Path(tempfile.mkdtemp(prefix="unattended-docker-", dir="/run"))
    engine = TestDocker(directory)
    try:
        engine.start()
        engine.clear()
        engine.take_image(podman)
        yield engine
        engine.clear()
    finally:
        engine.end()
        for mount in (directory / "exec" / "netns").glob("*"):
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)
