"""A Podman of the tests' own: its configuration, its storage and two images.

Storage and images are kept in the tests' cache, apart from those of whoever runs the tests. There
is no registry: the base is a root file system of Debian's packages, as a plain Python image has it,
and the image of most tests has what jobs need in a layer above.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster import cache, image
from tests.hpc.daemons import install, need_root

#: A plain Python with pip, and the same with what jobs and the examples need.
BASE = "localhost/unattended-python:1"
IMAGE = "localhost/unattended-job:1"

_PACKAGES = ("python3", "python3-pip", "python3-venv", "ca-certificates")
#: What this machine's pip needs inside a container too: certificates and settings, if it has any.
_CERTIFICATES = "/etc/ssl/certs"


class TestEngine:
    """Podman, for one session of tests.

    Parameters
    ----------
    directory
        Where its configuration and its running state are.
    """

    __test__ = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.storage = cache.directory() / "podman"
        self.env = {
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        }
        self._configure()

    def _configure(self) -> None:
        # Without the right to raise limits, as in a container, Podman's own defaults cannot be set.
        # runc, because crun refuses machines that have both versions of control groups.
        settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        settings["PIP_ROOT_USER_ACTION"] = "ignore"
        (self.directory / "containers.conf").write_text(
            "[containers]\n"
            'default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n'
            f"volumes = [{json.dumps(f'{_CERTIFICATES}:{_CERTIFICATES}:ro')}]\n"
            f"env = {json.dumps([f'{name}={value}' for name, value in settings.items()])}\n"
            "[engine]\n"
            'runtime = "runc"\n'
            'cgroup_manager = "cgroupfs"\n'
            'events_logger = "file"\n'
            f"tmp_dir = {json.dumps(str(self.directory / 'tmp'))}\n"
        )
        (self.directory / "storage.conf").write_text(
            "[storage]\n"
            'driver = "overlay"\n'
            f"graphroot = {json.dumps(str(self.storage))}\n"
            f"runroot = {json.dumps(str(self.directory / 'run'))}\n"
        )

    def podman(self, *words: str, check: bool = True, **options: Any) -> str:
        """Run a command of Podman and return what it prints."""
        done = subprocess.run(
            ["podman", *words],
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=options.pop("timeout", 60),
            **options,
        )
        if check and done.returncode:
            raise RuntimeError(f"podman {' '.join(words[:3])} failed: {done.stderr[-2000:]}")
        return done.stdout

    def command(self, *words: str) -> str:
        """Run a command that Podman and Docker have alike."""
        return self.podman(*words)

    def containers(self, label: str = "jupyter-unattended.job") -> list[str]:
        """Return the ids of all containers with a label, also ended ones."""
        words = ("--all", "--quiet", "--no-trunc", "--filter", f"label={label}")
        return self.podman("ps", *words).split()

    def secrets(self) -> list[str]:
        """Return the names of all secrets."""
        return self.podman("secret", "ls", "--format", "{{.Name}}").split()

    def clear(self) -> None:
        """Remove all containers and secrets; images stay."""
        ids = self.podman("ps", "--all", "--quiet").split()
        if ids:
            self.podman("rm", "--force", "--time", "0", *ids)
        secrets = self.secrets()
        if secrets:
            self.podman("secret", "rm", *secrets)

    def forget_images(self) -> None:
        """Remove the images that tests have made, with their layers."""
        for line in self.podman("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split():
            if line not in (BASE, IMAGE) and not line.startswith("<none>"):
                self.podman("image", "rm", "--force", line, check=False)
        self.podman("image", "prune", "--force", check=False)

    # -- images ------------------------------------------------------------------------------------

    def make_images(self) -> None:
        """Make the images; a minute or two, once a machine."""
        packages = [*image.python_packages(), "docker>=7"]
        key = cache.key(image.RELEASE, *_PACKAGES, *packages, "2")
        labels = self.podman("image", "ls", "--filter", f"label=recipe={key}", "--quiet").split()
        there = [self.podman("image", "ls", "--quiet", name) for name in (BASE, IMAGE)]
        if not (labels and all(there)):
            print("making the tests' images (two minutes, once a machine)", flush=True)
            self._make_base()
            self._make_image(packages, key)

    def _make_base(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch) / "root"
            image.install_debian(root, _PACKAGES)
            # As images with Python have it: pip may install into the system, and python is python3.
            for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
                mark.unlink()
            (root / "usr/bin/python").symlink_to("python3")
            archive = Path(scratch) / "root.tar"
            subprocess.run(["tar", "--numeric-owner", "-C", root, "-cf", archive, "."], check=True)
            path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            changes = (f"ENV PATH={path}", "ENV LANG=C.UTF-8", "CMD python3")
            words = [word for change in changes for word in ("--change", change)]
            self.podman("import", "--quiet", *words, str(archive), BASE, timeout=300)

    def _make_image(self, packages: list[str], key: str) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch) / "root"
            image.install_python(root, packages)
            (Path(scratch) / "Containerfile").write_text(
                f"FROM {BASE}\nLABEL recipe={key}\nCOPY root/usr/local /usr/local\n"
            )
            self.podman("build", "--quiet", "--tag", IMAGE, scratch, timeout=300)

    # -- its socket --------------------------------------------------------------------------------

    @contextmanager
    def service(self) -> Iterator[str]:
        """Let Podman listen on a socket as Docker does; return its address."""
        path = self.directory / "podman.sock"
        path.unlink(missing_ok=True)
        process = subprocess.Popen(
            ["podman", "system", "service", "--time", "0", f"unix://{path}"],
            env={**os.environ, **self.env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30
            while not _answers(path):
                assert process.poll() is None, "podman system service has ended"
                assert time.monotonic() < deadline, "podman system service does not answer"
                time.sleep(0.05)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait(30)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(str(path))
        except OSError:
            return False
    return True


@contextmanager
def started() -> Iterator[TestEngine]:
    """Yield a Podman with its images; one session of tests at a time has it."""
    need_root()
    install(["podman", "runc", "debootstrap"], ["podman", "buildah", "runc", "debootstrap"])
    with cache.locked("podman"):
        # Short, because paths of sockets have to be.
        directory = Path(tempfile.mkdtemp(prefix="unattended-podman-", dir="/run"))
        engine = TestEngine(directory)
        try:
            engine.make_images()
            engine.clear()
            yield engine
            engine.clear()
            engine.forget_images()
        finally:
            for mount in ("run", "tmp"):
                shutil.rmtree(directory / mount, ignore_errors=True)
            shutil.rmtree(directory, ignore_errors=True)
