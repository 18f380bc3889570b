"""Checkpoints against the floor: the same bytes written and read with fsync, in the same process.

``python benchmarks/bench_checkpoints.py [--rounds N] [--directory D]`` prints a table. Every figure
is the best of the rounds, with the median in brackets; raw and ours take turns, so that a slow
minute hits both alike. Caches are dropped (``posix_fadvise``) before each read.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

GIGABYTE = 10**9


def arrays() -> dict[str, Any]:
    """Make a gigabyte of arrays with aliasing: views, a second name, a transposed view."""
    import numpy as np

    rng = np.random.default_rng(0)
    big = rng.random((5, GIGABYTE // 8 // 5))
    return {
        "parts": list(big[:3]),
        "big": big,
        "again": big,
        "view": big[1, ::2],
        "turned": big.T,
        "names": {f"name-{number}": number for number in range(1000)},
    }


def frame() -> dict[str, Any]:
    """Make a DataFrame of 100 MB, and a lazy copy of it."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"column {number}": rng.random(1_250_000) for number in range(10)})
    return {"table": table, "copy": table[:], "one": table["column 3"]}


STATES: dict[str, Callable[[], dict[str, Any]]] = {"1 GB of arrays": arrays, "100 MB frame": frame}


def memory(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at its peak since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def forget_peak() -> None:
    """Begin to measure the peak anew."""
    Path("/proc/self/clear_refs").write_text("5")


def drop_caches(directory: Path) -> None:
    """Have what follows read from the disk."""
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def blocks(state: dict[str, Any]) -> list[memoryview]:
    """Return the memory that must be written, each piece once."""
    import numpy as np

    if "big" in state:
        return [memoryview(state["big"].reshape(-1).view(np.uint8))]
    return [
        memoryview(block.values.T.reshape(-1).view(np.uint8))
        for block in state["table"]._mgr.blocks
    ]


def raw_write(pieces: list[memoryview], path: Path) -> None:
    """Do the least that saving takes."""
    with path.open("wb", buffering=0) as file:
        for piece in pieces:
            while piece:
                piece = piece[file.write(piece) :]
        os.fsync(file.fileno())


def raw_read(sizes: list[int], path: Path) -> list[Any]:
    """Do the least that restoring takes: read into new memory."""
    import numpy as np

    found = []
    with path.open("rb", buffering=0) as file:
        for size in sizes:
            target = np.empty(size, np.uint8)
            view = memoryview(target)
            while view:
                view = view[file.readinto(view) :]
            found.append(target)
    return found


def timed(work: Callable[[], Any]) -> float:
    """Seconds that `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measure_state(name: str, directory: Path, rounds: int) -> dict[str, Any]:
    """Save and restore one state, in turns with the floor."""
    from jupyter_unattended.runtime.checkpoint_state import dump, load
    from jupyter_unattended.runtime.checkpoint_store import CheckpointStore
    from jupyter_unattended.runtime.snapshot_pickle import (
        NamespacePickler,
        NamespaceUnpickler,
        arrange,
    )

    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    state = STATES[name]()
    pieces = blocks(state)
    size = sum(piece.nbytes for piece in pieces)
    result: dict[str, Any] = {"size": size, "raw write": [], "write": [], "again": []}
    result |= {"raw read": [], "read": [], "write memory": 0.0, "read memory": 0.0}

    class Pickler(NamespacePickler):
        def dump(self, obj: Any) -> None:
            super().dump(arrange(self, obj))

    def save(store: CheckpointStore) -> None:
        with store.begin("snapshot") as publication:
            meta = dump(
                publication, {"names": state}, lambda file, put: Pickler(file, put, vars(module))
            )
            publication.publish(meta)

    def restore(root: Path) -> Any:
        store = CheckpointStore(root)
        manifest = next(store.newest_first("snapshot"))
        return load(
            store,
            manifest,
            manifest.meta,
            lambda *arguments: NamespaceUnpickler(*arguments, namespace=vars(module)),
        )

    raw = directory / "raw"
    for number in range(rounds):
        store = CheckpointStore(directory / f"store-{number}")
        result["raw write"].append(timed(lambda: raw_write(pieces, raw)))
        forget_peak()
        before = memory("VmRSS")
        result["write"].append(timed(lambda store=store: save(store)))
        result["write memory"] = max(result["write memory"], memory("VmHWM") - before)
        result["again"].append(timed(lambda store=store: save(store)))
        if number < rounds - 1:
            store.remove("snapshot")
    drop_caches(directory)
    root = directory / f"store-{rounds - 1}"
    sizes = [piece.nbytes for piece in pieces]
    for _ in range(rounds):
        drop_caches(directory)
        result["raw read"].append(timed(lambda: raw_read(sizes, raw)))
        drop_caches(directory)
        forget_peak()
        before = memory("VmRSS")
        result["read"].append(timed(lambda: restore(root)))
        result["read memory"] = max(result["read memory"], memory("VmHWM") - before - size)
    return result


def measure_loop(rounds: int, directory: Path) -> dict[str, Any]:
    """Measure the cost of a step of an empty loop."""
    from jupyter_unattended.runtime import checkpoint_link
    from jupyter_unattended.runtime.checkpoint_store import CheckpointStore
    from jupyter_unattended.runtime.resumable import resumable

    steps = 10**6
    plain, ours = [], []

    def ignore(*_: object, **__: object) -> None:
        return None

    for number in range(rounds):
        link = checkpoint_link.Link(
            CheckpointStore(directory / "loop"), 1, f"round-{number}", "", ignore, ignore
        )
        checkpoint_link.bind(link)

        def empty() -> None:
            for _ in range(steps):
                pass

        def resumed() -> None:
            for _ in resumable(range(steps), state=[[1]]):
                pass

        plain.append(timed(empty) / steps)
        ours.append(timed(resumed) / steps)
    return {"plain": plain, "resumable": ours}


def notebook(cells: int) -> dict[str, Any]:
    """Short cells that leave something behind."""
    sources = ["import numpy as np\ndata = np.zeros(300_000)"]
    sources += [f"x{n} = sum(range(20_000)); data[{n}] = x{n}" for n in range(cells - 1)]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, source in enumerate(sources)
        ],
    }


def jobs(directory: Path) -> Callable[..., Any]:
    """Return a way to run a job directory's start.sh."""
    from jupyter_unattended.bundle import startscript
    from jupyter_unattended.runtime import travel

    def run(name: str, content: dict[str, Any], env: dict[str, str], **spec: Any) -> Path:
        root = directory / name / ".unattended" / "job"
        if not root.exists():
            root.mkdir(parents=True)
            spec |= {"notebook": str(directory / name / "work.ipynb")}
            kernel = {"name": "python3", "language": "python", "python": sys.executable}
            record = {"schema_version": 1, "id": "job", "spec": spec}
            record["kernel"] = {**kernel, "runner": "ipython"}
            (root / "job.json").write_text(json.dumps(record))
            (root / "notebook.ipynb").write_text(json.dumps(content))
            (root / "requirements.txt").write_text("")
            travel.install(root)
            (root / "start.sh").write_text(
                startscript.render(
                    notebook="work.ipynb",
                    working_directory=str(directory / name),
                    python=sys.executable,
                    grace_period=30,
                )
            )
            (root / "start.sh").chmod(0o755)
        subprocess.run(
            [root / "start.sh"], env={**os.environ, **env}, stdout=subprocess.DEVNULL, check=False
        )
        return root

    return run


def events(root: Path, event: str) -> list[dict[str, Any]]:
    """Events of a job's journal."""
    lines = (root / "journal.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == event]


def measure_cells(directory: Path, rounds: int) -> dict[str, Any]:
    """100 short cells: nothing saved, only looked at; saved after each; and not even looked at."""
    run = jobs(directory)
    found: dict[str, list[float]] = {"off": [], "looked at": [], "saved after each": []}
    specs = [{"checkpoints": False}, {}, {"checkpoint_interval": 0}]
    for number in range(rounds):
        for name, spec in zip(found, specs, strict=True):
            root = run(f"{name}-{number}", notebook(100), {}, **spec)
            seconds = events(root, "finished")[0]["t"] - events(root, "started")[0]["t"]
            found[name].append(seconds)
    return found


def measure_long(directory: Path, seconds: float = 600.0) -> dict[str, Any]:
    """Measure a run of ten minutes with a gigabyte, of which each cell changes a tenth."""
    run = jobs(directory)
    content = notebook(61)
    cells = content["cells"]
    cells[0]["source"] = "import numpy as np, time\ndata = np.random.rand(10, 12_500_000)"
    for number, cell in enumerate(cells[1:]):
        cell["source"] = f"data[{number % 10}] += 1; time.sleep({seconds / 60})"
    root = run("ten-minutes", content, {})
    saved = [event["saved"] for event in events(root, "checkpoint") if "saved" in event]
    whole = events(root, "finished")[0]["t"] - events(root, "started")[0]["t"]
    return {"seconds": whole, "saves": len(saved), "saving": sum(s["seconds"] for s in saved)}


def measure_resume(directory: Path, rounds: int) -> dict[str, Any]:
    """From the start of the second attempt to the first cell it runs, with a small state."""
    run = jobs(directory)
    content = notebook(3)
    content["cells"][2]["source"] = (
        "import os, signal, time\n"
        "if os.environ['UNATTENDED_ATTEMPT'] == '1':\n"
        "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)"
    )
    seconds = []
    for number in range(rounds):
        root = run(f"resume-{number}", content, {}, checkpoint_interval=0)
        begun = time.time()
        run(f"resume-{number}", content, {})
        started = [e for e in events(root, "cell_started") if e["attempt"] == 2]
        assert started[0]["cell"] == 2, started
        seconds.append(started[0]["t"] - begun)
    return {"seconds": seconds}


def best(values: list[float]) -> str:
    """``best (median)``."""
    return f"{min(values):.3f} ({statistics.median(values):.3f})"


def rows(options: argparse.Namespace, directory: Path) -> Iterator[tuple[str, str, str, str]]:
    """Measure, and yield lines of the table."""
    for name in STATES:
        work = directory / name.replace(" ", "-")
        work.mkdir()
        command = [sys.executable, __file__, "--state", name, "--directory", str(work)]
        command += ["--rounds", str(options.rounds)]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        for what, raw, target in [("write", "raw write", 1.3), ("read", "raw read", 1.5)]:
            ratio = min(found[what]) / min(found[raw])
            median = statistics.median(found[what]) / statistics.median(found[raw])
            yield f"{name}: {raw}", f"{best(found[raw])} s", "", ""
            yield (
                f"{name}: {what}",
                f"{best(found[what])} s",
                f"{ratio:.2f} ({median:.2f}) x raw",
                f"<= {target} x",
            )
            extra = found[f"{what} memory"] / found["size"]
            yield f"{name}: extra memory, {what}", f"{extra:.1%}", "", "< 10 %"
        yield f"{name}: write again, unchanged", f"{best(found['again'])} s", "", ""
    found = measure_loop(options.rounds, directory)
    for name, values in found.items():
        target = "< 1 us" if name == "resumable" else ""
        yield f"step of an empty loop: {name}", f"{min(values) * 1e6:.3f} us", "", target
    found = measure_cells(directory, options.rounds)
    floor = min(found["off"])
    for name, values in found.items():
        over = f"{min(values) / floor - 1:+.1%}"
        target = "< +5 %" if name == "looked at" else ""
        yield f"100 short cells: {name}", f"{best(values)} s", over, target
    found = measure_resume(directory, options.rounds)
    yield "second attempt to its first cell", f"{best(found['seconds'])} s", "", "< 1 s"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", help="where to write; default: a temporary directory")
    parser.add_argument("--ten-minutes", action="store_true", help="only the share of a long run")
    parser.add_argument("--state", choices=STATES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.state:
        directory = Path(options.directory)
        print(json.dumps(measure_state(options.state, directory, options.rounds)))
        return
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load average at the start {load:.1f}")
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="bench-") as name:
        if options.ten_minutes:
            found = measure_long(Path(name))
            share = found["saving"] / found["seconds"]
            print(
                f"{found['saves']} snapshots of 1 GB in a run of {found['seconds']:.0f} s took "
                f"{found['saving']:.1f} s: {share:.2%} (target < 2 %)"
            )
            return
        for what, value, ratio, target in rows(options, Path(name)):
            print(f"{what:<44} {value:>22} {ratio:>22} {target:>10}", flush=True)


if __name__ == "__main__":
    main()
