"""Is everything here that jobs need? Every check says what it found and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import UnattendedError

Status = Literal["ok", "warning", "error"]

#: Less than this free, and jobs will soon fail to write.
_LITTLE_SPACE = 1 << 30
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "9p"}


@dataclass(frozen=True)
class Check:
    """What one check found.

    Parameters
    ----------
    title
        What was looked at.
    status
        ``ok``, ``warning`` (jobs run, but) or ``error`` (jobs do not run).
    message
        What was found, in one sentence.
    fix
        What to do; empty where all is well.
    """

    title: str
    status: Status
    message: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


def run(workspace: Path, state_dir: Path) -> list[Check]:
    """Do all checks.

    Parameters
    ----------
    workspace
        Where job directories would be written.
    state_dir
        Where the index of jobs is.
    """
    steps: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("Python", _python),
        ("Kernels", _kernels),
        ("Workspace", lambda: _directory("Workspace", workspace)),
        ("State directory", lambda: _state_dir(state_dir)),
        ("Jobs", lambda: _jobs(state_dir)),
        ("Policy", _policy),
        ("Backends", lambda: _backends(state_dir)),
    ]
    checks: list[Check] = []
    for title, step in steps:
        try:
            checks.extend(step())
        except UnattendedError as error:  # noqa: PERF203
            checks.append(Check(title, "error", str(error)))
    return checks


def file_system(path: Path) -> str:
    """Return the type of the file system that `path` is on, empty where it cannot be told."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    best, found = "", ""
    target = os.path.realpath(path)
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount = fields[1].replace("\\040", " ")
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, found = mount, fields[2]
    return found


def _python() -> Iterator[Check]:
    version = platform.python_version()
    if sys.platform != "linux":
        yield Check(
            "Python",
            "warning",
            f"{version} on {platform.system()}; jobs are tested on Linux only.",
            "Expect that orphaned processes are not found again.",
        )
    else:
        yield Check("Python", "ok", f"{version}, {sys.executable}")
    if shutil.which("bash") is None:
        yield Check(
            "bash", "error", "There is no bash on PATH; start.sh needs it.", "Install bash."
        )


def _kernels() -> Iterator[Check]:
    from .notebook import kernels

    specs = kernels.installed()
    if not specs:
        yield Check(
            "Kernels",
            "ok",
            "None is installed; Python notebooks run in this environment, which needs none.",
        )
    for name, found in sorted(specs.items()):
        yield _kernel(name, found)


def _kernel(name: str, spec: dict[str, Any]) -> Check:
    title = f"Kernel {name}"
    program = (spec.get("argv") or [""])[0]
    if spec.get("language") != "python":
        return Check(title, "ok", f"{spec.get('display_name', name)} ({spec.get('language')})")
    # jupyter_client starts "python" as the interpreter it runs in.
    path = sys.executable if program in ("python", "python3") else shutil.which(program)
    if path is None:
        return Check(
            title,
            "error",
            f"Its interpreter {program} does not exist.",
            f"Remove it (jupyter kernelspec remove {name}) or install it again.",
        )
    code = "import IPython, sys; print(IPython.__version__, '%d.%d.%d' % sys.version_info[:3])"
    ok, answer = _ask([path, "-c", code])
    if not ok:
        return Check(
            title, "error", f"{path} cannot import IPython: {answer}",
            f"Install it there: {path} -m pip install ipython",
        )  # fmt: skip
    ipython, _, python = answer.partition(" ")
    return Check(title, "ok", f"Python {python}, IPython {ipython}, {path}")


def _ask(command: list[str]) -> tuple[bool, str]:
    """Run a short program; return whether it succeeded, and the last line it printed."""
    import subprocess

    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode == 0, said[-1] if said else f"exit code {done.returncode}"


def _directory(title: str, directory: Path) -> Iterator[Check]:
    """Check that a directory can be written and has space left."""
    existing = directory
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"x" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        yield Check(
            title,
            "error",
            f"{directory} cannot be written ({error.strerror}).",
            "Make it writable, or free some space.",
        )
        return
    free = shutil.disk_usage(existing).free
    told = f"{directory} ({file_system(existing) or 'unknown file system'}, {_size(free)} free)"
    if free < _LITTLE_SPACE:
        yield Check(title, "warning", f"{told} has little space left.", "Free some space.")
    else:
        yield Check(title, "ok", told)


def _state_dir(state_dir: Path) -> Iterator[Check]:
    yield from _directory("State directory", state_dir)
    kind = file_system(state_dir)
    if kind in _NETWORK_FILE_SYSTEMS:
        yield Check(
            "State directory",
            "warning",
            f"It is on a network file system ({kind}): this works, but is slower.",
            "If it hurts, set UNATTENDED_STATE_DIR to a directory on a local disk.",
        )


def _jobs(state_dir: Path) -> Iterator[Check]:
    from .jobs.service import JobService

    views = JobService(state_dir).list(refresh=False)
    unfinished = sum(not view.state.is_final for view in views)
    yield Check("Jobs", "ok", f"{len(views)} known, {unfinished} of them have not ended.")


def _policy() -> Iterator[Check]:
    from .policy import Policy

    policy = Policy.load()
    policy.backend()  # the rules can be understood
    files = ", ".join(map(str, policy.files))
    yield Check("Policy", "ok", f"Jobs are bounded by {files}." if files else "There is none.")


def _backends(state_dir: Path) -> Iterator[Check]:
    from .backends import registry

    loaded, broken = registry.all(state_dir)
    usable = 0
    for name, backend in loaded.items():
        available = backend.availability()
        usable += available.usable
        if available.usable:
            yield Check(f"Backend {name}", "ok", available.reason or backend.title)
        else:
            yield Check(f"Backend {name}", "warning", available.reason or "It cannot be used here.")
    for name, reason in broken.items():
        yield Check(f"Backend {name}", "warning", reason, "Reinstall or remove its package.")
    if not usable:
        yield Check("Backends", "error", "No backend can be used here.", "See the reasons above.")


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
