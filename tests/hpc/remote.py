"""Where the scheduler's programs are on another host only: through a real sshd."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from .daemons import Daemon, free_ports, install, wait_for, which
from .pages import write_notebook
from .shell import Shell

Cluster = Any

SERVER = """\
ListenAddress 127.0.0.1:{port}
HostKey {root}/host_key
PidFile {root}/sshd.pid
AuthorizedKeysFile {root}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
LogLevel VERBOSE
SetEnv {environment}
"""
CLIENT = """\
Host login1
  HostName 127.0.0.1
  Port {port}
  IdentityFile {root}/user_key
  UserKnownHostsFile {root}/known_hosts
  StrictHostKeyChecking accept-new
"""


class LoginNode:
    """An sshd that lets the cluster's ordinary user in, with the scheduler's own environment."""

    def __init__(self, cluster: Cluster, root: Path) -> None:
        install(("sshd", "ssh"), ("openssh-server", "openssh-client"))
        Path("/run/sshd").mkdir(exist_ok=True)
        person = cluster.person
        (port,) = free_ports(1)
        for name in ("host_key", "user_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / name], check=True
            )
        (root / "authorized_keys").write_text((root / "user_key.pub").read_text())
        # A password that fits nothing; sshd takes the one of a new account for a lock.
        subprocess.run(["usermod", "-p", "*", person.name], check=True)
        environment = " ".join(f"{name}={value}" for name, value in cluster.env.items())
        config = root / "sshd_config"
        config.write_text(SERVER.format(port=port, root=root, environment=environment))
        (person.home / ".ssh").mkdir(mode=0o700, exist_ok=True)
        (person.home / ".ssh" / "config").write_text(CLIENT.format(port=port, root=root))
        for path in (root, root / "user_key", person.home / ".ssh", person.home / ".ssh/config"):
            subprocess.run(["chown", person.name, path], check=True)
        self.log = root / "sshd.log"
        self.daemon = Daemon([which("sshd"), "-D", "-e", "-f", str(config)], self.log)
        wait_for(lambda: "Server listening" in self.log.read_text(), 10, "sshd listens")

    @property
    def logins(self) -> int:
        """How often somebody was let in."""
        return self.log.read_text().count("Accepted publickey")

    def stop(self) -> None:
        """End sshd and all its connections, with which the one that is kept ends."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.daemon.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.daemon.stop()


@pytest.fixture
def login_node(cluster: Cluster, tmp_path: Path) -> Iterator[LoginNode]:
    for directory in (tmp_path, *tmp_path.parents):
        if directory.owner() == "root" and directory.is_relative_to("/tmp/pytest-of-root"):
            directory.chmod(0o755)
    root = tmp_path / "login"
    root.mkdir(mode=0o755)
    node = LoginNode(cluster, root)
    yield node
    node.stop()


@pytest.mark.timeout(300)
def test_a_host_without_the_programs_uses_the_submit_host(
    shell: Shell, login_node: LoginNode, cluster: Cluster, workspace: Path
) -> None:
    write_notebook(workspace)
    (workspace / "site.toml").write_text(f'[{cluster.name}]\nsubmit_host = "login1"\n')
    shell.env = {"UNATTENDED_SITE_PROFILE": str(workspace / "site.toml")}
    shell.cluster_env = {}  # the programs here know no cluster
    ended = shell.submit("train.ipynb", "--backend", cluster.name, "--name", "a b", "--epochs=2")
    runs = shell.submit("train.ipynb", "--backend", cluster.name, "--name", "it's", "--epochs=200")
    wait_for(lambda: shell.show(ended)["state"] == "succeeded", 60, "it ended", 0.5)
    assert shell.show(runs)["state"] == "running"
    done = shell("backends")
    assert f"{cluster.name}\tyes" in done.stdout
    assert shell("cancel", runs).returncode == 0
    wait_for(lambda: shell.show(runs)["state"] == "cancelled", 60, "it is cancelled", 0.5)
    assert login_node.logins == 1  # one connection is kept

    held = shell.submit("train.ipynb", "--backend", cluster.name, "--hold")
    login_node.stop()
    shown = shell.show(held)
    assert shown["state"] == "unknown"
    assert "The submit host login1 cannot be reached" in shown["reason"]
