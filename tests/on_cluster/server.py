"""A notebook server in a pod, as a hub would start it, and how a browser talks to it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tests.cluster.harness import REPOSITORY, wait_until
from tests.cluster.processes import free_ports
from tests.on_cluster.jobs import Bench

#: Where the server has its workspace; not where the node has it.
HOME = PurePosixPath("/home/jovyan/work")
TOKEN = "let-me-in"


class Server:
    """A pod with a Jupyter server in it.

    Parameters
    ----------
    bench
        The namespace and the workspace's volume.
    account
        The service account that the server acts as.
    claims
        More claims that it has mounted, and where.
    """

    def __init__(self, bench: Bench, account: str, claims: Mapping[str, str]) -> None:
        self.bench = bench
        (self.port,) = free_ports(1)
        pod = self._pod(account)
        for claim, path in claims.items():
            volume = {"name": claim, "persistentVolumeClaim": {"claimName": claim}}
            pod["spec"]["volumes"].append(volume)
            mount = {"name": claim, "mountPath": path}
            pod["spec"]["containers"][1]["volumeMounts"].append(mount)
        bench.cluster.create(pod, namespace=bench.namespace)
        self.url = f"http://127.0.0.1:{self.port}/jupyter-unattended"

    def _pod(self, account: str) -> dict[str, Any]:
        host, port = self.bench.cluster.api_address()
        options = [
            *("--ip=127.0.0.1", f"--port={self.port}", "--no-browser", "--allow-root"),
            f"--IdentityProvider.token={TOKEN}",
            "--ServerApp.jpserver_extensions={'jupyter_unattended': True}",
        ]
        container = {
            "name": "notebook",
            "image": self.bench.cluster.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-m", "jupyter_server", *options],
            "workingDir": str(HOME),
            "env": [
                # In the tests' cluster the API server is on the node's loopback.
                {"name": "KUBERNETES_SERVICE_HOST", "value": host},
                {"name": "KUBERNETES_SERVICE_PORT", "value": str(port)},
                {"name": "PYTHONPATH", "value": "/opt/repository"},
                {"name": "HOME", "value": "/home/jovyan"},
                {"name": "TZ", "value": "Europe/Zurich"},
                # What a hub leaves behind, and no job should see.
                {"name": "JUPYTERHUB_API_TOKEN", "value": "hub-s3cret"},
                {"name": "JUPYTERHUB_USER", "value": "ada@example.org"},
                {"name": "DATABASE_PASSWORD", "value": "literal-s3cret"},
                {"name": "MEM_LIMIT", "value": "1"},
                {
                    "name": "FROM_SECRET",
                    "valueFrom": {"secretKeyRef": {"name": "team", "key": "word"}},
                },
            ],
            "volumeMounts": [
                {"name": "home", "mountPath": str(HOME)},
                {"name": "repository", "mountPath": "/opt/repository", "readOnly": True},
            ],
            "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "1500Mi"}},
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "jupyter-ada",
                "labels": {"component": "singleuser-server", "app.kubernetes.io/name": "hub"},
            },
            "spec": {
                # Its own network would not reach the loopback; so its host name is not its name.
                "hostNetwork": True,
                "dnsPolicy": "Default",
                "serviceAccountName": account,
                "terminationGracePeriodSeconds": 1,
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "containers": [
                    {
                        "name": "a-sidecar",
                        "image": self.bench.cluster.image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["sleep", "infinity"],
                    },
                    container,
                ],
                "volumes": [
                    {
                        "name": "home",
                        "persistentVolumeClaim": {"claimName": self.bench.claim},
                    },
                    {"name": "repository", "hostPath": {"path": str(REPOSITORY)}},
                ],
            },
        }

    def wait(self) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            try:
                return "version" in self.ask("/status")
            except (OSError, RuntimeError):
                return False

        wait_until(answers, "the notebook server answers", 90, interval=0.5)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Make a request as a browser would; a refusal is an error with its message."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode(errors="replace")) from error

    def path(self, inside: str) -> Path:
        """Return where this machine has a file of the server's workspace."""
        return self.bench.workspace / PurePosixPath(inside).relative_to(HOME)
