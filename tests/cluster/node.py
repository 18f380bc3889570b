"""A node: containerd, a bridge for pods and a kubelet. What they do to the machine is undone."""

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

from . import cache, image
from .controlplane import ControlPlane
from .processes import Programs, free_ports

#: The kubelet sets these; the values from before are put back.
SYSCTLS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
BRIDGE = "unattended0"
NETWORK = "unattended-test"
SUBNET = "10.244.97.0/24"
NAME = "127.0.0.1"
#: Pods live below this control group and no other.
CGROUP = "unattended-test"


class Node:
    """The one node of a cluster.

    Parameters
    ----------
    root
        Directory for everything of the node; becomes a mount point while it runs.
    plane
        The control plane to join.
    running
        Who starts and stops programs.
    """

    def __init__(self, root: Path, plane: ControlPlane, running: Programs) -> None:
        self.root = root
        self.plane = plane
        self.running = running
        self.socket = root / "containerd.sock"
        root.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start containerd and kubelet and wait until the node is ready."""
        remember_sysctls(self.root)
        for group in _cgroup_paths():
            group.mkdir(exist_ok=True)
        self._start_containerd()
        self.start_kubelet()
        self.running.wait_for("kubelet", self._begun, 90, "the node is ready")

    def _start_containerd(self) -> None:
        config = self.root / "containerd.toml"
        config.write_text(self._containerd_config())
        network = self.root / "cni" / "10-test.conflist"
        network.parent.mkdir(exist_ok=True)
        network.write_text(json.dumps(self._network()))
        self._run_containerd()
        if self._forget_containers():
            self.running.stop("containerd")
            self._run_containerd()
        if image.NAME not in self.ctr("images", "list", "--quiet").split():
            self.ctr("images", "import", "--all-platforms", str(image.archive()), timeout=600)

    def _run_containerd(self) -> None:
        config = self.root / "containerd.toml"
        self.running.start("containerd", ["containerd", "--config", config])
        self.running.wait_for("containerd", self._containerd_answers, 60, "containerd answers")

    def _forget_containers(self) -> bool:
        """Remove what containerd remembers of pods that were; say whether there was anything."""
        containers = self.ctr("containers", "list", "--quiet").split()
        if containers:
            self.ctr("containers", "delete", *containers)
        return bool(containers)

    def stop(self) -> None:
        """Stop kubelet and containerd; images stay, containers do not."""
        self.running.stop("kubelet")
        end_pods(self.root)
        with contextlib.suppress(Exception):
            self._forget_containers()
        self.running.stop("containerd")

    def start_kubelet(self) -> None:
        """Start the kubelet (again)."""
        config = self.root / "kubelet.json"
        config.write_text(json.dumps(self._kubelet_config(), indent=1))
        kubeconfig = self.plane.make_kubeconfig("kubelet", f"/O=system:nodes/CN=system:node:{NAME}")
        self.running.start(
            "kubelet",
            [
                self.plane.programs / "kubelet",
                *(f"--config={config}", f"--kubeconfig={kubeconfig}"),
                f"--hostname-override={NAME}",
                *(f"--root-dir={self.root / 'kubelet'}", f"--cert-dir={self.root / 'pki'}"),
            ],
        )

    def ctr(self, *arguments: str, timeout: float = 60) -> str:
        """Run containerd's own command line."""
        done = subprocess.run(
            ["ctr", f"--address={self.socket}", "--namespace=k8s.io", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if done.returncode:
            raise RuntimeError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _containerd_answers(self) -> bool:
        try:
            self.ctr("version")
        except RuntimeError:
            return False
        return True

    def _begun(self) -> bool:
        """Whether the node is ready; starts the kubelet again where it was too early.

        containerd answers before its part for Kubernetes does, and a kubelet that meets it then
        ends.
        """
        too_early = "server is not initialized yet"
        if not self.running.alive("kubelet") and too_early in self.running.log_tail("kubelet"):
            time.sleep(0.5)
            self.start_kubelet()
        return self._ready()

    def _ready(self) -> bool:
        conditions = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
        answer = self.plane.kubectl("get", "nodes", "-o", f"jsonpath={conditions}", check=False)
        return answer.stdout == "True"

    def _containerd_config(self) -> str:
        return f"""\
version = 2
root = "{self._images()}"
state = "{self.root}/containerd-state"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image.PAUSE}"
  # Without CAP_SYS_RESOURCE, as in many containers, a sandbox cannot lower its own score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{self.root}/cni"
"""

    @staticmethod
    def _images() -> Path:
        """Where containerd keeps the image, unpacked: kept for the next cluster."""
        home = cache.directory() / f"containerd-{image.archive().parent.name}"
        for other in home.parent.glob("containerd-*"):
            if other != home:
                shutil.rmtree(other, ignore_errors=True)
        home.mkdir(exist_ok=True)
        return home

    def _network(self) -> dict[str, object]:
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": SUBNET}]],
            "dataDir": str(self.root / "addresses"),
        }
        bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": False, "ipam": addresses}
        return {"cniVersion": "0.4.0", "name": NETWORK, "plugins": [bridge]}

    def _kubelet_config(self) -> dict[str, object]:
        pki = self.plane.authority
        serving = pki.sign(
            "kubelet-serving", f"/O=system:nodes/CN=system:node:{NAME}", f"IP:{NAME}"
        )
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NAME,
            "port": free_ports(1)[0],
            "healthzPort": 0,
            "readOnlyPort": 0,
            "tlsCertFile": str(serving.certificate),
            "tlsPrivateKeyFile": str(serving.key),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(pki.root.certificate)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "podLogsDir": str(self.root / "logs"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{CGROUP}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "localStorageCapacityIsolation": False,
            "maxPods": 250,
            "imageGCHighThresholdPercent": 100,
            "imageMinimumGCAge": "24h",
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1Mi"},
            "shutdownGracePeriod": "0s",
        }


def remember_sysctls(root: Path) -> None:
    """Note the settings that a kubelet changes."""
    values = {name: Path("/proc/sys", name).read_text().strip() for name in SYSCTLS}
    (root / "sysctls.json").write_text(json.dumps(values))


def clean(root: Path) -> None:
    """Undo what a node did to the machine; its programs must have been stopped before."""
    end_pods(root)
    for _ in range(3):
        mounts = list(_mounts(root))
        for mount in mounts:
            subprocess.run(["umount", "--lazy", mount], capture_output=True, timeout=30)
        if not mounts:
            break
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, timeout=30)
    for left in Path("/var/lib/cni/results").glob(f"{NETWORK}-*"):
        left.unlink(missing_ok=True)
    remembered = root / "sysctls.json"
    if remembered.exists():
        for name, value in json.loads(remembered.read_text()).items():
            Path("/proc/sys", name).write_text(value)
    for group in _cgroups():
        for path in (*sorted(group.rglob("*/"), reverse=True), group):
            if path.is_dir():
                path.rmdir()


