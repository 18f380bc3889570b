"""Wall time and peak memory of commands, and the table of what was measured."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass
class Contender:
    """One way of doing the work that is measured."""

    name: str
    command: Sequence[str | Path]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """Median of the wall times."""
        return statistics.median(self.seconds)

    @property
    def cpu(self) -> float:
        """Median of the CPU times, which other work on the machine disturbs less."""
        return statistics.median(self.cpu_seconds)

    @property
    def memory(self) -> float:
        """Median of the peaks."""
        return statistics.median(self.megabytes)


@dataclass
class Line:
    """One line of the table."""

    what: str
    value: str
    target: str = ""
    met: bool | None = None


def compare(
    contenders: Sequence[Contender], rounds: int, cwd: Path, *, memory: bool = True
) -> None:
    """Run all contenders in turn, `rounds` times, then once or more again for their memory.

    Interleaved, and each round begins with another one, so that a slow minute hits all alike.
    """
    for number in range(rounds):
        shift = number % len(contenders)
        for contender in [*contenders[shift:], *contenders[:shift]]:
            wall, cpu = timed(contender.command, cwd)
            contender.seconds.append(wall)
            contender.cpu_seconds.append(cpu)
    for _ in range(min(rounds, 3) if memory else 0):
        for contender in contenders:
            contender.megabytes.append(peak(contender.command, cwd))


def timed(command: Sequence[str | Path], cwd: Path) -> tuple[float, float]:
    """Return the wall time and the CPU time of a command, which must succeed.

    The CPU time is that of the command and of all descendants that were waited for.
    """
    before = _cpu_of_children()
    began = time.perf_counter()
    _check(_start(command, cwd), command)
    return time.perf_counter() - began, _cpu_of_children() - before


def peak(command: Sequence[str | Path], cwd: Path) -> float:
    """Return the peak of the memory of a command and its descendants, in MB.

    Proportional set size: pages that several processes share are counted once. It is sampled every
    10 ms, which takes time of its own: never in the run whose time is measured.
    """
    process = _start(command, cwd)
    highest = 0
    while process.poll() is None:
        highest = max(highest, _tree_memory(process.pid))
        time.sleep(0.01)
    _check(process, command)
    return highest / 1e6


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _start(command: Sequence[str | Path], cwd: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _check(process: subprocess.Popen[bytes], command: Sequence[str | Path]) -> None:
    code = process.wait(timeout=900)
    if code != 0:
        sys.exit(f"benchmark: exit code {code} from {' '.join(map(str, command))}")


def _tree_memory(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_proportional(member.pid) for member in family)


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(
        (int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0
    )


def median_of(rounds: int, work: Callable[[], float]) -> float:
    """Return the median of what `work` returns."""
    return statistics.median(work() for _ in range(rounds))


def print_table(title: str, lines: Sequence[Line]) -> None:
    """Print lines under a title."""
    widths = [max(len(line.what) for line in lines), max(len(line.value) for line in lines)]
    print(f"\n{title}")
    for line in lines:
        verdict = "" if line.met is None else ("  met" if line.met else "  MISSED")
        target = f"target {line.target}" if line.target else ""
        row = f"  {line.what.ljust(widths[0])}  {line.value.rjust(widths[1])}  {target}{verdict}"
        print(row.rstrip())
    sys.stdout.flush()


def environment(state_dir: Path) -> Mapping[str, str]:
    """Set the environment of everything that is measured: a state directory of its own."""
    os.environ["UNATTENDED_STATE_DIR"] = str(state_dir)
    # Debian's and a container's Python may differ in this; measured is what a job gets.
    os.environ["PYTHONUNBUFFERED"] = "1"
    return os.environ
