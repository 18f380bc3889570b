"""Reading logs: by offset, and as a stream that follows a job from attempt to attempt."""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable, Iterator

from ..paths import JobPaths
from . import attempts
from .view import JobView, LogChunk

_PIECE = 1 << 16
#: The newest attempt's number and its log, as its scheduler has them.
Remote = Callable[[], tuple[int, bytes]]
#: Longest pause between two looks at a log that is being followed, in seconds.
_PAUSE = 0.5


def read(
    paths: JobPaths,
    offset: int = 0,
    attempt: int | None = None,
    limit: int = 1 << 20,
    ended: bool = False,
    remote: Remote | None = None,
) -> LogChunk:
    """Return the piece of a log from byte `offset` on, cut between characters.

    Parameters
    ----------
    attempt
        Which attempt. Default: the newest.
    limit
        Most bytes to read.
    ended
        Whether the job is known to have ended; else attempt.json is asked.
    remote
        Asked where the job directory shows no attempt (the workspace is out of sight).
    """
    if remote is not None and not paths.existing_attempts():
        number, raw = remote()
        if number == 0 or attempt not in (None, number):
            return LogChunk(attempt or 0, "", offset, 0, last=ended)
        offset = min(max(offset, 0), len(raw))
        piece = raw[offset : offset + max(limit, 4)]
        return _chunk(number, piece, offset, len(raw), ended)
    if attempt is None:
        existing = paths.existing_attempts()
        if not existing:
            return LogChunk(0, "", 0, 0, last=ended)
        attempt = existing[-1].number
    files = paths.attempt(attempt)
    # Asked before reading: what is written in between is then read the next time.
    ended = (
        ended
        or attempts.record(files).get("exit_code") is not None
        or paths.attempt(attempt + 1).root.exists()
    )
    try:
        with files.log.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            offset = min(max(offset, 0), size)
            stream.seek(offset)
            raw = stream.read(max(limit, 4))
    except OSError:
        return LogChunk(attempt, "", offset, 0, last=ended)
    return _chunk(attempt, raw, offset, size, ended)


def _chunk(attempt: int, raw: bytes, offset: int, size: int, ended: bool) -> LogChunk:
    complete = ended and offset + len(raw) >= size
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(raw, final=complete)
    held = len(decoder.getstate()[0])
    return LogChunk(attempt, text, offset + len(raw) - held, size, last=complete)


def follow(
    paths: JobPaths,
    attempt: int | None,
    look: Callable[[], JobView] | None,
    remote: Remote | None = None,
) -> Iterator[str]:
    """Yield logs in pieces.

    Parameters
    ----------
    attempt
        Only this one. Default: all, one after the other.
    look
        Says how the job is; the stream goes on until it has ended. None: what is there now.
    remote
        As for `read`.
    """
    if look is None:
        numbers: list[int | None] = [attempt]
        if attempt is None:
            numbers = [p.number for p in paths.existing_attempts()] or [None]
        for number in numbers:
            yield from _all(paths, number, 0, remote)[0]
        return
    current, offset, pause = attempt or 1, 0, 0.02
    while True:
        # The state first: what the job wrote before it ended is then certainly read below.
        view = look()
        pieces, reached = _all(paths, current, offset, remote)
        yield from pieces
        pause = 0.02 if reached > offset else min(pause * 1.5, _PAUSE)
        offset = reached
        later = view.attempt > current
        if later and attempt is None:
            # All of the older attempt has been read, since a newer one exists.
            current, offset = current + 1, 0
        elif later or view.state.is_final:
            return
        else:
            time.sleep(pause)


def _all(
    paths: JobPaths, attempt: int | None, offset: int, remote: Remote | None
) -> tuple[list[str], int]:
    pieces = []
    while True:
        chunk = read(paths, offset, attempt, _PIECE, remote=remote)
        if chunk.text:
            pieces.append(chunk.text)
        if chunk.offset <= offset:
            return pieces, offset
        offset = chunk.offset
