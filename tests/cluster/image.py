"""The container image of the tests, made from Debian and PyPI because there is no registry.

Python, IPython and what the examples need, and a Jupyter server. This package itself is not in it:
jobs bring their runtime along, and the pod with the notebook server mounts this work tree.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from . import cache

RELEASE = "bookworm"
PYTHON = "3.11"
DEBIAN_PACKAGES = ("python3", "ca-certificates", "git", "procps")
#: What pods say. The same layer twice, because a sandbox needs an image whose command just waits.
NAME = "localhost/unattended-test:1"
PAUSE = "localhost/unattended-pause:1"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


def python_packages() -> list[str]:
    """What this package requires, and what its examples and a server do."""
    extras = ("examples", "kubernetes")
    found = ["jupyter_server"]
    for requirement in metadata.requires("jupyter-unattended") or []:
        name, _, marker = requirement.partition(";")
        extra = re.search(r"extra == ['\"]([a-z]+)['\"]", marker)
        if (extra is None and not marker.strip()) or (extra is not None and extra[1] in extras):
            found.append(name.strip())
    return sorted(found)


def archive() -> Path:
    """The image as an OCI archive; making it takes two minutes the first time."""
    recipe = cache.key(RELEASE, PYTHON, *DEBIAN_PACKAGES, *python_packages(), NAME, PAUSE, "1")
    return cache.made(f"image-{recipe}", _make) / "image.tar"


def _make(target: Path) -> None:
    print("making the tests' image (about two minutes, once a machine)", flush=True)
    root = target / "root"
    try:
        install_debian(root, DEBIAN_PACKAGES)
        install_python(root, python_packages())
        layer = target / "layer.tar"
        subprocess.run(
            ["tar", "--numeric-owner", "-C", root, "-cf", layer, "."], check=True, timeout=300
        )
        _write_archive(layer, target / "image.tar")
        layer.unlink()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def install_debian(root: Path, packages: Sequence[str]) -> None:
    """Make a root file system of Debian's smallest system and `packages`."""
    log = root.with_suffix(".log")
    with log.open("w") as output:
        done = subprocess.run(
            [
                *("nice", "debootstrap", "--variant=minbase"),
                f"--include={','.join(packages)}",
                RELEASE,
                root,
                *_mirror(),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
    if done.returncode:
        raise RuntimeError(f"debootstrap failed:\n{log.read_text()[-2000:]}")
    log.unlink()
    for rubbish in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / rubbish, ignore_errors=True)


def _mirror() -> list[str]:
    """Where this machine's own apt gets Debian from."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    for line in listing.stdout.splitlines():
        site, _, release = line.partition(" ")
        if release == RELEASE:
            return [site]
    return []


def install_python(root: Path, packages: Sequence[str]) -> None:
    """Install from outside, so that the image needs neither pip nor a network."""
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "install", "--implementation=cp"]
    else:
        pip = ["uv", "pip", "install"]
    subprocess.run(
        [
            *("nice", *pip, "--quiet", "--only-binary=:all:", f"--python-version={PYTHON}"),
            f"--target={root}/usr/local/lib/python{PYTHON}/dist-packages",
            *packages,
        ],
        check=True,
        timeout=900,
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _write_archive(layer: Path, archive_path: Path) -> None:
    digest = _sha256(layer)
    blobs: dict[str, bytes] = {}

    def blob(media_type: str, content: object) -> dict[str, object]:
        data = json.dumps(content).encode()
        name = hashlib.sha256(data).hexdigest()
        blobs[name] = data
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}

    manifests = []
    for name, command in ((NAME, ["/bin/bash"]), (PAUSE, ["/usr/bin/sleep", "infinity"])):
        config = {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
                "Cmd": command,
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
        size = layer.stat().st_size
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": blob(_CONFIG, config),
            "layers": [{"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": size}],
        }
        entry = blob(_MANIFEST, manifest)
        entry["annotations"] = {"io.containerd.image.name": name}
        manifests.append(entry)
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    with tarfile.open(archive_path, "w") as tar:
        _add(tar, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(tar, "index.json", json.dumps(index).encode())
        for name, data in blobs.items():
            _add(tar, f"blobs/sha256/{name}", data)
        tar.add(layer, f"blobs/sha256/{digest}")


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
