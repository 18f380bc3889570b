from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from jupyter_unattended import statedir
from jupyter_unattended.errors import StoreError

SCHEMA = "CREATE TABLE t (a); CREATE TABLE u (b)"


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UNATTENDED_STATE_DIR", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert statedir.default() == tmp_path / ".local/state/jupyter-unattended"
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert statedir.default() == Path("/xdg/jupyter-unattended")
    monkeypatch.setenv("UNATTENDED_STATE_DIR", "/own")
    assert statedir.default() == Path("/own")


def test_only_the_user_may_enter(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    statedir.ensure(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    directory.chmod(0o755)
    statedir.ensure(directory)
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="set UNATTENDED_STATE_DIR"):
        statedir.ensure(tmp_path / "file" / "state")


def test_sockets_have_short_names_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    paths = {statedir.runtime_path(tmp_path / name, ".sock") for name in ("a" * 200, "b")}
    assert len(paths) == 2
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "b")
    assert statedir.runtime_path(tmp_path / "link", "") == statedir.runtime_path(tmp_path / "b", "")


def test_a_runtime_directory_of_somebody_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "jupyter-unattended").mkdir(mode=0o777)
    (tmp_path / "jupyter-unattended").chmod(0o777)
    with pytest.raises(StoreError, match="nobody else can enter"):
        statedir.runtime_path(tmp_path, ".lock")
    (tmp_path / "jupyter-unattended").rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "jupyter-unattended").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        statedir.runtime_path(tmp_path, ".lock")


def test_a_database_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "s" / "x.sqlite"
    for _ in range(2):
        with statedir.open_database(file, SCHEMA, 3) as database:
            assert database.query("PRAGMA user_version")[0][0] == 3
            assert database.query("SELECT * FROM u") == []
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_newer_one_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    with statedir.open_database(file, SCHEMA, 4):
        pass
    before = file.read_bytes()
    with pytest.raises(
        StoreError, match=r"newer jupyter-unattended \(schema 4, this one reads 3\)"
    ):
        statedir.open_database(file, SCHEMA, 3)
    assert file.read_bytes() == before


def test_damage_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    file.write_bytes(b"not a database at all, but long enough to be taken for one" * 20)
    with pytest.raises(statedir.DamagedError, match="is damaged"):
        statedir.open_database(file, SCHEMA, 1)
    aside = statedir.set_aside(file)
    assert aside.exists()
    with statedir.open_database(file, SCHEMA, 1):
        pass


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        statedir.open_database(tmp_path / "x.sqlite", SCHEMA, 1, read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("database or disk is full", "the disk is full"),
        ("attempt to write a readonly database", "make its directory writable"),
        ("unable to open database file", "make its directory writable"),
        ("database is locked", "locked by another process"),
        ("disk I/O error", "deleted while it was in use"),
        ("something else", "something else"),
    ],
)
def test_errors_are_sentences(said: str, told: str) -> None:
    error = statedir.explained(Path("/f"), sqlite3.OperationalError(said))
    assert told in str(error)
    assert str(error).endswith(".")


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with statedir.open_database(tmp_path / "x", SCHEMA, 1) as database:
        with pytest.raises(OSError, match="full"), database.transaction() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "full")
        assert database.query("SELECT * FROM t") == []
