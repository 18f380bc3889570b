"""What a test gets: a cluster of our own or the one that ``KUBECONFIG`` names."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from . import image, programs

REPOSITORY = Path(__file__).resolve().parents[2]
T = TypeVar("T")


class Kubernetes:
    """A cluster to test with.

    Parameters
    ----------
    kubeconfig
        An administrator's kubeconfig.
    kubectl
        The program to talk to it with.
    server
        The harness' server process where the cluster is ours, else None.
    """

    def __init__(
        self, kubeconfig: Path, kubectl: str, server: subprocess.Popen[str] | None = None
    ) -> None:
        self.kubeconfig = kubeconfig
        self._kubectl = kubectl
        self._server = server
        self.image = os.environ.get("UNATTENDED_TEST_IMAGE") or image.NAME

    @property
    def is_ours(self) -> bool:
        """Whether programs of the cluster can be killed and started, and nodes changed."""
        return self._server is not None

    def kubectl(
        self,
        *arguments: str,
        stdin: object = None,
        check: bool = True,
        timeout: float = 60,
        kubeconfig: Path | None = None,
    ) -> str:
        """Run kubectl and return what it prints; `stdin` is text, or is sent as JSON."""
        text = stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin)
        done = subprocess.run(
            [self._kubectl, f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout if check else done.stdout + done.stderr

    def get(self, *arguments: str) -> Any:
        """Run ``kubectl get`` and return the object or list."""
        return json.loads(self.kubectl("get", "-o", "json", *arguments))

    def create(self, *objects: dict[str, Any], namespace: str | None = None) -> None:
        """Create objects, in one call."""
        where = ["--namespace", namespace] if namespace else []
        content = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("create", *where, "-f", "-", stdin=content)

    def api_address(self) -> tuple[str, int]:
        """Return host and port of the API server."""
        content = json.loads(self.kubectl("config", "view", "--minify", "-o", "json"))
        address = urllib.parse.urlsplit(content["clusters"][0]["cluster"]["server"])
        return str(address.hostname), address.port or 443

    def kubeconfig_with(self, user: dict[str, Any], namespace: str) -> Path:
        """Return a copy of the kubeconfig with other credentials and namespace."""
        content = json.loads(self.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
        for entry in content["users"]:
            entry["user"] = user
        for entry in content["contexts"]:
            entry["context"]["namespace"] = namespace
        descriptor, name = tempfile.mkstemp(prefix="unattended-", suffix=".kubeconfig")
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file)
        return Path(name)

    def command(self, text: str) -> dict[str, str]:
        """Have the harness kill or start one of the programs (``kill kube-apiserver``)."""
        assert self._server is not None
        return _ask(self._server, text)


def wait_until(ready: Callable[[], T], what: str, timeout: float = 60, interval: float = 0.2) -> T:
    """Return what `ready` returns once it is true; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (result := ready()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {timeout:.0f} s: {what}")
        time.sleep(interval)
    return result


@contextlib.contextmanager
def kubernetes() -> Iterator[Kubernetes]:
    """The cluster of ``KUBECONFIG``, else one of our own that ends with this context."""
    given = os.environ.get("KUBECONFIG")
    if given:
        yield Kubernetes(Path(given), os.environ.get("KUBECTL") or "kubectl")
        return
    with tempfile.TemporaryDirectory(prefix="unattended-", ignore_cleanup_errors=True) as parent:
        root = Path(parent) / "cluster"  # the server removes it; short, for the sockets in it
        log = Path(parent) / "server.log"
        with log.open("w+") as errors, _server(root, errors) as server:
            assert server.stdout is not None
            line = server.stdout.readline()
            if not line:
                server.wait(120)
                raise RuntimeError(f"the test cluster did not start:\n{log.read_text()}")
            info = json.loads(line)
            yield Kubernetes(Path(info["kubeconfig"]), info["kubectl"], server)


@contextlib.contextmanager
def _server(root: Path, errors: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """The process that owns the cluster; it takes everything down when its input ends.

    That is also what happens when the tests are killed.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", "serve", f"--root={root}", "--minutes=75"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        start_new_session=True,  # Ctrl+C in the tests' terminal is no business of the cluster
    ) as server:
        try:
            yield server
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(120)


def _ask(server: subprocess.Popen[str], text: str) -> dict[str, str]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(text + "\n")
    server.stdin.flush()
    answer: dict[str, str] = json.loads(server.stdout.readline())
    return answer


def why_not() -> str:
    """Why there is no cluster for the tests; empty if there can be one."""
    return "" if os.environ.get("KUBECONFIG") else programs.missing()