def end_pods(root: Path) -> None:
    """End every process that is left in a pod, and containerd's waiters for them."""
    deadline = time.monotonic() + 20
    while processes := {pid for group in _cgroups() for pid in _processes(group)}:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {sorted(processes)} of pods do not end")
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    _end_shims(root)


def _end_shims(root: Path) -> None:
    """End containerd's waiters for those processes, known by the socket they report to."""
    socket = str(root / "containerd.sock")
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_text().split("\0")
            if words[0].endswith("containerd-shim-runc-v2") and socket in words:
                os.kill(int(entry.name), signal.SIGKILL)


def _processes(group: Path) -> Iterator[int]:
    for file in group.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            yield from map(int, file.read_text().split())


def _cgroups() -> list[Path]:
    """Our control group in every hierarchy that has it."""
    return [path for path in _cgroup_paths() if path.is_dir()]


def _cgroup_paths() -> list[Path]:
    top = Path("/sys/fs/cgroup")
    hierarchies = [top] if (top / "cgroup.controllers").exists() else list(top.iterdir())
    return [path / CGROUP for path in hierarchies if path.is_dir() and not path.is_symlink()]


def _mounts(root: Path) -> Iterator[str]:
    """What is mounted below `root`, the innermost first."""
    lines = Path("/proc/mounts").read_text().splitlines()
    points = [line.split()[1].replace("\\040", " ") for line in lines]
    yield from (point for point in reversed(points) if Path(point).is_relative_to(root))
