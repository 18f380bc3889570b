"""A build session that a form watches: in a process of its own, so that nobody waits for it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Lines of the builder's log that are shown; the file has them all.
_LINES = 200
#: Seconds that a build or a trial gets to end when nobody wants it any more.
_PATIENCE = 10.0


class Making:
    """The image of one notebook, as it is being made.

    Parameters
    ----------
    fields
        The fields of the job's `JobSpec`, the notebook among them.
    base
        What the image is made from.
    overwrite
        Whether a Containerfile that is there is replaced.
    secrets
        Values of secret variables, for the trial.
    state_dir
        The state directory; None for the usual one.
    """

    def __init__(
        self,
        fields: Mapping[str, Any],
        *,
        base: str = "python",
        overwrite: bool = False,
        secrets: Mapping[str, str] | None = None,
        state_dir: Path | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._state: dict[str, Any] = {
            "phase": "writing", "made": None, "log": None, "step": None, "image": None,
            "trial": None, "error": "",
        }  # fmt: skip
        self._cancelled = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", __package__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # Ctrl-C in the server's terminal does not interrupt a build.
            start_new_session=True,
            # `python -m` looks for modules in the working directory first; here are none.
            cwd="/",
        )
        wanted = {
            "fields": dict(fields), "base": base, "overwrite": overwrite,
            "secrets": dict(secrets or {}), "state_dir": str(state_dir) if state_dir else "",
        }  # fmt: skip
        self._words: deque[str] = deque(maxlen=20)
        self._listeners = [
            threading.Thread(target=self._listen, args=(json.dumps(wanted, default=str),)),
            threading.Thread(target=self._overhear),
        ]
        for thread in self._listeners:
            thread.daemon = True
            thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self._state["phase"] in ("writing", "building", "trying")

    def state(self) -> dict[str, Any]:
        """Return how far it is, as plain data.

        ``phase`` is ``writing``, ``building``, ``trying``, ``done``, ``lacking`` (it was tried and
        did not run), ``failed`` or ``cancelled``.
        """
        with self._lock:
            return {**copy.deepcopy(self._state), "lines": list(self._lines)}

    def cancel(self) -> None:
        """End the build or the trial."""
        self._cancelled = True
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _listen(self, wanted: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            with self._process.stdin as pipe:
                pipe.write(wanted)
        except OSError:
            pass  # it ended at once; below it is said why
        with self._process.stdout as lines:
            for line in lines:
                ((kind, what),) = json.loads(line).items()
                with self._lock:
                    self._take(kind, what)
        self._process.wait()
        self._listeners[1].join(_PATIENCE)
        with self._lock:
            if self._cancelled:
                self._state["phase"] = "cancelled"
            elif self.is_running:
                self._state["phase"] = "failed"
                words = self._words[-1] if self._words else "it gave no reason"
                self._state["error"] = f"The process that makes the image ended: {words}."

    def _overhear(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._words.extend(line.strip() for line in lines if line.strip())

    def _take(self, kind: str, what: Any) -> None:
        state = self._state
        if kind == "made":
            state["made"] = what
        elif kind == "building":
            state["phase"], state["log"] = "building", what
        elif kind == "said":
            self._lines.append(what)
        elif kind == "step":
            state["step"] = what
        elif kind == "built":
            state["image"] = what
        elif kind == "trying":
            state["phase"] = "trying"
        elif kind == "tried":
            state["phase"], state["trial"] = "done" if what["ran"] else "lacking", what
        elif kind == "error":
            state["phase"], state["error"] = "failed", what
