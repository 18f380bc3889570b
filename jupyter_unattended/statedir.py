"""The user's state directory and the SQLite files in it.

Home directories are often on NFS, where SQLite's WAL mode does not work: every database here uses a
rollback journal, short transactions and a busy timeout.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import StoreError

#: How long a process waits for another one's transaction, in seconds.
BUSY_TIMEOUT = 30.0


def default() -> Path:
    """Return ``$UNATTENDED_STATE_DIR``, else ``jupyter-unattended`` under ``$XDG_STATE_HOME``."""
    chosen = os.environ.get("UNATTENDED_STATE_DIR")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_STATE_HOME")
    root = Path(base) if base and base.startswith("/") else Path.home() / ".local" / "state"
    return root / "jupyter-unattended"


def ensure(directory: Path) -> Path:
    """Create `directory` so that only the user can read it, or raise `StoreError`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(directory.stat().st_mode) & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"The state directory {directory} cannot be used ({error.strerror}); make it writable "
            "or set UNATTENDED_STATE_DIR to another directory."
        ) from error
    return directory


def runtime_path(state_dir: Path, suffix: str) -> Path:
    """Return a path on a file system of this host for a lock or a socket of `state_dir`.

    Locks and sockets do not work reliably on NFS, and a socket's path has to be short: they are in
    ``$XDG_RUNTIME_DIR`` or the temporary directory, in a directory that only the user can enter,
    named after the state directory they belong to.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.path.isdir(base) and os.access(base, os.W_OK | os.X_OK):  # noqa: PTH112
        root = Path(base) / "jupyter-unattended"
    else:
        root = Path(tempfile.gettempdir()) / f"jupyter-unattended-{os.getuid()}"
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        found = root.lstat()
    except OSError as error:
        raise StoreError(f"{root} cannot be used for locks ({error.strerror}).") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StoreError(
            f"{root} must be a directory that belongs to you and that nobody else can enter; "
            "remove it or set XDG_RUNTIME_DIR."
        )
    key = hashlib.sha256(os.fsencode(os.path.realpath(state_dir))).hexdigest()[:16]
    return root / f"{key}{suffix}"


def open_database(
    file: Path,
    schema: str,
    version: int,
    *,
    read_only: bool = False,
    is_cache: bool = False,
    upgrades: Mapping[int, str] | None = None,
) -> Database:
    """Open the database `file`, creating it by the script `schema` where it does not exist.

    One of an older version is brought up to date: `upgrades` has for a version the statement that
    leads to the next one.

    A cache is not flushed to the disk with every transaction: it survives any process being killed,
    but a power failure may damage or age it, and it is then made anew from what it caches.

    Raises
    ------
    StoreError
        If it cannot be opened, or was written by a newer version of this package.
    """
    try:
        if read_only:
            connection = _connect(f"{file.as_uri()}?mode=ro")
        else:
            ensure(file.parent)
            connection = _connect(f"{file.as_uri()}?mode=rwc")
    except sqlite3.Error as error:
        raise explained(file, error) from error
    database = Database(file, connection)
    try:
        with database.errors():
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found == 0 and not read_only:
                _create(file, connection, schema, version)
                found = version
        if 0 < found < version and upgrades:
            _upgrade(file, version, upgrades)
        if found > version:
            raise StoreError(
                f"{file} was written by a newer jupyter-unattended (schema {found}, this one reads "
                f"{version}); upgrade this one, or set UNATTENDED_STATE_DIR to another directory."
            )
        if found == 0:
            raise StoreError(f"{file} is empty.")
        if is_cache:
            connection.execute("PRAGMA synchronous=OFF")
    except BaseException:
        connection.close()
        raise
    return database


def set_aside(file: Path) -> Path:
    """Rename a damaged database, so that a new one can be made, and return its new name."""
    aside = file.with_name(f"{file.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    with contextlib.suppress(FileNotFoundError):
        file.rename(aside)
    for leftover in ("-journal", "-wal", "-shm"):
        Path(f"{file}{leftover}").unlink(missing_ok=True)
    return aside


class Database:
    """An open SQLite file; its errors become `StoreError`.

    Parameters
    ----------
    file
        Path, for error messages.
    connection
        The connection, in autocommit mode.
    """

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self.file = file
        self.connection = connection

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn SQLite's errors into `StoreError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise explained(self.file, error) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction that may write; roll back if it raises."""
        with self.errors():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    def query(self, sql: str, parameters: object = ()) -> list[sqlite3.Row]:
        """Return all rows of one statement that only reads."""
        with self.errors():
            return self.connection.execute(sql, parameters).fetchall()  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def explained(file: Path, error: sqlite3.Error) -> StoreError:
    """Make a `StoreError` with one sentence for an error of SQLite."""
    text = str(error)
    if "not a database" in text or "malformed" in text:
        return DamagedError(f"{file} is damaged ({text}).")
    if "full" in text:
        return StoreError(f"{file} cannot be written: the disk is full.")
    if "readonly" in text or "unable to open" in text:
        return StoreError(
            f"{file} cannot be written or opened ({text}); make its directory writable or set "
            "UNATTENDED_STATE_DIR to another directory."
        )
    if "disk I/O error" in text:
        return ReplacedError(
            f"{file} cannot be read or written (disk I/O error): its disk fails, or it was deleted "
            "while it was in use."
        )
    if "locked" in text:
        return StoreError(f"{file} was locked by another process for {BUSY_TIMEOUT:.0f} seconds.")
    return StoreError(f"{file} cannot be used ({text}).")


class DamagedError(StoreError):
    """The file is not a whole SQLite database; what it held can be rebuilt from elsewhere."""


class ReplacedError(StoreError):
    """The file was deleted or replaced while it was in use; opening it again may help."""


def _connect(uri: str) -> sqlite3.Connection:
    # The service is called from several threads, never from two at once with one connection.
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _upgrade(file: Path, version: int, upgrades: Mapping[int, str]) -> None:
    """Bring a database up to date; with a connection of its own, because one may only read."""
    connection = _connect(f"{file.as_uri()}?mode=rw")
    with Database(file, connection) as database, database.transaction():
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        for step in range(found, version):
            connection.execute(upgrades[step])
        connection.execute(f"PRAGMA user_version={version}")


def _create(file: Path, connection: sqlite3.Connection, schema: str, version: int) -> None:
    file.chmod(0o600)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in schema.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={version}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
