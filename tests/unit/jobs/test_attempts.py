from __future__ import annotations

import json
from pathlib import Path

from jupyter_unattended.jobs import attempts
from jupyter_unattended.paths import JobPaths


def test_the_record_wins_over_the_exit_file(tmp_path: Path) -> None:
    files = JobPaths(tmp_path).attempt(1)
    files.root.mkdir(parents=True)
    files.exit.write_text("3 50.5".ljust(63) + "\n")
    files.record.write_text(json.dumps({"host": "h", "started": 1.0, "ended": 2.0, "exit_code": 0}))
    assert attempts.read(files).exit_code == 0
    assert attempts.read(files).ended == 2.0


def test_the_exit_file_completes_a_record_without_end(tmp_path: Path) -> None:
    files = JobPaths(tmp_path).attempt(1)
    files.root.mkdir(parents=True)
    files.record.write_text(json.dumps({"host": "h", "started": 1.0}))
    files.exit.write_text(" " * 63 + "\n")
    assert attempts.read(files).exit_code is None
    files.exit.write_text("75 50.5".ljust(63) + "\n")
    found = attempts.read(files)
    assert (found.host, found.exit_code, found.ended) == ("h", 75, 50.5)


def test_torn_files_are_as_good_as_none(tmp_path: Path) -> None:
    files = JobPaths(tmp_path).attempt(2)
    files.root.mkdir(parents=True)
    files.record.write_text('{"host": "h", "sta')
    files.exit.write_text("x")
    found = attempts.read(files)
    assert (found.number, found.host, found.exit_code) == (2, None, None)


def test_attempts_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        (tmp_path / "attempts" / str(number)).mkdir(parents=True)
    (tmp_path / "attempts" / "notes").mkdir()
    assert [found.number for found in attempts.read_all(JobPaths(tmp_path))] == [1, 9, 10]
