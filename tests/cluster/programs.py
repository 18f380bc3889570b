"""Kubernetes' own programs, built from the Go module in ``programs/`` and cached by version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from . import cache

MODULE = Path(__file__).parent / "programs"
NAMES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl")
#: What Debian's packages must bring: program -> package.
DEBIAN = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "openssl": "openssl",
}


def version() -> str:
    """The version of Kubernetes that go.mod pins."""
    found = re.search(
        r"^\s*k8s\.io/kubernetes (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE
    )
    assert found is not None, "go.mod must pin k8s.io/kubernetes"
    return found[1]


def missing() -> str:
    """Why no cluster can be made on this machine, in one sentence; empty if one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a cluster of our own needs Linux and root"
    packages = _missing_packages()
    if packages:
        return f"missing programs; run: apt-get install {' '.join(packages)}"
    if shutil.which("go") is None and not _target().is_dir():
        return "building Kubernetes needs the Go toolchain (`go`), which is not on PATH"
    return ""


def install() -> None:
    """Install the Debian packages that are missing; needs root."""
    packages = _missing_packages()
    if packages:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        wait = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
        for command in ((*wait, "update"), (*wait, "install", "-y", "--no-install-recommends")):
            more = packages if "install" in command else []
            subprocess.run([*command, *more], env=environment, check=True, timeout=900)


def _missing_packages() -> list[str]:
    return sorted({DEBIAN[name] for name in DEBIAN if shutil.which(name) is None})


def kubernetes() -> Path:
    """The directory with Kubernetes' programs; building them takes minutes the first time."""
    return cache.made(_target().name, _build)


def _target() -> Path:
    sources = [(MODULE / name).read_bytes() for name in ("go.mod", "go.sum")]
    return cache.directory() / f"kubernetes-{cache.key(_ldflags(), *sources)}"


def _ldflags() -> str:
    pinned = version()
    major, minor, _ = pinned.removeprefix("v").split(".", 2)
    flags = ["-s", "-w"]
    # Without these the server calls itself v0.0.0-master+$Format, which clients fail to parse.
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        values = {"gitVersion": pinned, "gitMajor": major, "gitMinor": minor}
        flags += [f"-X {package}.{name}={value}" for name, value in values.items()]
    return " ".join(flags)


def _build(target: Path) -> None:
    print(f"building Kubernetes {version()} (about five minutes, once a machine)", flush=True)
    began = time.monotonic()
    subprocess.run(
        [
            *("nice", "-n", "10", "go", "build", "-trimpath"),
            *("-ldflags", _ldflags(), "-o", target),
            *(f"k8s.io/kubernetes/cmd/{name}" for name in NAMES),
        ],
        cwd=MODULE,
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
        timeout=3000,
    )
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)
