"""From a job to the container that runs it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import SpecError
from ...paths import JobPaths
from ...spec import JobSpec
from ..local import machine
from . import inside
from .engine import JOB, LAUNCH, Container, Image, Mount, Status
from .options import ContainerOptions

#: Variables of whoever submits that mean the same in another image.
_ALLOWED = re.compile(
    r"TZ|(OMP|MKL|OPENBLAS|NUMEXPR|NCCL)_[A-Z_]+|(HTTP|HTTPS|FTP|NO|ALL)_PROXY"
    r"|(http|https|ftp|no|all)_proxy"
)
#: Further ones that mean the same in the image that the submitter itself runs in.
_ALLOWED_IN_TWIN = re.compile(
    r"LANG|LANGUAGE|LC_[A-Z]+|HOME|PATH|LD_LIBRARY_PATH|PYTHONPATH|CONDA_DIR|CONDA_PREFIX"
    r"|XDG_CACHE_HOME|HF_HOME|HF_HUB_CACHE|TORCH_HOME|MPLBACKEND|JULIA_DEPOT_PATH|R_LIBS_USER"
    r"|CUDA_HOME"
)

#: What the container runs first: is what was asked for there? An engine may say yes and do nothing
#: (Podman's --gpus without a GPU, limits without the right to set them). In order: GPUs, memory,
#: CPU cores, shared memory (0 where it was not asked for), then start.sh and its arguments.
#: start.sh writes its log itself; only what it says before that goes to the engine's.
CHECK = """\
refuse() { echo "$1" >&2; exit 78; }
gpus=$1 memory=$2 cpus=$3 shared=$4; shift 4
[[ -f $1 ]] || refuse "the container does not see $1, which is on the workspace"
if ((gpus)); then
  found=$(nvidia-smi -L 2>/dev/null | grep -c ^GPU)
  if ((!found)); then found=$(ls -d /dev/nvidia[0-9]* 2>/dev/null | wc -l); fi
  many=s; if ((gpus == 1)); then many=; fi
  ((found >= gpus)) ||
    refuse "asked for $gpus GPU$many; the container has $found, although the engine said yes"
fi
if ((memory)); then
  { read -r limit </sys/fs/cgroup/memory.max ||
    read -r limit </sys/fs/cgroup/memory/memory.limit_in_bytes; } 2>/dev/null
  if [[ $limit == max ]] || ((limit > memory)); then
    refuse "asked for a memory limit of $((memory >> 20)) MiB; the engine did not set it"
  fi
fi
if ((cpus)); then
  { read -r quota period </sys/fs/cgroup/cpu.max || {
    read -r quota </sys/fs/cgroup/cpu/cpu.cfs_quota_us
    read -r period </sys/fs/cgroup/cpu/cpu.cfs_period_us; }; } 2>/dev/null
  if [[ $quota == max ]] || ((quota < 0 || quota * 1000 > (cpus + 1) * period)); then
    refuse "asked for $(printf %g "${cpus}e-3") CPU cores; the engine did not set that limit"
  fi
fi
if ((shared)); then
  found=$(($(stat -f -c '%b * %S' /dev/shm)))
  ((found + 65536 >= shared)) ||
    refuse "asked for $((shared >> 20)) MiB of shared memory; there are $((found >> 20))"
