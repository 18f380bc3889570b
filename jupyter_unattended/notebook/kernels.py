"""Which kernel a notebook runs on, and which interpreter that is."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import KernelError
from .reader import Notebook, shown

#: What a notebook without a kernel gets, as in Jupyter.
DEFAULT_KERNEL = "python3"
_PYTHON_NAME = re.compile(r"(python|pypy)[0-9.]*(\.exe)?\Z")


@dataclass(frozen=True)
class Kernel:
    """A kernel that is installed here.

    Parameters
    ----------
    name
        The kernelspec's name.
    language
        Its language, in lower case.
    python
        Its interpreter; None for other languages, and where it cannot be told.
    runner
        ``ipython``: cells run in the job's own process. ``nbclient``: a kernel process is needed.
    display_name
        The name people see.
    env
        Environment variables that the kernelspec sets.
    """

    name: str
    language: str
    python: Path | None
    runner: Literal["ipython", "nbclient"]
    display_name: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_this_python(self) -> bool:
        """Whether the interpreter is the one that runs us."""
        return self.python is not None and str(self.python) == sys.executable


def resolve(name: str | None, notebook: Notebook | None = None) -> Kernel:
    """Return the kernel called `name`, by default the one in the notebook's metadata.

    Raises
    ------
    KernelError
        If there is no such kernel, or its interpreter is gone; the text names the kernels there
        are.
    """
    wanted = name or (notebook.kernel_name if notebook else None) or DEFAULT_KERNEL
    specs = installed()
    # Jupyter looks kernels up without regard to case.
    spec = specs.get(wanted) or specs.get(wanted.lower())
    if spec is None:
        if wanted in ("python", "python3"):
            # Without ipykernel there is no kernelspec, but cells run in-process need none.
            return _this_python(wanted)
        raise KernelError(_missing(wanted, list(specs), by_notebook=name is None))
    return _kernel(wanted if wanted in specs else wanted.lower(), spec)


def installed() -> dict[str, dict[str, Any]]:
    """Return the kernelspecs there are, as their kernel.json has them, by name."""
    specs: dict[str, dict[str, Any]] = {}
    for name, directory in _directories().items():
        try:
            spec = json.loads((directory / "kernel.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # broken or half-removed: as good as not there
        if isinstance(spec, dict) and isinstance(spec.get("argv"), list):
            specs[name] = spec
    return specs


def _directories() -> dict[str, Path]:
    """Return the directories of the kernelspecs, by name in lower case.

    This is how jupyter_client finds them; importing that takes a quarter of a second, because it
    brings along all that talks to kernels, and IPython.
    """
    from jupyter_core.paths import jupyter_path

    ipython = Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser()
    found: dict[str, Path] = {}
    for place in [*map(Path, jupyter_path("kernels")), ipython / "kernels"]:
        with contextlib.suppress(OSError):
            for directory in place.iterdir():
                if (directory / "kernel.json").is_file():
                    found.setdefault(directory.name.lower(), directory)
    return found


def _missing(wanted: str, names: Sequence[str], *, by_notebook: bool) -> str:
    close = difflib.get_close_matches(wanted, names, n=1)
    # This Python can always run cells, with a kernelspec or without.
    there = ", ".join(map(shown, sorted({*names, DEFAULT_KERNEL})))
    hint = f"; did you mean {shown(close[0])}?" if close else ""
    whose = "The notebook's kernel" if by_notebook else "The kernel"
    return (
        f"{whose} {shown(wanted)} is not installed here{hint} (installed: {there}); "
        "choose one with --kernel"
    )


def _this_python(name: str) -> Kernel:
    return Kernel(name, "python", Path(sys.executable), "ipython", "Python 3")


def _kernel(name: str, spec: Mapping[str, Any]) -> Kernel:
    argv = [str(part) for part in spec["argv"]]
    language = str(spec.get("language") or "").lower() or "python"
    env = spec.get("env")
    shared: dict[str, Any] = {
        "display_name": str(spec.get("display_name") or name),
        "env": {str(k): str(v) for k, v in env.items()} if isinstance(env, dict) else {},
    }
    if language not in ("python", "ipython") or not _is_ipykernel(argv):
        return Kernel(name, language, None, "nbclient", **shared)
    python = _interpreter(name, argv[0])
    if python is None:
        return Kernel(name, "python", None, "nbclient", **shared)
    return Kernel(name, "python", python, "ipython", **shared)


def _is_ipykernel(argv: Sequence[str]) -> bool:
    return any(part.partition(".")[0] in ("ipykernel_launcher", "ipykernel") for part in argv[1:])


def _interpreter(name: str, program: str) -> Path | None:
    """Return the interpreter that a kernelspec starts; None where a wrapper hides it."""
    version = sys.version_info
    if program in ("python", f"python{version[0]}", f"python{version[0]}.{version[1]}"):
        return Path(sys.executable)  # jupyter_client replaces these names the same way
    if not _PYTHON_NAME.match(os.path.basename(program)):  # noqa: PTH119 - a word, not a path
        return None
    found = shutil.which(program)
    if found is None:
        raise KernelError(
            f"The kernel {shown(name)} starts {shown(program)}, which is not there any more; "
            "install the kernel again or choose another with --kernel"
        )
    return Path(found)
