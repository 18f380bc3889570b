"""Starting and ending real daemons for the tests; what both schedulers' harnesses share."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path


def need_root() -> None:
    """Fail with what to do where the harness cannot work."""
    if os.geteuid() != 0:
        raise RuntimeError("these tests start real schedulers: run them as root in a throw-away VM")


def install(programs: Iterable[str], packages: Iterable[str]) -> None:
    """Install Debian `packages` unless all `programs` are there, without starting services."""
    if all(shutil.which(program, path=_PATH) for program in programs):
        return
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
        ):
            subprocess.run(command, check=True, env=env, timeout=300, stdout=subprocess.DEVNULL)
    finally:
        if ours:
            policy.unlink()


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def which(program: str) -> str:
    """Absolute path of a program that `install` made sure of."""
    path = shutil.which(program, path=_PATH)
    if path is None:
        raise RuntimeError(f"{program} is not installed")
    return path


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_for(
    condition: Callable[[], object], timeout: float, what: str, interval: float = 0.05
) -> None:
    """Wait until `condition` is true; say `what` did not happen otherwise."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(interval)


class Daemon:
    """One daemon in the foreground, ended by its process id."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.command = command
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={"PATH": _PATH, "LANG": "C.UTF-8", **(env or {})},
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """Send `sig` and wait until it is gone."""
        if self.alive:
            self.process.send_signal(sig)
        self.process.wait(10)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        try:
            self.kill(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill()


class Person:
    """An ordinary user with a home directory and a Python they may execute.

    This checkout's interpreter may lie in a directory that only root may enter. Then the user gets
    hard links of it, which cost nothing, and a virtual environment over our own site-packages.
    """

    def __init__(self, root: Path) -> None:
        self.name = root.name
        self.home = root / "home"
        self.home.mkdir(mode=0o755)
        subprocess.run(
            ["useradd", "-M", "--home-dir", self.home, "--shell", "/bin/bash", self.name],
            check=True,
        )
        shutil.chown(self.home, self.name, self.name)
        self.python = self._python(root)

    def remove(self) -> None:
        """Take the account away again."""
        subprocess.run(["userdel", self.name], check=False, capture_output=True)

    def _python(self, root: Path) -> Path:
        own = Path(sys.executable)
        if self.run([str(own), "-c", "import jupyter_unattended"]).returncode == 0:
            return own
        base = Path(sys.base_prefix)
        copied = root / "python"
        lib = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
        (copied / "bin").mkdir(parents=True)
        (copied / lib).mkdir(parents=True)
        _link([Path(os.path.realpath(base / "bin/python3"))], copied / "bin/python3")
        # What was installed beside it is not needed, and may be a hundred times as much.
        _link([one for one in (base / lib).iterdir() if one.name not in _LEFT_OUT], copied / lib)
        environment = root / "venv"
        subprocess.run(
            [copied / "bin/python3", "-m", "venv", "--without-pip", environment], check=True
        )
        repository = Path(__file__).resolve().parents[2]
        packages = next(Path(p) for p in sys.path if p.endswith("site-packages"))
        (environment / lib / "site-packages" / "shared.pth").write_text(
            f"{packages}\n{repository}\n"
        )
        python = environment / "bin" / "python"
        tried = self.run([str(python), "-c", "import jupyter_unattended, IPython"])
        if tried.returncode:
            raise RuntimeError(f"{self.name} cannot use this checkout: {tried.stderr}")
        return python

    def run(
        self,
        command: list[str],
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` as the user with nothing of our own environment but `env`."""
        return subprocess.run(
            ["runuser", "-u", self.name, "--", *command],
            env={
                "HOME": str(self.home),
                "USER": self.name,
                "LOGNAME": self.name,
                "PATH": _PATH,
                "LANG": "C.UTF-8",
                **(env or {}),
            },
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


_LEFT_OUT = ("site-packages", "test", "idlelib", "ensurepip", "__pycache__")


def _link(sources: list[Path], target: Path) -> None:
    try:
        subprocess.run(["cp", "-rlL", *sources, target], check=True, capture_output=True)
    except subprocess.CalledProcessError:  # another file system
        subprocess.run(["cp", "-rL", "--remove-destination", *sources, target], check=True)


def scratch(prefix: str) -> Path:
    """Make a directory that ordinary users may enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    path.chmod(0o755)
    return path


def tails(files: Iterable[Path]) -> str:
    """Return the ends of log files, for a failed test's report."""
    return "\n".join(
        f"== {path}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:])
        for path in files
    )


def end_processes_with(variable: str) -> None:
    """SIGKILL to every process that has exactly this, NAME=VALUE, in its environment."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
