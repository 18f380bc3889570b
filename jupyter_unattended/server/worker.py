"""One process of ``workers.Workers``: ``python -m jupyter_unattended.server.worker``.

It reads pickled tasks from its standard input and writes what came of them to its standard output,
one at a time. It ends when its input does, so with the server, however that ends; and by itself
when nothing was asked for a while.
"""

from __future__ import annotations

import os
import pickle
import select
import sys
import traceback
from typing import Any

from .tasks import Context, UnforeseenError, encode


def main(idle: float) -> None:
    """Work until nobody asks any more, or has not asked for `idle` seconds."""
    # The pipes are for the answers alone: not for what is printed, and not for agents that a task
    # starts, which outlive this process. (A duplicated descriptor is not inherited.)
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    context: Context = pickle.load(requests)  # noqa: S301 - from the server that started this
    # The first task may be in the reader's buffer already; the others come after an answer.
    asked = True
    while asked:
        try:
            task, arguments = pickle.load(requests)  # noqa: S301
        except EOFError:
            return
        answer = _do(context, task, arguments)
        pickle.dump(answer, answers)
        answers.flush()
        asked = bool(select.select([requests], [], [], idle)[0])


def _do(context: Context, task: Any, arguments: tuple[Any, ...]) -> bytes | Exception | None:
    from ..errors import UnattendedError

    try:
        return encode(task(context, *arguments))
    except UnattendedError as error:
        error.__cause__ = error.__context__ = None  # these may hold anything
        return error
    except Exception as error:
        traceback.print_exc()  # to the server's log
        return UnforeseenError(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    try:
        main(float(sys.argv[1]))
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)
