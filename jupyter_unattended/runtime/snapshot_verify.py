"""Loading a snapshot in a fresh process: that it could be written proves nothing.

Run as a module, with the store's directory and the snapshot's number. Prints one line, and exits
with 0 if the snapshot can be loaded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import types
import warnings
from collections.abc import Sequence
from pathlib import Path

from .checkpoint_manifest import Manifest
from .checkpoint_memory import available
from .checkpoint_store import CheckpointStore

#: A snapshot that needs more than this part of the free memory is not loaded a second time.
_MEMORY_PART = 0.25
_SECONDS = 300


class Verification:
    """A child process that loads a snapshot while the notebook goes on."""

    def __init__(self, store: CheckpointStore, manifest: Manifest) -> None:
        self.manifest = manifest
        package = Path(__file__).parents[2]
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]),
            # Not a second time on a GPU, which may have no room for it.
            "CUDA_VISIBLE_DEVICES": "",
            "JAX_PLATFORMS": "cpu",
        }
        arguments = [str(store.root.absolute()), str(manifest.sequence)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            text=True,
        )

    @staticmethod
    def affordable(manifest: Manifest) -> bool:
        """Return whether there is memory for a second copy of the state."""
        return manifest.size < available() * _MEMORY_PART

    def problem(self) -> str | None:
        """Return why the snapshot cannot be loaded, "" if it can; None while that is not known."""
        code = self._process.poll()
        if code is None:
            return None
        assert self._process.stdout is not None
        with self._process.stdout as output:
            lines = output.read().strip().splitlines()
        if code == 0:
            return ""
        return lines[-1] if lines else f"loading it ended with code {code}"

    def end(self) -> None:
        """Stop verifying."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main(arguments: Sequence[str]) -> int:
    """Load the snapshot and say whether that worked."""
    from . import snapshot_process
    from .snapshot_restore import import_modules, load_parts
    from .snapshot_save import SERIES

    os.nice(10)
    signal.alarm(_SECONDS)
    # What the notebook's modules print when they are imported is not the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    root, sequence = Path(arguments[0]), int(arguments[1])
    warnings.simplefilter("ignore")
    store = CheckpointStore(root)
    manifests = [m for m in store.newest_first(SERIES) if m.sequence == sequence]
    if not manifests:
        return 0  # a newer one has taken its place
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):
            surroundings = manifests[0].meta["surroundings"]
            snapshot_process.enter(surroundings)
            import_modules(surroundings["modules"])
            load_parts(store, manifests[0], vars(module))
    except BaseException as error:
        print(f"{type(error).__name__}: {error}".replace("\n", " ")[:300], file=answer, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # whatever threads the libraries have started