fi
exec bash "$@" >/dev/null
"""
#: The exit code with which `CHECK` refuses.
REFUSED = 78


@dataclass(frozen=True)
class Place:
    """Where a job's container comes from.

    Parameters
    ----------
    image
        The image's name, as asked for.
    found
        The image, where the engine has it already.
    own
        The container that the submitter is in, where it is in one of this engine.
    """

    image: str
    found: Image | None = None
    own: Status | None = None

    @property
    def is_twin(self) -> bool:
        """Whether it is the image that the submitter itself runs in."""
        if self.own is None:
            return False
        same = _bare(self.own.image)
        return _bare(self.image) == same or (
            self.found is not None and _bare(self.found.id) == same
        )


def container_name(paths: JobPaths) -> str:
    """Return the name of a job's container: one at a time, and no other job's."""
    directory = hashlib.sha256(os.fsencode(paths.root)).hexdigest()[:8]
    return f"unattended-{paths.job_id}-{directory}"


def build(
    spec: JobSpec,
    paths: JobPaths,
    options: ContainerOptions,
    place: Place,
    *,
    environment: Mapping[str, str],
    limits_cpus: bool = True,
    launch: str = "",
    devices: tuple[str, ...] = (),
    secrets: Mapping[str, str] | None = None,
) -> Container:
    """Return the container of one attempt.

    Parameters
    ----------
    spec, paths, options, place
        The job.
    environment
        What it inherits from whoever submitted it; see `inherited`.
    limits_cpus
        Whether the engine can limit CPU cores; else the queue's slots have to do.
    launch
        The launch's name.
    devices
        The GPUs that it gets.
    secrets
        Values of secret variables.
    """
    gpus = devices or tuple(str(number) for number in range(spec.gpus))
    shared = options.shared_memory or (machine.memory() // 2 if spec.gpus else None)
    cpus = spec.cpus if limits_cpus else None
    asked = (spec.gpus, spec.memory or 0, round((cpus or 0) * 1000), shared or 0)
    env = {**environment, **spec.env}
    if not place.is_twin:
        # The interpreter of the kernel is one of this machine; the image has its own.
        env.setdefault("UNATTENDED_PYTHON", "python3")
    user, groups = _identity()
    if user != "0:0" and place.found is not None and "HOME" not in {*env, *place.found.env}:
        env["HOME"] = "/tmp"  # noqa: S108 - else it is /, where only root may write
    if launch:
        env["UNATTENDED_LAUNCH"] = launch
    return Container(
        name=container_name(paths),
        image=place.found.id if place.found is not None else place.image,
        command=(
            *("bash", "-c", CHECK, "unattended", *map(str, asked)),
            *(str(paths.start_script), *spec.arguments),
        ),
        directory=str(paths.root),
        labels={JOB: paths.job_id, **({LAUNCH: launch} if launch else {})},
        env=env,
        mounts=mounts(spec, paths, options, place.own),
        secrets=dict(secrets or {}),
        user=user,
        groups=groups,
        cpus=cpus,
        memory=spec.memory,
        shared_memory=shared,
        gpus=gpus,
        network=options.network,
        grace_period=spec.grace_period,
    )


def mounts(
    spec: JobSpec, paths: JobPaths, options: ContainerOptions, own: Status | None
) -> tuple[Mount, ...]:
    """Return what is mounted: the workspace, what was asked for, and what our container has.

    Raises
    ------
    SpecError
        If the job could not see the workspace.
    """
    home = str(paths.root) if options.code == "image" else str(spec.workspace)
    asked = options.mounts()
    source = inside.outside(home, own)
    if source is None:
        places = ", ".join(mount.target for mount in own.mounts) if own is not None else ""
        raise SpecError(
            f"workspace: {home} is in this server's own container, which no other one sees "
            f"(mounted are: {places or 'nothing'})."
        )
    found = {home: Mount(source, home)}
    if own is not None:
        for mount in own.mounts:
            if mount.target.startswith(("/run/", "/var/run/", "/etc/", "/dev/", "/sys/", "/proc/")):
                continue  # sockets of the engine, its own files
            found.setdefault(mount.target, mount)
    for mount in asked:
        here = inside.outside(mount.source, own) or mount.source
        found[mount.target] = Mount(here, mount.target, mount.read_only)
    return tuple(sorted(found.values(), key=lambda mount: mount.target.count("/")))


def inherited(environ: Mapping[str, str], *, twin: bool) -> dict[str, str]:
    """Return those variables of whoever submits that a job in a container inherits."""
    return {
        name: value
        for name, value in environ.items()
        if _ALLOWED.fullmatch(name) or (twin and _ALLOWED_IN_TWIN.fullmatch(name))
    }


def _identity() -> tuple[str, tuple[int, ...]]:
    """Return user and groups of this process, so that files belong to who they did before."""
    user, group = os.getuid(), os.getgid()
    groups = () if user == 0 else tuple(number for number in os.getgroups() if number != group)
    return f"{user}:{group}", groups


def _bare(image: str) -> str:
    return image.removeprefix("sha256:")
