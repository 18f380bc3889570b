"""What running a notebook as a job costs over running the same code as a script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import notebooks
from measure import Contender, Line, compare, print_table

from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.spec import JobSpec

_Make = Callable[[Path], tuple[Path, Path]]


def measure(work: Path, rounds: int) -> None:
    """Print a table for each of three notebooks."""
    one = _run(work, rounds, "1 cell", notebooks.one_cell)
    _tell(one, "One cell", {})
    hundred = _run(work, rounds, "100 cells", notebooks.hundred_cells)
    _tell(hundred, "100 cells", {"wall": 0.4, "papermill": 0.25, "memory": 40})
    cpu = _run(work, min(rounds, 3), "CPU-bound", notebooks.cpu_bound)
    _tell(cpu, "CPU-bound", {"relative": 0.03, "memory": 40})


def _run(work: Path, rounds: int, title: str, make: _Make) -> list[Contender]:
    directory = work / title.replace(" ", "-")
    directory.mkdir()
    notebook, script = make(directory)
    service = JobService()
    job = service.wait(service.submit(JobSpec(notebook=notebook)).id)
    if job.state.value != "succeeded":
        sys.exit(f"benchmark: {title}: {job.state}: {job.reason}")
    start = service.paths(job.id).start_script
    jupyter = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute"]
    contenders = [
        Contender("python script.py", [sys.executable, script]),
        Contender("start.sh of a job", ["bash", start]),
        Contender(
            "papermill",
            [
                sys.executable,
                "-m",
                "papermill",
                "--no-progress-bar",
                notebook,
                directory / "o.ipynb",
            ],
        ),
        Contender("jupyter nbconvert --execute", [*jupyter, "--output", "n.ipynb", notebook]),
    ]
    compare(contenders, rounds, directory)
    return contenders


def _tell(contenders: list[Contender], title: str, targets: dict[str, float]) -> None:
    script, ours, papermill, _ = contenders
    lines = [
        Line(c.name, f"{c.wall:7.3f} s  {c.cpu:7.3f} s CPU  {c.memory:4.0f} MB") for c in contenders
    ]
    over, theirs = ours.wall - script.wall, papermill.wall - script.wall
    lines.append(_against("a job over the script", over, "s", targets.get("wall")))
    if "relative" in targets:
        lines.append(
            Line(
                "a job over the script, relative",
                f"{over / script.wall:.1%}",
                f"{targets['relative']:.0%}",
                over / script.wall <= targets["relative"],
            )
        )
    lines.append(_against("papermill over the script", theirs, "s", None))
    if "papermill" in targets:
        share = over / theirs
        lines.append(Line("a job's overhead in papermill's", f"{share:.2f}", "0.25", share < 0.25))
    lines.append(
        _against("a job's memory over the script's", ours.memory - script.memory, "MB",
                 targets.get("memory"))
    )  # fmt: skip
    print_table(f"{title} (medians of {len(script.seconds)})", lines)


def _against(what: str, value: float, unit: str, target: float | None) -> Line:
    shown = f"{value:.3f} {unit}" if unit == "s" else f"{value:.0f} {unit}"
    if target is None:
        return Line(what, shown)
    return Line(what, shown, f"{target:g} {unit}", value <= target)
