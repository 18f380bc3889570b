from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_unattended.jobs import logs
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.view import JobView
from jupyter_unattended.paths import JobPaths


@pytest.fixture
def paths(tmp_path: Path) -> JobPaths:
    return JobPaths(tmp_path / "job")


def put(paths: JobPaths, attempt: int, content: bytes, *, exit_code: int | None = None) -> None:
    files = paths.attempt(attempt)
    files.root.mkdir(parents=True, exist_ok=True)
    files.log.write_bytes(content)
    if exit_code is not None:
        files.exit.write_text(f"{exit_code} 123.5".ljust(63) + "\n")


def view(state: State, attempt: int) -> JobView:
    return JobView("i", "n", "/n", "/w", "/d", "local", state, attempt=attempt)


def test_no_attempt_yet(paths: JobPaths) -> None:
    chunk = logs.read(paths)
    assert (chunk.attempt, chunk.text, chunk.offset, chunk.last) == (0, "", 0, False)


def test_pieces_are_cut_between_characters(paths: JobPaths) -> None:
    text = "aé€😀" * 50
    put(paths, 1, text.encode(), exit_code=0)
    for limit in (4, 5, 7, 10):
        offset, pieces = 0, []
        while True:
            chunk = logs.read(paths, offset, limit=limit)
            pieces.append(chunk.text)
            assert chunk.offset > offset or chunk.last
            offset = chunk.offset
            if chunk.last:
                break
        assert "".join(pieces) == text


def test_half_a_character_waits_for_the_other_half(paths: JobPaths) -> None:
    put(paths, 1, "x€".encode()[:-1])
    chunk = logs.read(paths)
    assert (chunk.text, chunk.offset, chunk.size, chunk.last) == ("x", 1, 3, False)
    put(paths, 1, "x€".encode()[:-1], exit_code=1)
    chunk = logs.read(paths)
    assert (chunk.text, chunk.offset, chunk.last) == ("x\ufffd", 3, True)


def test_bytes_that_are_no_text_do_not_stop_it(paths: JobPaths) -> None:
    put(paths, 1, b"a\xff\xfeb\n", exit_code=0)
    assert logs.read(paths).text == "a\ufffd\ufffdb\n"


def test_an_offset_beyond_the_end_is_the_end(paths: JobPaths) -> None:
    put(paths, 1, b"abc", exit_code=0)
    assert logs.read(paths, 99) == logs.read(paths, 3)


def test_an_attempt_that_left_no_code_ends_where_the_next_one_begins(paths: JobPaths) -> None:
    put(paths, 1, b"one")
    assert not logs.read(paths, 3, 1).last
    put(paths, 2, b"two")
    assert logs.read(paths, 3, 1).last
    assert not logs.read(paths, 3, 2).last


def test_without_following_all_attempts_are_read(paths: JobPaths) -> None:
    put(paths, 1, b"one\n", exit_code=75)
    put(paths, 2, b"two\n", exit_code=0)
    assert "".join(logs.follow(paths, None, None)) == "one\ntwo\n"
    assert "".join(logs.follow(paths, 2, None)) == "two\n"


def test_following_goes_from_attempt_to_attempt(paths: JobPaths) -> None:
    put(paths, 1, b"one ")

    def then(*steps: Callable[[], JobView]) -> Callable[[], JobView]:
        rest = list(steps)
        return lambda: rest.pop(0)()

    def goes_on() -> JobView:
        put(paths, 1, b"one more ", exit_code=75)
        return view(State.RUNNING, 1)

    def next_attempt() -> JobView:
        put(paths, 2, b"two")
        return view(State.RUNNING, 2)

    def end() -> JobView:
        put(paths, 2, b"two!", exit_code=0)
        return view(State.SUCCEEDED, 2)

    look = then(lambda: view(State.RUNNING, 1), goes_on, next_attempt, next_attempt, end)
    assert "".join(logs.follow(paths, None, look)) == "one more two!"


def test_following_one_attempt_ends_with_it(paths: JobPaths) -> None:
    put(paths, 1, b"one", exit_code=75)
    put(paths, 2, b"two")
    assert "".join(logs.follow(paths, 1, lambda: view(State.RUNNING, 2))) == "one"


def test_following_a_job_that_never_began_ends_with_it(paths: JobPaths) -> None:
    assert list(logs.follow(paths, None, lambda: view(State.CANCELLED, 0))) == []


def test_where_the_workspace_is_out_of_sight_the_scheduler_is_asked(paths: JobPaths) -> None:
    text = "begun\né€"
    chunk = logs.read(paths, remote=lambda: (2, text.encode()))
    assert (chunk.attempt, chunk.text, chunk.size, chunk.last) == (2, text, 11, False)
    chunk = logs.read(paths, 6, 2, ended=True, remote=lambda: (2, text.encode()))
    assert (chunk.text, chunk.offset, chunk.last) == ("é€", 11, True)
    chunk = logs.read(paths, 0, 1, remote=lambda: (2, text.encode()))
    assert (chunk.text, chunk.last) == ("", False)
    assert logs.read(paths, remote=lambda: (0, b"")).attempt == 0
    assert "".join(logs.follow(paths, None, None, lambda: (1, text.encode()))) == text
    put(paths, 1, b"from the workspace")
    assert logs.read(paths, remote=lambda: (2, b"x")).text == "from the workspace"


def test_following_through_the_scheduler_ends_with_the_job(paths: JobPaths) -> None:
    said = iter([b"one ", b"one ", b"one two ", b"one two ", b"one two three"])
    last = [b""]

    def remote() -> tuple[int, bytes]:
        last[0] = next(said, last[0])
        return 1, last[0]

    states = iter([State.RUNNING, State.RUNNING, State.SUCCEEDED])
    assert "".join(logs.follow(paths, None, lambda: view(next(states), 1), remote)) == (
        "one two three"
    )
