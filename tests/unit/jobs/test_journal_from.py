from __future__ import annotations

from pathlib import Path

from jupyter_unattended.jobs.journal import read_from


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    assert read_from(file, 0) == ([], 0)
    file.write_bytes(b'{"a": 1}\n{"a": 2}\n{"a"')
    events, offset = read_from(file, 0)
    assert [event["a"] for event in events] == [1, 2]
    assert offset == 18
    assert read_from(file, offset) == ([], 18)
    with file.open("ab") as stream:
        stream.write(b": 3}\n")
    assert read_from(file, offset) == ([{"a": 3}], file.stat().st_size)
