"""The environment of a kernel: its packages, and who supplies a module there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import KernelError
from . import probe
from .kernels import Kernel

#: Seconds that a kernel's interpreter may take to answer.
_TIMEOUT = 60


@dataclass(frozen=True)
class Package:
    """An installed package.

    `direct_url` is what direct_url.json says about one that did not come from an index.
    """

    name: str
    version: str
    direct_url: Mapping[str, Any] | None
    location: Path


@dataclass(frozen=True)
class Module:
    """A module as the kernel would find it.

    `packages` are those that have files of it; there are several for a namespace package.
    """

    found: bool
    standard: bool
    origin: Path | None
    packages: tuple[Package, ...]


@dataclass(frozen=True)
class Environment:
    """What a kernel's interpreter said about itself."""

    python_version: str
    prefix: Path
    packages: Mapping[str, str]
    modules: Mapping[str, Module]

    @property
    def has_ipython(self) -> bool:
        """Whether cells can run there."""
        return "ipython" in self.packages


# By interpreter and question; with the modification times of the directories that modules are in.
_answers: dict[tuple[str, frozenset[str]], tuple[dict[str, float], Environment]] = {}


def inspect(
    kernel: Kernel, modules: Iterable[str] = (), directory: Path | None = None
) -> Environment:
    """Ask the kernel's interpreter for its packages and for the given modules.

    The answer is kept until something is installed or removed there.

    Raises
    ------
    KernelError
        If the interpreter cannot be started or does not answer.
    """
    if kernel.python is None:
        raise KernelError(f"The kernel {kernel.name} is not a Python that can be asked")
    wanted = frozenset(modules)
    key = (str(kernel.python), wanted)
    cached = _answers.get(key)
    if cached is not None and cached[0] == _times(cached[0]):
        return cached[1]
    answer = _ask(kernel, {"modules": sorted(wanted)}, directory)
    environment = Environment(
        python_version=answer["python"],
        prefix=Path(answer["prefix"]),
        packages=answer["packages"],
        modules={name: _module(found) for name, found in answer["modules"].items()},
    )
    if len(_answers) > 64:
        _answers.clear()
    _answers[key] = (_times(answer["path"]), environment)
    return environment


def compiles(kernel: Kernel, sources: list[str]) -> list[dict[str, Any] | None]:
    """Let the kernel's interpreter compile sources; None for each that is valid there.

    Raises
    ------
    KernelError
        If the interpreter cannot be started or does not answer.
    """
    return list(_ask(kernel, {"compile": sources}, None)["compiles"])


def _times(paths: Iterable[str]) -> dict[str, float]:
    return {path: _time(path) for path in paths}


def _time(path: str) -> float:
    try:
        return os.stat(path).st_mtime  # noqa: PTH116 - a hundred of them
    except OSError:
        return 0.0


def _module(found: Mapping[str, Any]) -> Module:
    packages = tuple(
        Package(entry["name"], entry["version"], entry["direct_url"], Path(entry["location"]))
        for entry in found["packages"]
    )
    origin = Path(found["origin"]) if found["origin"] else None
    return Module(found["found"], found["standard"], origin, packages)


def _ask(kernel: Kernel, question: dict[str, Any], directory: Path | None) -> dict[str, Any]:
    if kernel.is_this_python and not kernel.env:
        return probe.answer(question)
    source = Path(probe.__file__).read_text(encoding="utf-8")
    # What lies in the working directory must not be taken for the standard library.
    start = "import sys; sys.path = [p for p in sys.path if p]; exec(sys.argv[1])"
    try:
        done = subprocess.run(
            [str(kernel.python), "-c", start, source],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_TIMEOUT,
            cwd=directory,
            env={**os.environ, **kernel.env, "PYTHONIOENCODING": "utf-8"},
            check=True,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise KernelError(
            f"{kernel.python}, the interpreter of the kernel {kernel.name}, does not answer"
        ) from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        raise KernelError(
            f"{kernel.python}, the interpreter of the kernel {kernel.name}, does not work: {last}"
        ) from None
    except (OSError, ValueError) as error:
        raise KernelError(
            f"{kernel.python}, the interpreter of the kernel {kernel.name}, cannot be started: "
            f"{error}"
        ) from None
    return dict(answer)
