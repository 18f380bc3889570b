"""start.sh's requirement step when all is satisfied, against plain pip."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from measure import Contender, Line, compare, print_table

from jupyter_unattended.runtime import requirements_met

_PACKAGES = ("numpy", "pandas", "scikit-learn", "matplotlib", "ipython", "nbformat", "pydantic")


def measure(work: Path, rounds: int) -> None:
    """Print the time of both."""
    file = work / "requirements.txt"
    pins = [f"{name}=={importlib.metadata.version(name)}" for name in _PACKAGES]
    file.write_text("\n".join(pins) + "\n")
    ours = Contender("start.sh's step", [sys.executable, requirements_met.__file__, file])
    pip = Contender(
        "pip install -r", [sys.executable, "-m", "pip", "install", "--no-input", "-r", file]
    )
    compare([ours, pip], rounds, work, memory=False)
    print_table(
        f"{len(pins)} requirements, all satisfied (medians of {rounds})",
        [
            Line(ours.name, f"{ours.wall:.3f} s", "0.15 s", ours.wall < 0.15),
            Line(pip.name, f"{pip.wall:.3f} s"),
        ],
    )
