"""Running a notebook's cells, one after the other, in this process."""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .console import Console
from .document import Document
from .hooks import Hooks, Outcome
from .parameters import source_of
from .skipping import is_skipped
from .stopping import Guard, Stop

if TYPE_CHECKING:
    import asyncio

_STOPPED = 75

#: Execution count, and what was raised.
_Executed = tuple["int | None", "BaseException | None"]
#: How long a cell's task may take to end that was left in the middle.
_SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class Result:
    """How the notebook ended."""

    outcome: Outcome
    exit_code: int
    reason: str
    cell: int | None = None


class Cells:
    """Runs the cells.

    Parameters
    ----------
    shell
        IPython's shell.
    document
        The notebook.
    console
        Where output goes.
    journal
        ``journal(event, **fields)``.
    """

    def __init__(
        self,
        shell: Any,
        document: Document,
        console: Console,
        stop: Stop,
        guard: Guard,
        hooks: Hooks,
        journal: Any,
    ) -> None:
        self._shell = shell
        self._document = document
        self._console = console
        self._stop = stop
        self._guard = guard
        self._hooks = hooks
        self._journal = journal
        self._owner = os.getpid()
        self._task: asyncio.Task[_Executed] | None = None
        self._context: contextvars.Context | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.to_run = [
            index
            for index, cell in enumerate(document.cells)
            if cell["cell_type"] == "code" and source_of(cell).strip()
        ]

    def run(self, first: int) -> Result:
        """Run the code cells from index `first` on."""
        for ordinal, index in enumerate(self.to_run, 1):
            if index < first:
                continue
            if self._stop.requested:
                return self._stopped_between(index)
            cell = self._document.cells[index]
            where = {"cell": index, "id": cell["id"], "ordinal": ordinal}
            if is_skipped(cell):
                self._journal("cell_finished", **where, seconds=0.0, status="skipped")
                continue
            self._hooks.before_cell(self._shell, index)
            result = self._run_cell(index, cell, where)
            if result is not None:
                return result
        return Result("done", 0, "every cell ran")

    def _run_cell(
        self, index: int, cell: Mapping[str, Any], where: Mapping[str, Any]
    ) -> Result | None:
        """Run one cell; return how the notebook ended if it did."""
        self._journal("cell_started", **where)
        self._document.begin_cell(index)
        began = time.perf_counter()
        count, error = self._execute(source_of(cell), cell["id"])
        seconds = round(time.perf_counter() - began, 6)
        self._console.flush()
        self._document.end_cell(index, count)
        stopped = self._stop.requested and self._stop.told
        allowed = error is not None and "raises-exception" in _tags(cell)
        said = {} if error is None else {"error": _one_line(error)}
        if stopped:
            status = "stopped"
        elif error is None or allowed or _ended_well(error):
            status = "ok"
        else:
            status = "error"
        self._journal("cell_finished", **where, seconds=seconds, status=status, **said)
        at = f"cell {index + 1}"
        if stopped:
            self._hooks.on_stop(self._shell, True)
            return self._stopped(f"stopped by {self._stop.signals[0]} during {at}", index)
        if isinstance(error, SystemExit) and not allowed:
            return self._exited(error, at, index)
        if status == "error":
            assert error is not None
            return Result("failed", 1, f"{at} failed: {_one_line(error)}", index)
        self._hooks.after_cell(self._shell, index, seconds)
        return None

    def _execute(self, source: str, cell_id: str) -> _Executed:
        """Run code of the notebook; return its execution count and what it raised."""
        self._stop.in_cell = True
        try:
            with self._guard.opened():
                count, error = self._in_or_out_of_loop(source, cell_id)
        except BaseException as escaped:
            # From a signal's handler, while none of the cell's own code was running.
            count, error = self._shell.execution_count - 1, escaped
        self._stop.in_cell = False
        self._finish_task()
        self._adopt_context()
        if os.getpid() != self._owner:
            # A child that the cell forked came back here; the notebook goes on in the parent alone.
            os._exit(_exit_code(error) if isinstance(error, SystemExit) else int(error is not None))
        return count, error

    def _in_or_out_of_loop(self, source: str, cell_id: str) -> _Executed:
        problem: Any = None
        try:
            transformed = self._shell.transform_cell(source)
        except Exception:
            transformed, problem = source, sys.exc_info()
        awaits = self._shell.should_run_async(
            source, transformed_cell=transformed, preprocessing_exc_tuple=problem
        )
        # asyncio takes long to import, and most notebooks do not use it.
        unused = not (awaits or self._loop or "asyncio" in sys.modules or "asyncio" in source)
        if unused or not getattr(self._shell, "runs_in_loop", True):
            return _executed(self._shell.run_cell(source, store_history=True, cell_id=cell_id))
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        prepared = (transformed, problem) if awaits else None
        task = self._loop.create_task(self._in_context(source, cell_id, prepared))
        self._stop.awaiting = (self._loop, task) if awaits else None
        self._task = task
        return self._loop.run_until_complete(task)

    async def _in_context(
        self, source: str, cell_id: str, prepared: tuple[str, Any] | None
    ) -> _Executed:
        try:
            return await self._in_loop(source, cell_id, prepared)
        finally:
            self._context = contextvars.copy_context()

    def _adopt_context(self) -> None:
        """Have what a cell set in the context of its task hold for the cells after it.

        NumPy keeps its print options there, for example, and decimal its precision.
        """
        context, self._context = self._context, None
        for variable, value in context.items() if context is not None else ():
            if variable.get(None) is not value:
                variable.set(value)

    async def _in_loop(
        self, source: str, cell_id: str, prepared: tuple[str, Any] | None
    ) -> _Executed:
        """Run a cell in the event loop, as Jupyter's kernel does with every cell.

        So ``create_task`` works in cells that await nothing, and tasks of earlier cells go on.
        """
        import asyncio

        shell = self._shell
        if len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.005)
        if prepared is None:
            return _executed(shell.run_cell(source, store_history=True, cell_id=cell_id))
        transformed, problem = prepared
        result = None
        try:
            result = await shell.run_cell_async(
                source,
                store_history=True,
                transformed_cell=transformed,
                preprocessing_exc_tuple=problem,
                cell_id=cell_id,
            )
        finally:
            self._stop.awaiting = None
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        return _executed(result)

    def _finish_task(self) -> None:
        """Let a cell's task end that a signal's handler left in the middle."""
        self._stop.awaiting = None
        task, self._task = self._task, None
        if task is not None and self._loop is not None and not task.done():
            import asyncio

            task.cancel()
            # Bounded: a handler that raised in the loop's own code may have cost it its next step.
            seconds = min(_SECONDS_TO_END, self._stop.seconds_left())
            with contextlib.suppress(BaseException):
                self._loop.run_until_complete(asyncio.wait([task], timeout=seconds))

    def _stopped_between(self, index: int) -> Result:
        try:
            with self._guard.opened():  # the notebook's own handlers are called now
                pass
        except BaseException:  # noqa: S110 - how a handler ends is its own business
            pass
        self._hooks.on_stop(self._shell, False)
        return self._stopped(f"stopped by {self._stop.signals[0]} before cell {index + 1}", None)

    def _stopped(self, reason: str, cell: int | None) -> Result:
        return Result("stopped", _STOPPED, reason, cell)

    def _exited(self, error: SystemExit, at: str, index: int) -> Result:
        code = _exit_code(error)
        if code == 0:
            return Result("done", 0, f"the notebook ended itself with sys.exit() in {at}", index)
        if code == _STOPPED:
            reason = f"the notebook asked to be run again, with sys.exit({_STOPPED}) in {at}"
            return self._stopped(reason, index)
        said = f": {error.code}" if isinstance(error.code, str) else ""
        return Result("failed", code, f"sys.exit() in {at}, exit code {code}{said}", index)


def _executed(result: Any) -> _Executed:
    return result.execution_count, result.error_before_exec or result.error_in_exec


def _tags(cell: Mapping[str, Any]) -> Sequence[str]:
    tags = cell.get("metadata", {}).get("tags", ())
    return tags if isinstance(tags, list) else ()


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF or int(error.code != 0)
    return 1


def _ended_well(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and _exit_code(error) == 0


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    line = text.strip().split("\n")[0][:300]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
