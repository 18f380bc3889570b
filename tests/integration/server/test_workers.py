"""The processes that check and submit for the server."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from jupyter_unattended.errors import InvalidInputError, JobNotFoundError
from jupyter_unattended.server import tasks
from jupyter_unattended.server.root import Root
from jupyter_unattended.server.workers import Workers


@pytest.fixture
def context(state_dir: Path, tmp_path: Path) -> tasks.Context:
    return tasks.Context(state_dir, Root(str(tmp_path)))


def only_process(workers: Workers) -> int:
    (worker,) = workers._free
    return worker._process.pid


@pytest.mark.parametrize("count", [0, 1])
async def test_errors_come_back_as_they_are(context: tasks.Context, count: int) -> None:
    workers = Workers(count, context)
    try:
        with pytest.raises(JobNotFoundError, match="There is no job 'nothing'"):
            await workers.run(tasks.rerun, "nothing")
        with pytest.raises(InvalidInputError, match="outside of the directory"):
            await workers.run(tasks.form, "../x.ipynb", "", "")
    finally:
        workers.close()


async def test_a_process_that_ended_is_replaced(context: tasks.Context) -> None:
    workers = Workers(1, context)
    try:
        with pytest.raises(JobNotFoundError):
            await workers.run(tasks.rerun, "nothing")
        os.kill(only_process(workers), signal.SIGKILL)
        with pytest.raises(RuntimeError, match="ended with -9; look at the list of jobs"):
            await workers.run(tasks.rerun, "nothing")
        with pytest.raises(JobNotFoundError):
            await workers.run(tasks.rerun, "nothing")
    finally:
        workers.close()


async def test_a_process_that_nobody_asked_for_long_ends_and_is_replaced(
    context: tasks.Context,
) -> None:
    workers = Workers(1, context, idle=0.1)
    try:
        for _ in range(2):
            with pytest.raises(JobNotFoundError):
                await workers.run(tasks.rerun, "nothing")
            process = workers._free[0]._process
            assert await asyncio.to_thread(process.wait, 20) == 0
    finally:
        workers.close()


async def test_the_process_ends_with_the_server(context: tasks.Context) -> None:
    workers = Workers(1, context)
    with pytest.raises(JobNotFoundError):
        await workers.run(tasks.rerun, "nothing")
    process = workers._free[0]._process
    workers.close()
    assert await asyncio.to_thread(process.wait, 20) == 0
