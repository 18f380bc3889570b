"""What is mounted into a job's container: volumes, Secrets, shared memory."""

from __future__ import annotations

from pathlib import PurePosixPath

from ...errors import SpecError
from ...spec import JobSpec
from ..base import Bundle
from . import labels
from .client import Json
from .options import KubernetesOptions
from .pod import Mount, Twin, covering

#: Name of the volume that a git repository is cloned into.
CLONE = "unattended-clone"


def all_mounts(bundle: Bundle, options: KubernetesOptions, twin: Twin) -> list[Mount]:
    """Return all mounts of the job's container; the job directory is in one of them."""
    asked = [
        Mount(
            {
                "name": _volume_name(claim.name),
                "mountPath": claim.path,
                "readOnly": claim.read_only,
            },
            {
                "name": _volume_name(claim.name),
                "persistentVolumeClaim": {"claimName": claim.name},
            },
        )
        for claim in options.claims()
    ]
    paths = {mount.path for mount in asked}
    inherited = [mount for mount in twin.mounts if mount.path not in paths]
    everything = (*inherited, *asked)
    directory = bundle.paths.root
    home = covering(everything, directory)
    if home is None or not home.is_shared:
        raise SpecError(_no_home(bundle, home, everything))
    if home.mount.get("readOnly"):
        raise SpecError(f"workspace: {home.path} is mounted read-only; the job writes there")
    if options.code == "image" or options.git:
        mounts = [mount for mount in everything if mount is not home]
        mounts += _job_directory_only(bundle, home, clone=options.git is not None)
    else:
        mounts = list(everything)
    mounts += _secret_mounts(options)
    if not any(mount.path == PurePosixPath("/dev/shm") for mount in mounts):  # noqa: S108
        mounts += _shared_memory(bundle.spec, options)
    return _apart(mounts)


def _apart(mounts: list[Mount]) -> list[Mount]:
    """Give volumes that are not the same one different names; claims a.b and a-b had one."""
    taken: dict[str, Json] = {}
    apart = []
    for mount in mounts:
        name, number = str(mount.volume["name"]), 1
        while taken.setdefault(name, mount.volume) != mount.volume:
            number += 1
            name = f"{str(mount.volume['name'])[:60]}-{number}"
        apart.append(Mount({**mount.mount, "name": name}, {**mount.volume, "name": name}))
    return apart


def _no_home(bundle: Bundle, home: Mount | None, mounts: tuple[Mount, ...]) -> str:
    where = bundle.spec.workspace or bundle.paths.root
    shared = sorted(str(mount.path) for mount in mounts if mount.is_shared)
    places = f" (volumes are at: {', '.join(shared)})" if shared else ""
    if home is not None:
        return (
            f"workspace: {where} is in this pod's own {home.path}, which no other pod sees{places}"
        )
    return (
        f"workspace: {where} is on no volume that the job could mount{places}; "
        "give one with --volume pvc:CLAIM:/path"
    )


def _job_directory_only(bundle: Bundle, home: Mount, *, clone: bool) -> list[Mount]:
    """Return the mount of the job directory alone, and of an empty workspace to clone into."""
    inside = PurePosixPath(bundle.paths.root).relative_to(home.path)
    part = PurePosixPath(home.mount.get("subPath", "")) / inside
    mount = {**home.mount, "mountPath": str(bundle.paths.root), "subPath": str(part)}
    mounts = [Mount(mount, home.volume)]
    if clone:
        volume: Json = {"name": CLONE, "emptyDir": {}}
        mounts.insert(0, Mount({"name": CLONE, "mountPath": str(bundle.spec.workspace)}, volume))
    return mounts


def _secret_mounts(options: KubernetesOptions) -> list[Mount]:
    mounts = []
    for secret in options.secrets():
        if secret.path is not None:
            name = labels.name(f"secret-{secret.name}")
            mounts.append(
                Mount(
                    {"name": name, "mountPath": secret.path, "readOnly": True},
                    {"name": name, "secret": {"secretName": secret.name}},
                )
            )
    return mounts


def _shared_memory(spec: JobSpec, options: KubernetesOptions) -> list[Mount]:
    if options.shared_memory is None and not spec.gpus:
        return []
    memory: Json = {"medium": "Memory"}
    if options.shared_memory:
        memory["sizeLimit"] = quantity(options.shared_memory)
    mount = {"name": "shared-memory", "mountPath": "/dev/shm"}  # noqa: S108
    return [Mount(mount, {"name": "shared-memory", "emptyDir": memory})]


def _volume_name(claim: str) -> str:
    return labels.name(f"claim-{claim}")


def quantity(size: int) -> str:
    """Return a number of bytes as Kubernetes and people write it (268435456 as 256Mi)."""
    for unit, factor in (("Gi", 2**30), ("G", 10**9), ("Mi", 2**20), ("M", 10**6), ("Ki", 2**10)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
