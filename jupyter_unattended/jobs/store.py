"""The index of jobs: a cache over the job directories, so that a list need not read them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .. import statedir
from ..errors import StoreError
from . import history
from .states import FINAL, State
from .view import JobView, Progress

#: Version of the schema; raised whenever an older reader would misread it.
VERSION = 1

_SCHEMA = """
CREATE TABLE job (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  notebook TEXT NOT NULL,
  workspace TEXT NOT NULL,
  directory TEXT NOT NULL,
  backend TEXT NOT NULL,
  handle TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  since REAL,
  exit_code INTEGER,
  created REAL NOT NULL,
  started REAL,
  ended REAL,
  attempt INTEGER NOT NULL DEFAULT 0,
  priority INTEGER NOT NULL DEFAULT 0,
  cells_done INTEGER,
  cells_total INTEGER,
  done REAL,
  total REAL,
  restarted_from TEXT,
  submitter TEXT
);
CREATE INDEX job_by_state ON job (state);
CREATE INDEX job_by_created ON job (created)
"""


@dataclass
class Row:
    """One job in the index; the fields of `JobView` and what only the service needs.

    `handle` is the backend's own; `submitter` is "host:pid" while the job is being handed to its
    backend, and None once the backend has it.
    """

    id: str
    name: str
    notebook: str
    workspace: str
    directory: str
    backend: str
    state: str
    created: float
    handle: str = ""
    reason: str = ""
    since: float | None = None
    exit_code: int | None = None
    started: float | None = None
    ended: float | None = None
    attempt: int = 0
    priority: int = 0
    cells_done: int | None = None
    cells_total: int | None = None
    done: float | None = None
    total: float | None = None
    restarted_from: str | None = None
    submitter: str | None = None

    def view(self, position: int | None = None, progress: Progress | None = None) -> JobView:
        """Return what a face is told."""
        if progress is None:
            progress = Progress(self.cells_done, self.cells_total, self.done, self.total)
        state = State(self.state)
        return JobView(
            id=self.id,
            name=self.name,
            notebook=self.notebook,
            workspace=self.workspace,
            directory=self.directory,
            backend=self.backend,
            state=state,
            reason=self.reason,
            since=self.since,
            # While another attempt may follow, the last one's is not the job's.
            exit_code=self.exit_code if state.is_final else None,
            created=self.created,
            started=self.started,
            ended=self.ended,
            attempt=self.attempt,
            priority=self.priority,
            position=position,
            progress=progress,
            restarted_from=self.restarted_from,
        )


_COLUMNS = [column.name for column in fields(Row)]
_NAMES = ", ".join(_COLUMNS)
_INSERT = f"INSERT OR REPLACE INTO job ({_NAMES}) VALUES ({', '.join(':' + c for c in _COLUMNS)})"  # noqa: S608
_UNFINISHED = ", ".join(f"'{state}'" for state in State if state not in FINAL)


class Store:
    """The index in ``jobs.sqlite`` of a state directory.

    Every method opens the file, does one transaction and closes it: nothing is held that a fork, a
    thread or a file system could trip over.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.file = state_dir / "jobs.sqlite"
        self.workspaces_file = state_dir / "workspaces.txt"

    def exists(self) -> bool:
        """Whether there is an index at all."""
        return self.file.exists()

    @contextlib.contextmanager
    def _open(self) -> Iterator[statedir.Database]:
        database = statedir.open_database(self.file, _SCHEMA, VERSION, is_cache=True)
        try:
            yield database
        finally:
            database.close()

    def check(self) -> None:
        """Raise `StoreError` if the index cannot be used."""
        with self._open():
            pass

    def directories(self) -> dict[str, dict[str, tuple[str, str | None, float]]]:
        """Return state, submitter and creation of every job, by workspace and then by id."""
        known: dict[str, dict[str, tuple[str, str | None, float]]] = {}
        with self._open() as database:
            for job_id, workspace, *rest in database.query(
                "SELECT id, workspace, state, submitter, created FROM job"
            ):
                state, submitter, created = rest
                known.setdefault(workspace, {})[job_id] = (state, submitter, created)
        return known

    def set_aside(self) -> Path:
        """Rename a damaged index, so that a new one can be built, and return its new name."""
        return statedir.set_aside(self.file)

    def put(self, rows: Iterable[Row]) -> None:
        """Insert or replace jobs, in one transaction."""
        values = [vars(row) for row in rows]
        if values:
            with self._open() as database, database.transaction() as connection:
                connection.executemany(_INSERT, values)

    def update(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change columns of jobs, in one transaction; unknown jobs are left out."""
        if not changes:
            return
        with self._open() as database, database.transaction() as connection:
            for job_id, columns in changes.items():
                assignments = ", ".join(f"{column} = ?" for column in columns)
                connection.execute(
                    f"UPDATE job SET {assignments} WHERE id = ?",  # noqa: S608
                    [*columns.values(), job_id],
                )

    def remove(self, job_ids: Sequence[str]) -> None:
        """Forget jobs."""
        if job_ids:
            with self._open() as database, database.transaction() as connection:
                connection.executemany("DELETE FROM job WHERE id = ?", [(i,) for i in job_ids])

    def all(self) -> list[Row]:
        """Return all jobs, newest first."""
        return self._select("ORDER BY created DESC, id DESC")

    def count(self) -> int:
        """Return how many jobs there are."""
        with self._open() as database:
            return int(database.query("SELECT count(*) FROM job")[0][0])

    def unfinished(self) -> list[Row]:
        """Return the jobs whose last observed state is not final."""
        return self._select(f"WHERE state IN ({_UNFINISHED}) ORDER BY created DESC, id DESC")

    def find(self, ref: str) -> list[Row]:
        """Return the job with this id; else the newest so named; else those whose id begins so.

        Names come before beginnings, because an id begins with its job's name.
        """
        exact = self._select("WHERE id = ?", ref)
        if exact or not ref:
            return exact
        named = self._select("WHERE name = ? ORDER BY created DESC, id DESC LIMIT 1", ref)
        return named or self._select(
            "WHERE substr(id, 1, ?) = ? ORDER BY created DESC", len(ref), ref
        )

    def search(
        self,
        states: Sequence[State] | None = None,
        notebook: str | None = None,
        text: str | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """Return the jobs that fit all that is given, newest first.

        `text` is looked for in ids, names, notebooks and reasons, in either case.
        """
        where, values = ["1"], []
        if states is not None:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += [state.value for state in states]
        if notebook is not None:
            where.append("notebook = ?")
            values.append(notebook)
        if text:
            pattern = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            where.append("(id || char(10) || name || char(10) || notebook || char(10) || reason) "
                         "LIKE ? ESCAPE '\\'")  # fmt: skip
            values.append(f"%{pattern}%")
        tail = f"WHERE {' AND '.join(where)} ORDER BY created DESC, id DESC"
        return self._select(tail + (f" LIMIT {int(limit)}" if limit is not None else ""), *values)

    def _select(self, tail: str, *values: object) -> list[Row]:
        with self._open() as database:
            database.connection.row_factory = None
            return [Row(*row) for row in database.query(f"SELECT {_NAMES} FROM job {tail}", values)]  # noqa: S608

    def remember_workspace(self, workspace: str) -> None:
        """Note where job directories are, in a file that outlives the index."""
        if workspace in self.workspaces():
            return
        statedir.ensure(self.state_dir)
        try:
            history.append(self.workspaces_file, json.dumps(workspace) + "\n")
        except OSError as error:
            raise StoreError(
                f"{self.workspaces_file} cannot be written ({os.strerror(error.errno or 0)})."
            ) from error

    def workspaces(self) -> list[str]:
        """Return the workspaces that have had jobs."""
        found: dict[str, None] = {}
        try:
            lines = self.workspaces_file.read_bytes().splitlines()
        except OSError:
            return []
        for line in lines:
            with contextlib.suppress(ValueError):
                found[json.loads(line)] = None
        return list(found)
