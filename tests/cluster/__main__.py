"""``python -m tests.cluster up|down|build|serve``: a cluster to look around in."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import image, processes, programs
from .cluster import Cluster, remove

ROOT = Path(tempfile.gettempdir()) / "unattended-cluster"


def main() -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("build", "make the programs and the image, and keep them"),
        ("up", "start a cluster that ends by itself"),
        ("serve", "run a cluster for the tests until standard input ends"),
        ("down", "end the cluster and put the machine back as it was"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--root", type=Path, default=ROOT, help="its directory (%(default)s)")
        if name == "build":
            command.add_argument(
                "--install", action="store_true", help="first install what is missing, with apt-get"
            )
        if name in ("up", "serve"):
            command.add_argument(
                "--minutes", type=float, default=60, help="how long it lives (%(default)s)"
            )
    arguments = parser.parse_args()
    if arguments.command == "build" and arguments.install:
        programs.install()
    if arguments.command != "down" and (problem := programs.missing()):
        print(problem, file=sys.stderr)
        return 3
    if arguments.command == "build":
        print(programs.kubernetes(), image.archive(), sep="\n")
        return 0
    if arguments.command == "down":
        return down(arguments.root)
    if arguments.command == "up":
        return up(arguments.root, arguments.minutes)
    return serve(arguments.root, arguments.minutes)


def up(root: Path, minutes: float) -> int:
    """Start a cluster that outlives this process."""
    if (root / "server.json").exists():
        print(f"there is one in {root} already; end it with: python -m tests.cluster down")
        return 1
    root.mkdir(parents=True, exist_ok=True)
    log = root.with_suffix(".log")
    reading, writing = os.pipe()
    with log.open("w") as output:
        # The server lives until its standard input ends; it holds the other end itself.
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.cluster", "serve", f"--root={root}"),
                f"--minutes={minutes}",
            ],
            stdin=reading,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            start_new_session=True,
        )
    while not (root / "info.json").exists():
        if server.poll() is not None:
            print(log.read_text(), file=sys.stderr)
            return 1
        time.sleep(0.1)
    info = json.loads((root / "info.json").read_text())
    print(f"export KUBECONFIG={info['kubeconfig']}")
    print(f"alias kubectl={info['kubectl']}")
    print("# end it with: python -m tests.cluster down")
    return 0


def down(root: Path) -> int:
    """End the cluster in `root`, whoever started it."""
    record = root / "server.json"
    if record.exists():
        server = json.loads(record.read_text())
        processes.end(server["pid"], server["started"], grace=90)
    if root.exists():
        remove(root)
    root.with_suffix(".log").unlink(missing_ok=True)
    return 0


def serve(root: Path, minutes: float) -> int:
    """Run a cluster until standard input ends, a signal comes or its time is over.

    Commands are read from standard input, one a line, and each is answered with a line of JSON:
    ``kill NAME`` ends one of the programs at once, ``start NAME`` starts it again.
    """

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    deadline = time.monotonic() + minutes * 60
    if root.exists() and not (root / "server.json").exists() and any(root.iterdir()):
        print(f"{root} is not empty", file=sys.stderr)
        return 1
    if (root / "server.json").exists():
        down(root)
    root.mkdir(parents=True, exist_ok=True)
    record = {"pid": os.getpid(), "started": processes.start_time(os.getpid())}
    (root / "server.json").write_text(json.dumps(record))
    cluster = Cluster(root)
    try:
        cluster.up()
        answer(cluster.info())
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([sys.stdin], [], [], left)
            line = sys.stdin.readline() if readable else ""
            if not line:
                break
            answer(obey(cluster, line.split()))
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(FileNotFoundError):
            cluster.down()
        shutil.rmtree(root, ignore_errors=True)
    return 0


def obey(cluster: Cluster, words: list[str]) -> dict[str, str]:
    """Do what a test asked for."""
    starts = {
        "kube-apiserver": cluster.plane.start_api_server,
        "kubelet": cluster.node.start_kubelet,
    }
    match words:
        case ["kill", name] if name in starts:
            cluster.running.stop(name, kill=True)
        case ["start", name] if name in starts:
            starts[name]()
        case _:
            return {"error": f"no such command: {' '.join(words)}"}
    return {}


def answer(content: dict[str, str]) -> None:
    """Write one line of JSON for the one who reads our standard output."""
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    sys.exit(main())
