"""The queue of one host: the local backend's memory, shared by its agent and its clients.

One SQLite file per host in the user's state directory. Clients add jobs and write down what is
wanted of them; only the host's agent starts, watches and ends them.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ... import statedir
from ...jobs.states import State
from ...paths import JobPaths
from .machine import Resources, hostname

VERSION = 2

_SCHEMA = """
CREATE TABLE job (
  id TEXT PRIMARY KEY,
  directory TEXT NOT NULL,
  arguments TEXT NOT NULL,
  env TEXT NOT NULL,
  environment TEXT NOT NULL,
  secrets INTEGER NOT NULL,
  ordinal REAL NOT NULL,
  priority INTEGER NOT NULL,
  cpus REAL NOT NULL,
  memory INTEGER,
  gpus INTEGER NOT NULL,
  grace_period REAL NOT NULL,
  time_limit REAL,
  max_restarts INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  since REAL NOT NULL,
  exit_code INTEGER,
  attempt INTEGER NOT NULL DEFAULT 0,
  wanted TEXT,
  restarts INTEGER NOT NULL DEFAULT 0,
  passed INTEGER NOT NULL DEFAULT 0,
  run_seconds REAL NOT NULL DEFAULT 0,
  launch TEXT,
  launched REAL,
  boot TEXT,
  pid INTEGER,
  pid_start INTEGER,
  devices TEXT,
  stopping TEXT,
  stop_reason TEXT,
  kill_at REAL,
  backend TEXT NOT NULL DEFAULT 'local'
);
CREATE INDEX job_by_state ON job (state, priority, ordinal);
CREATE TABLE environment (key TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE agent (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  namespace TEXT NOT NULL,
  pid INTEGER NOT NULL,
  seen REAL NOT NULL
)
"""

#: What leads from a version to the next one.
_UPGRADES = {1: "ALTER TABLE job ADD COLUMN backend TEXT NOT NULL DEFAULT 'local'"}

_ACTIVE = "('starting', 'running', 'pausing')"


@dataclass
class Entry:
    """One job of the queue, as in the table ``job``; `backend` tells what starts it.

    `wanted` is what a person asked for and the agent has not done yet: ``cancel``, ``pause`` or
    ``queue`` (go on after the pause). `stopping` is why the agent stops the running attempt:
    ``cancel``, ``pause``, ``time-limit``, ``memory``, ``failure`` (it could not start); `kill_at`
    is when its grace period is over.
    """

    id: str
    directory: str
    arguments: str
    env: str
    environment: str
    secrets: int
    ordinal: float
    priority: int
    cpus: float
    memory: int | None
    gpus: int
    grace_period: float
    time_limit: float | None
    max_restarts: int
    state: str
    reason: str
    since: float
    exit_code: int | None = None
    attempt: int = 0
    wanted: str | None = None
    restarts: int = 0
    passed: int = 0
    run_seconds: float = 0.0
    launch: str | None = None
    launched: float | None = None
    boot: str | None = None
    pid: int | None = None
    pid_start: int | None = None
    devices: str | None = None
    stopping: str | None = None
    stop_reason: str | None = None
    kill_at: float | None = None
    backend: str = "local"

    @property
    def paths(self) -> JobPaths:
        """The job directory."""
        return JobPaths(Path(self.directory))

    @property
    def needs(self) -> Resources:
        """What the job asks for."""
        return Resources(self.cpus, self.memory or 0, self.gpus)

    @property
    def is_active(self) -> bool:
        """Whether an attempt runs, or is being started or stopped."""
        return State(self.state).is_active


_COLUMNS = [column.name for column in fields(Entry)]
_NAMES = ", ".join(_COLUMNS)
_VALUES = ", ".join(f":{column}" for column in _COLUMNS)


def queue_file(state_dir: Path, host: str | None = None) -> Path:
    """Return the file of a host's queue; this host's by default."""
    return state_dir / f"local-{host or hostname()}.sqlite"


def open_queue(file: Path) -> LocalQueue:
    """Open a queue; a damaged one is set aside, and its jobs come back from their directories."""
    try:
        queue = LocalQueue(file)
        queue.has_work()
    except statedir.DamagedError:
        statedir.set_aside(file)
        return LocalQueue(file)
    return queue


def host_of(file: Path) -> str:
    """Return the host whose queue is in `file`."""
    return file.stem.removeprefix("local-")


class LocalQueue:
    """A host's queue.

    Parameters
    ----------
    file
        Its database.
    read_only
        For looking at another host's.
    """

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        self.file = file
        self._database = statedir.open_database(
            file, _SCHEMA, VERSION, read_only=read_only, upgrades=_UPGRADES
        )
        self._opened = file.stat()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def is_replaced(self) -> bool:
        """Whether the file was deleted or replaced since it was opened."""
        try:
            return not os.path.samestat(self._opened, self.file.stat())
        except OSError:
            return True

    def __enter__(self) -> LocalQueue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- looking -----------------------------------------------------------------------------------

    def get(self, job_id: str) -> Entry | None:
        """Return one job."""
        found = self._select("WHERE id = ?", job_id)
        return found[0] if found else None

    def some(self, job_ids: Sequence[str]) -> list[Entry]:
        """Return those of the jobs that the queue has."""
        return self._select("WHERE id IN (SELECT value FROM json_each(?))", json.dumps(job_ids))

    def active(self) -> list[Entry]:
        """Return the jobs with an attempt that runs, is being started or stopped."""
        return self._select(f"WHERE state IN {_ACTIVE}")

    def queued(self, limit: int = -1) -> list[Entry]:
        """Return the queued jobs in their order."""
        return self._select("WHERE state = 'queued' ORDER BY priority DESC, ordinal LIMIT ?", limit)

    def preempted(self) -> list[Entry]:
        """Return the jobs that an agent died over between noticing and queueing again."""
        return self._select("WHERE state = 'preempted'")

    def positions(self) -> dict[str, int]:
        """Return the 0-based places of all queued jobs."""
        rows = self._database.query(
            "SELECT id FROM job WHERE state = 'queued' ORDER BY priority DESC, ordinal"
        )
        return {row[0]: place for place, row in enumerate(rows)}

    def has_work(self) -> bool:
        """Whether there is anything for an agent to do."""
        return bool(
            self._database.query(
                "SELECT 1 FROM job WHERE state IN ('queued', 'preempted', 'starting', 'running', "
                "'pausing') LIMIT 1"
            )
        )

    def environment(self, key: str) -> dict[str, str]:
        """Return a kept environment."""
        rows = self._database.query("SELECT content FROM environment WHERE key = ?", (key,))
        found: dict[str, str] = json.loads(rows[0][0]) if rows else {}
        return found

    def version(self) -> int:
        """Return a number that changes when another process has written to the queue."""
        return int(self._database.query("PRAGMA data_version")[0][0])

    # -- writing -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what is done inside one transaction."""
        with self._database.transaction():
            yield

    def add(self, entries: Sequence[Entry], environment: tuple[str, str]) -> None:
        """Add jobs at the end of the queue; `environment` is a key and its text."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO environment VALUES (?, ?)", environment)
            last = connection.execute("SELECT max(ordinal) FROM job").fetchone()[0] or 0.0
            for place, entry in enumerate(entries, 1):
                entry.ordinal = last + place
                entry.environment = environment[0]
            connection.executemany(
                f"INSERT OR IGNORE INTO job ({_NAMES}) VALUES ({_VALUES})",  # noqa: S608
                map(vars, entries),
            )

    def set(self, job_id: str, **columns: Any) -> None:
        """Change columns of a job; inside `transaction` or on its own."""
        assignments = ", ".join(f"{column} = ?" for column in columns)
        with self._database.errors():
            self._database.connection.execute(
                f"UPDATE job SET {assignments} WHERE id = ?",  # noqa: S608
                [*columns.values(), job_id],
            )

    def enter(
        self,
        job_id: str,
        state: State,
        reason: str,
        at: float,
        was: State | None = None,
        **columns: Any,
    ) -> None:
        """Change a job's state; only if it is still `was`, where that is given."""
        changed = {"state": state.value, "reason": reason, "since": at, **columns}
        assignments = ", ".join(f"{column} = ?" for column in changed)
        condition, values = ("", []) if was is None else (" AND state = ?", [was.value])
        with self._database.errors():
            self._database.connection.execute(
                f"UPDATE job SET {assignments} WHERE id = ?{condition}",  # noqa: S608
                [*changed.values(), job_id, *values],
            )

    def move(self, job_id: str, position: int) -> None:
        """Put a queued job at a place of the queue.

        It gets the priority of its new neighbours where its own would not let it be there.
        """
        with self.transaction():
            queue = self.queued()
            moved = next((entry for entry in queue if entry.id == job_id), None)
            if moved is None:
                return
            queue.remove(moved)
            position = max(0, min(position, len(queue)))
            before = queue[position - 1] if position else None
            after = queue[position] if position < len(queue) else None
            highest = (
                before.priority if before else max(moved.priority, after.priority if after else 0)
            )
            lowest = after.priority if after else min(moved.priority, highest)
            priority = max(lowest, min(highest, moved.priority))
            # An order of its own among those of its priority; renumbered, so that no two are alike.
            queue.insert(position, moved)
            for number, entry in enumerate(queue):
                if entry.ordinal != number + 1.0:
                    self.set(entry.id, ordinal=number + 1.0)
            if priority != moved.priority:
                self.set(job_id, priority=priority)

    def remove(self, job_id: str) -> None:
        """Forget a job, and its environment if no other has the same."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM job WHERE id = ?", (job_id,))
            connection.execute(
                "DELETE FROM environment WHERE key NOT IN (SELECT environment FROM job)"
            )

    # -- the agent ---------------------------------------------------------------------------------

    def agent_seen(self) -> tuple[str, float] | None:
        """Return in which namespace an agent last said that it lives, and when."""
        rows = self._database.query("SELECT namespace, seen FROM agent")
        return (rows[0][0], rows[0][1]) if rows else None

    def note_agent(self, namespace: str, pid: int) -> None:
        """Note that the agent lives."""
        with self._database.errors():
            self._database.connection.execute(
                "INSERT OR REPLACE INTO agent VALUES (1, ?, ?, ?)", (namespace, pid, time.time())
            )

    def forget_agent(self) -> None:
        """Note that the agent has ended as it should."""
        with self._database.errors():
            self._database.connection.execute("DELETE FROM agent")

    def _select(self, tail: str, *values: object) -> list[Entry]:
        rows = self._database.query(f"SELECT {_NAMES} FROM job {tail}", values)  # noqa: S608
        return [Entry(*row) for row in rows]


def secrets_file(state_dir: Path, job_id: str) -> Path:
    """Return the file with a job's secret variables."""
    return state_dir / "secrets" / f"{job_id}.json"


def read_secrets(state_dir: Path, job_id: str) -> Mapping[str, str] | None:
    """Return a job's secret variables; None if they are gone."""
    try:
        found: dict[str, str] = json.loads(secrets_file(state_dir, job_id).read_bytes())
    except (OSError, ValueError):
        return None
    return found
