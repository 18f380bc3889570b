"""A build session in a process of its own: ``python -m jupyter_unattended.image``.

It reads what is wanted from its standard input, as JSON, and writes what happens to its standard
output, an object a line. SIGTERM ends it, and with it the build or the trial. The other side is
`process.Making`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnattendedError

if TYPE_CHECKING:
    from ..jobs.view import JobView
    from .build import Built, Step
    from .making import Made
    from .session import Trial


class _Teller:
    """Writes what happens as lines of JSON."""

    def __init__(self) -> None:
        # The pipe is for these lines alone: not for what is printed, and not for an agent of the
        # queue, which outlives this process. (A duplicated descriptor is not inherited.)
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def tell(self, kind: str, what: Any) -> None:
        """Write one line."""
        self._out.write(json.dumps({kind: what}) + "\n")
        self._out.flush()

    def made(self, made: Made) -> None:
        """Tell what was written, and what ties the notebook to this machine."""
        self.tell("made", {
            "containerfile": str(made.containerfile),
            "written": [path.name for path in made.written],
            "kept": [path.name for path in made.kept],
            "ties": [tie.to_dict() for tie in made.ties],
            "unknown_libraries": made.unknown,
        })  # fmt: skip

    def building(self, log: Path) -> None:
        """Tell where the log is."""
        self.tell("building", str(log))

    def said(self, line: str) -> None:
        """Pass on what the builder writes."""
        self.tell("said", line.rstrip())

    def step(self, step: Step) -> None:
        """Tell the step."""
        self.tell("step", asdict(step))

    def built(self, built: Built, seconds: float) -> None:
        """Tell the image's name."""
        self.tell("built", {**asdict(built), "seconds": seconds})

    def trying(self, job: JobView) -> None:
        """Tell the trial's job."""
        self.tell("trying", job.id)

    def tried(self, trial: Trial) -> None:
        """Tell how it went."""
        self.tell("tried", asdict(trial))


def main() -> None:
    """Do what is wanted."""
    from ..jobs.service import JobService
    from ..spec import JobSpec
    from .session import Session

    teller = _Teller()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    wanted = json.load(sys.stdin)
    state_dir = wanted["state_dir"]
    try:
        session = Session(
            JobSpec.checked(**wanted["fields"]),
            base=wanted["base"],
            overwrite=wanted["overwrite"],
            secrets=wanted["secrets"],
        )
        session.run(JobService(Path(state_dir) if state_dir else None), teller)
    except UnattendedError as error:
        teller.tell("error", str(error))


if __name__ == "__main__":
    main()
