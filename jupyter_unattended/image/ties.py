"""What ties a notebook to this machine, and what to do about it elsewhere."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..notebook.code import CellCode
from ..notebook.environment import Environment
from ..notebook.finding import Finding
from ..notebook.requirements import Requirements
from ..request import looks_secret

Kind = Literal["data", "path", "server", "variable", "package", "gpu"]

_LOCAL = re.compile(r"(?<![\w.])(?:localhost|127\.0\.0\.1|\[::1\])(?::(\d{2,5}))?(?![\w.])")
_PATH = re.compile(r"^'?(/[^']*|~[^']*?)'? is outside the workspace ")
_GPU_NAMES = {"cuda", "cupy", "pycuda", "numba.cuda"}
_SIZE_SECONDS = 3.0


@dataclass(frozen=True)
class Tie:
    """Something of this machine that the notebook needs.

    Parameters
    ----------
    kind
        What it is.
    message
        What was found, in one sentence.
    option
        What to write after ``submit`` so that a job in a container has it; empty where nothing
        helps but a change of the notebook.
    fix
        What to do, where it is not an option.
    cell
        Index of the cell; None for all of the notebook.
    """

    kind: Kind
    message: str
    option: str = ""
    fix: str = ""
    cell: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


def find(
    cells: Sequence[CellCode],
    findings: Sequence[Finding],
    requirements: Requirements,
    environment: Environment | None = None,
) -> list[Tie]:
    """Return what ties a notebook to this machine.

    Parameters
    ----------
    cells
        Its code.
    findings
        What preflight found.
    requirements
        What was found out about its imports.
    environment
        The kernel's environment, asked for the modules that the notebook imports.
    """
    found = [
        *_paths(findings),
        *(tie for cell in cells for tie in _servers(cell)),
        *_variables(cells),
        *_unavailable(requirements),
        *(_elsewhere(environment) if environment is not None else ()),
        *_gpus(cells),
    ]
    unique: dict[tuple[str, str, str], Tie] = {}
    for tie in found:
        unique.setdefault((tie.kind, tie.option, tie.message), tie)
    return list(unique.values())


def size_of(path: Path, seconds: float = _SIZE_SECONDS) -> tuple[int, bool]:
    """Return the bytes in a file or directory, and whether all of it was counted in time."""
    deadline = time.monotonic() + seconds
    if path.is_file():
        return path.stat().st_size, True
    total = 0
    for directory, _, files in os.walk(path):
        for number, name in enumerate(files):
            with contextlib.suppress(OSError):  # it went away meanwhile
                total += os.lstat(os.path.join(directory, name)).st_size  # noqa: PTH118
            if number % 256 == 0 and time.monotonic() > deadline:
                return total, False
    return total, True


def _paths(findings: Sequence[Finding]) -> Iterator[Tie]:
    for finding in findings:
        if finding.code != "path-outside-workspace":
            continue
        match = _PATH.match(finding.message)
        if match is None:
            continue
        path = Path(os.path.normpath(os.path.expanduser(match[1])))  # noqa: PTH111
        if not path.exists():
            yield Tie("path", f"{path} is used, and is not on this machine either",
                      fix="make it a parameter, or relative to the notebook",
                      cell=finding.cell)  # fmt: skip
            continue
        size, whole = size_of(path)
        amount = f"{'' if whole else 'more than '}{_amount(size)}"
        yield Tie("data", f"{path}, {amount}: mount read-only", option=f"--data {path}:ro",
                  cell=finding.cell)  # fmt: skip


def _servers(cell: CellCode) -> Iterator[Tie]:
    for node in ast.walk(cell.tree) if cell.tree is not None else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for match in _LOCAL.finditer(node.value):
                yield Tie(
                    "server",
                    f"it talks to {match[0]}, which in a container is the container itself",
                    option="--network host",
                    cell=cell.index,
                )


def _variables(cells: Sequence[CellCode]) -> Iterator[Tie]:
    for cell in cells:
        for node in ast.walk(cell.tree) if cell.tree is not None else ():
            name = _variable(node)
            if name is not None:
                option = "--secret-env" if looks_secret(name) else "-e"
                here = "" if name in os.environ else ", which is not set here either"
                yield Tie(
                    "variable",
                    f"it reads the environment variable {name}{here}",
                    option=f"{option} {name}",
                    cell=cell.index,
                )


def _variable(node: ast.AST) -> str | None:
    """Return the variable that ``os.environ[…]``, ``os.environ.get(…)``, ``os.getenv(…)`` read."""
    argument: ast.AST | None = None
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
        argument = node.slice if isinstance(node.ctx, ast.Load) else None
    elif isinstance(node, ast.Call) and node.args:
        name = ast.unparse(node.func)
        if name.endswith(("environ.get", "getenv")):
            argument = node.args[0]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        ours = argument.value.startswith("UNATTENDED_")
        return None if ours else argument.value
    return None


def _unavailable(requirements: Requirements) -> Iterator[Tie]:
    """Yield what requirements.txt cannot supply."""
    for one in requirements.unmapped:
        if not one.optional:
            where = "here and cannot be installed elsewhere" if one.installed else "not here either"
            yield Tie(
                "package",
                f"{one.module} is {where}: {one.reason}",
                fix="add it to requirements.txt by a name or an address that pip understands",
                cell=one.cell,
            )


def _elsewhere(environment: Environment) -> Iterator[Tie]:
    """Yield packages outside the kernel's environment: a person's own, or the system's."""
    for name in sorted(environment.modules):
        for package in environment.modules[name].packages:
            place = package.location
            if not place.is_relative_to(environment.prefix):
                yield Tie(
                    "package",
                    f"{package.name} is installed outside the kernel's environment, in "
                    f"{place.parent if place.suffix == '.dist-info' else place}",
                    fix=f"requirements.txt needs {package.name}=={package.version}",
                )


def _gpus(cells: Sequence[CellCode]) -> Iterator[Tie]:
    for cell in cells:
        for node in ast.walk(cell.tree) if cell.tree is not None else ():
            if _asks_for_gpu(node):
                yield Tie(
                    "gpu",
                    "it uses a GPU: CUDA comes with the packages, the driver stays this "
                    f"machine's{_driver()}",
                    option="--gpus 1",
                )
                return


def _asks_for_gpu(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.fullmatch(r"cuda(:\d+)?|/?(?:device:)?GPU:\d+|gpu", node.value) is not None
    if isinstance(node, ast.Attribute):
        return node.attr == "cuda"
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in _GPU_NAMES for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "") in _GPU_NAMES


def _driver() -> str:
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f" ({said[0]})" if said else ""


def _amount(size: int) -> str:
    amount, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.3g} {units[0]}"
