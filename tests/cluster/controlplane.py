"""etcd, the API server, the controller manager and the scheduler, on loopback."""

from __future__ import annotations

import json
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .pki import Authority, Pair
from .processes import Programs, free_ports


class ControlPlane:
    """The four programs that make a cluster without a node.

    Parameters
    ----------
    root
        Directory for everything they write.
    programs
        Directory with Kubernetes' programs.
    running
        Who starts and stops them.
    """

    def __init__(self, root: Path, programs: Path, running: Programs) -> None:
        self.root = root
        self.programs = programs
        self.running = running
        self.authority = Authority(root / "pki")
        self._etcd_port, peer, self._api_port, manager, scheduler = free_ports(5)
        self._peer_port, self._manager_port, self._scheduler_port = peer, manager, scheduler
        self.server = f"https://127.0.0.1:{self._api_port}"
        self._serving = self.authority.sign(
            "kube-apiserver",
            "/CN=kube-apiserver",
            "IP:127.0.0.1,IP:10.97.0.1,DNS:localhost,DNS:kubernetes.default.svc",
        )
        self._to_kubelet = self.authority.sign("to-kubelet", "/O=system:masters/CN=kube-apiserver")
        self._tokens = self.authority.key_pair("service-account")
        self.kubeconfig = self.make_kubeconfig("admin", "/O=system:masters/CN=admin")

    @property
    def port(self) -> int:
        """Where the API server listens."""
        return self._api_port

    @property
    def to_kubelet(self) -> Pair:
        """What the API server shows to a kubelet."""
        return self._to_kubelet

    def make_kubeconfig(self, name: str, subject: str) -> Path:
        """Write a kubeconfig for a client certificate of `subject`."""
        pair = self.authority.sign(name, subject)
        user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        return self.write_kubeconfig(name, user)

    def write_kubeconfig(self, name: str, user: dict[str, Any]) -> Path:
        """Write a kubeconfig with the credentials `user`."""
        cluster = {
            "server": self.server,
            "certificate-authority": str(self.authority.root.certificate),
        }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }
        path = self.root / f"{name}.kubeconfig"
        path.write_text(json.dumps(content, indent=1))  # JSON is YAML
        path.chmod(0o600)
        return path

    def start(self) -> None:
        """Start all four and wait until the API answers."""
        self._start_etcd()
        self.start_api_server()
        manager = self.make_kubeconfig("controller-manager", "/CN=system:kube-controller-manager")
        self.running.start(
            "kube-controller-manager",
            [
                self.programs / "kube-controller-manager",
                *(f"--kubeconfig={manager}", "--leader-elect=false"),
                *("--bind-address=127.0.0.1", f"--secure-port={self._manager_port}"),
                f"--cert-dir={self.root / 'controller-manager'}",
                f"--service-account-private-key-file={self._tokens.key}",
                f"--root-ca-file={self.authority.root.certificate}",
                *("--use-service-account-credentials", "--kube-api-qps=200"),
                "--kube-api-burst=400",
            ],
        )
        scheduler = self.make_kubeconfig("scheduler", "/CN=system:kube-scheduler")
        self.running.start(
            "kube-scheduler",
            [
                self.programs / "kube-scheduler",
                *(f"--kubeconfig={scheduler}", "--leader-elect=false"),
                *("--bind-address=127.0.0.1", f"--secure-port={self._scheduler_port}"),
                f"--cert-dir={self.root / 'scheduler'}",
            ],
        )

    def _start_etcd(self) -> None:
        url, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        store = self.root / "etcd"
        if Path("/dev/shm").is_dir():  # etcd waits for the disk at every write
            store.symlink_to(tempfile.mkdtemp(prefix="unattended-etcd-", dir="/dev/shm"))
        self.running.start(
            "etcd",
            [
                *("etcd", "--name=test", f"--data-dir={store}"),
                *(f"--listen-client-urls={url}", f"--advertise-client-urls={url}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                f"--initial-cluster=test={peer}",
            ],
        )
        health = f"{url}/health"
        self.running.wait_for("etcd", lambda: _answers(health), 30, "etcd is healthy")

    def start_api_server(self) -> None:
        """Start the API server (again) and wait until it is ready."""
        self.running.start(
            "kube-apiserver",
            [
                self.programs / "kube-apiserver",
                *("--bind-address=127.0.0.1", f"--secure-port={self._api_port}"),
                *("--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"),
                f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
                "--service-cluster-ip-range=10.97.0.0/24",
                "--authorization-mode=Node,RBAC",
                f"--client-ca-file={self.authority.root.certificate}",
                f"--tls-cert-file={self._serving.certificate}",
                f"--tls-private-key-file={self._serving.key}",
                f"--cert-dir={self.root / 'apiserver'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self._tokens.certificate}",
                f"--service-account-signing-key-file={self._tokens.key}",
                f"--kubelet-certificate-authority={self.authority.root.certificate}",
                f"--kubelet-client-certificate={self._to_kubelet.certificate}",
                f"--kubelet-client-key={self._to_kubelet.key}",
                "--kubelet-preferred-address-types=InternalIP",
                "--profiling=false",
            ],
        )
        self.running.wait_for("kube-apiserver", self.ready, 90, "the API server is ready")

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        return self.kubectl("get", "--raw=/readyz", check=False).stdout == "ok"

    def kubectl(
        self, *arguments: str, check: bool = True, stdin: str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the cluster's administrator."""
        done = subprocess.run(
            [self.programs / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
