"""One cluster: control plane and node together, and taking everything down again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from pathlib import Path
from typing import IO

from . import image, node, processes, programs
from .controlplane import ControlPlane
from .node import Node

#: One cluster a machine: pods' control group and bridge have fixed names.
LOCK = Path("/run/lock/jupyter-unattended-test-cluster.lock")


class Cluster:
    """A cluster in the directory `root`, which is removed with it.

    Parameters
    ----------
    root
        A directory with a short name, because there are sockets in it; must not exist or be what
        a killed harness left.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.running = processes.Programs(root / "running", root / "logs")
        self._lock: IO[str] | None = None
        self.plane: ControlPlane
        self.node: Node

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.plane.kubeconfig

    def up(self) -> None:
        """Start everything; when this fails, everything that was started is gone again."""
        binaries = programs.kubernetes()
        image.archive()
        self._lock = _hold_lock()
        try:
            self.plane = ControlPlane(self.root / "plane", binaries, self.running)
            self.node = Node(self.root / "node", self.plane, self.running)
            self.plane.start()
            self.node.start()
            (self.root / "info.json").write_text(json.dumps(self.info()))
        except BaseException:
            self.down()
            raise

    def info(self) -> dict[str, str]:
        """What a person or a test needs to use it."""
        return {
            "kubeconfig": str(self.kubeconfig),
            "kubectl": str(self.plane.programs / "kubectl"),
            "server": self.plane.server,
            "image": image.NAME,
            "logs": str(self.running.logs),
        }

    def down(self) -> None:
        """Stop everything and put the machine back as it was."""
        if self.running.alive("kube-apiserver") and self.running.alive("kubelet"):
            self._delete_pods()
            self.node.stop()
        for name in self.running.names():
            self.running.stop(name, kill=True)  # nothing of theirs is kept
        remove(self.root)
        if self._lock is not None:
            self._lock.close()

    def _delete_pods(self) -> None:
        """Have the kubelet end the pods while it still can; what stays is ended by force."""
        plane = self.plane
        self.running.stop("kube-controller-manager")
        with contextlib.suppress(Exception):
            plane.kubectl(
                *("delete", "pods", "--all-namespaces", "--all", "--force", "--grace-period=0"),
                "--wait=false",
            )
            deadline = time.monotonic() + 5
            while self.node.ctr("tasks", "list", "--quiet").split():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.2)


def remove(root: Path) -> None:
    """Undo and remove what is left of a cluster in `root`, running or not."""
    processes.end_recorded(root / "running")
    node.clean(root / "node")
    store = root / "plane" / "etcd"
    if store.is_symlink():
        shutil.rmtree(store.readlink(), ignore_errors=True)
    shutil.rmtree(root)


def _hold_lock() -> IO[str]:
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    file = LOCK.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RuntimeError(
            "another test cluster runs on this machine; end it with: python -m tests.cluster down"
        ) from None
    return file
