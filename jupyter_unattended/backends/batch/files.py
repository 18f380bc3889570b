"""What a batch backend and its script keep in a job directory, in ``batch/``.

The script, written in bash and running on a node, and the backend, running where a person sits,
talk through these files alone; both may come and go. Their text formats are simple enough for bash.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ...paths import JobPaths

#: A link that runs shows it every ten seconds.
_SIGN_OF_LIFE = 30


@dataclass(frozen=True)
class Ending:
    """Why there will be no further link: the ``done`` marker.

    `word` is ``succeeded``, ``failed``, ``cancelled`` or ``paused`` (the scheduler would not queue
    the job again; a person can).
    """

    word: str
    exit_code: int | None
    at: float | None
    reason: str


@dataclass(frozen=True)
class BatchFiles:
    """Paths in ``<job directory>/batch/`` and how they are read."""

    root: Path

    @classmethod
    def of(cls, paths: JobPaths) -> BatchFiles:
        """Return those of a job."""
        return cls(paths.root / "batch")

    @property
    def script(self) -> Path:
        """What was submitted."""
        return self.root / "job.sh"

    @property
    def scheduler_log(self) -> Path:
        """What the script, and the scheduler itself, wrote: start.sh's output is not in it."""
        return self.root.parent / "scheduler.log"

    @property
    def ids(self) -> Path:
        """The scheduler's ids of this job, one a line, in the order of submission."""
        return self.root / "ids"

    @property
    def request(self) -> Path:
        """``pause`` or ``cancel``, as asked by a person; the script obeys it."""
        return self.root / "request"

    @property
    def done(self) -> Path:
        """Written by the script when no link should follow: WORD CODE EPOCH REASON."""
        return self.root / "done"

    @property
    def planned(self) -> Path:
        """How many links the job was planned with."""
        return self.root / "planned"

    @property
    def total(self) -> Path:
        """Seconds that all links may run together; may be changed while the job runs."""
        return self.root / "total"

    @property
    def links(self) -> Path:
        """Lines ``start N EPOCH ID REACHED``, ``end N EPOCH SECONDS CODE moved|stuck WORDS``."""
        return self.root / "links"

    @property
    def alive(self) -> Path:
        """The number of the running link and its seconds, written every ten seconds."""
        return self.root / "alive"

    def read_ids(self) -> list[str]:
        """Return the scheduler's ids of this job, oldest first."""
        return _text(self.ids).split()

    def add_ids(self, ids: list[str]) -> None:
        """Remember further ids."""
        with self.ids.open("a") as file:
            file.write("".join(f"{one}\n" for one in ids))

    def read_planned(self) -> int:
        """Return how many links the job was planned with."""
        text = _text(self.planned).strip()
        return int(text) if text.isdecimal() else 1

    def write_planned(self, links: int) -> None:
        """Remember how many links the job is planned with."""
        self._replace(self.planned, f"{links}\n")

    def write_total(self, seconds: float) -> None:
        """Set how long all links may run together."""
        self._replace(self.total, f"{round(seconds)}\n")

    def read_request(self) -> str:
        """Return what is asked of the script, or an empty text."""
        return _text(self.request).strip()

    def write_request(self, word: str) -> None:
        """Ask something of the script."""
        self._replace(self.request, f"{word}\n")

    def clear_request(self) -> None:
        """Withdraw what was asked."""
        with contextlib.suppress(FileNotFoundError):
            self.request.unlink()

    def read_ending(self) -> Ending | None:
        """Return why no link will follow, or None where one may."""
        words = _text(self.done).split(None, 3)
        if not words:
            return None
        return Ending(
            words[0],
            int(words[1]) if len(words) > 1 and words[1].lstrip("-").isdecimal() else None,
            float(words[2]) if len(words) > 2 and words[2].isdecimal() else None,
            words[3].strip() if len(words) > 3 else "",
        )

    def links_ended(self) -> int:
        """Return how many links have ended; one that runs may still be listed as waiting."""
        return sum(line.startswith("end ") for line in _text(self.links).splitlines())

    def link_started(self) -> float | None:
        """Return when the newest link began, to the second."""
        starts = [line for line in _text(self.links).splitlines() if line.startswith("start ")]
        return float(starts[-1].split()[2]) if starts else None

    def cut_off(self) -> bool:
        """Whether the last link shows no sign of life any more and did not write that it ended."""
        if not _text(self.links).rstrip().rsplit("\n", 1)[-1].startswith("start "):
            return False
        try:
            return time.time() - self.alive.stat().st_mtime > _SIGN_OF_LIFE
        except OSError:
            return False

    def stopped_from_outside(self) -> float | None:
        """Return when the last link ended, if that was because it was told to from outside."""
        words = _text(self.links).rstrip().rsplit("\n", 1)[-1].split()
        stopped = len(words) > 4 and words[0] == "end" and words[4] == "75o"
        return float(words[2]) if stopped else None

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(text)
        temporary.replace(path)

    def last_words(self) -> str:
        """Return the end of what the scheduler wrote, at most 8 KiB."""
        try:
            with self.scheduler_log.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 8192))
                return file.read().decode(errors="replace")
        except OSError:
            return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
