"""Measure and print a table: ``python benchmarks/run.py [NAME...]``.

Needs the development installation and papermill (``make benchmark`` sees to both). Everything
happens in a temporary directory with a state directory of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

import installing
import listing
import measure
import overhead
import psutil
import queueing
import serving

from jupyter_unattended import __version__

NAMES = ("overhead", "latency", "list", "requirements", "many", "serving")


def main() -> None:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each contender")
    parser.add_argument("--jobs", type=int, default=500, help="how many jobs 'many' submits")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    names = options.names or NAMES
    load = os.getloadavg()[0]
    print(
        f"jupyter-unattended {__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, "
        f"{time.strftime('%Y-%m-%d')}, load average at the start {load:.1f}"
    )
    with tempfile.TemporaryDirectory(prefix="unattended-benchmark-") as name:
        work = Path(name)
        measure.environment(work / "state")
        if "overhead" in names:
            overhead.measure(work, options.rounds)
        if "latency" in names:
            queueing.latency(work, options.rounds)
        if "list" in names:
            listing.measure(work, options.rounds)
        if "requirements" in names:
            installing.measure(work, options.rounds)
        if "many" in names:
            queueing.many(work, options.jobs)
        if "serving" in names:
            serving.measure(work)


if __name__ == "__main__":
    main()
