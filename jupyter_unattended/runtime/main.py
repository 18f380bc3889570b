"""Running one notebook from start to exit code."""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import api, hooks, lost_work
from .cells import Cells, Result
from .console import Console
from .context import Context, StartError
from .document import Document
from .journal import Journal
from .log import Log, LogStream
from .stopping import Guard, Stop
from .watch import Watch

if TYPE_CHECKING:
    from .terminal import Terminal

_PR_SET_PDEATHSIG = 1
#: EX_IOERR: every cell ran, but the executed notebook could not be saved.
_NOT_SAVED = 74
#: EX_SOFTWARE: a mistake of ours, or an IPython that we do not know.
_INTERNAL = 70


def main(arguments: Sequence[str], *, in_job: bool) -> int:
    """Run the notebook and return the exit code.

    Parameters
    ----------
    arguments
        The notebook's arguments in a job; else the notebook and its arguments.
    in_job
        Whether start.sh of a job directory runs us.
    """
    try:
        context = Context.of_job(arguments) if in_job else Context.of_notebook(arguments)
    except StartError as error:
        print(f"[unattended] {error}", file=sys.stderr)
        return 2
    try:
        context.check_hope()
        notebook = context.read()
        context.enter()
    except StartError as error:
        print(f"[unattended] failed: {error}", file=sys.stderr)
        if context.job_directory is not None:
            journal = Journal(context.job_directory, context.attempt)
            journal.event("finished", exit_code=2, outcome="failed", reason=str(error))
            context.leave_verdict(2)
        return 2
    return Runtime(context, notebook).run()


class Runtime:
    """One run: puts the parts together, and saves at the end whatever happened."""

    def __init__(self, context: Context, notebook: dict[str, Any]) -> None:
        self._context = context
        self._guard = Guard()
        self._guard.__enter__()
        self._stop = Stop(self._guard, context.grace_period)
        self._stop.install()
        _die_with_parent()
        self._journal = (
            Journal(context.job_directory, context.attempt) if context.job_directory else None
        )
        log_name = f"attempts/{context.attempt}/log.txt" if context.log else ""
        self._document = Document(notebook, context.output, log_name, self._guard)
        self._terminal: Terminal | None = None
        if context.log is None:
            from .terminal import Terminal

            self._terminal = Terminal()
        log = self._terminal.log if self._terminal else context.log
        assert log is not None
        self._kernel = context.kernel(notebook)
        self._log = Log(log, self._document.stream, self._guard, read_back=self._kernel is None)
        self._watch = Watch(self._stop, self._tick, self._force)
        self._sign_of_life = (
            lost_work.SignOfLife(context.attempt_directory) if context.attempt_directory else None
        )
        self._signals_told = 0
        self._ending = threading.Lock()
        self._result: Result | None = None
        self._after_run: Callable[[hooks.Outcome], None] = lambda _outcome: None

    def event(self, event: str, /, **fields: Any) -> None:
        """Append to the journal."""
        if self._journal is not None:
            self._journal.event(event, **fields)

    def run(self) -> int:
        """Run the notebook and return the exit code."""
        sys.stdout = LogStream(self._log, "stdout", 1)
        sys.stderr = LogStream(self._log, "stderr", 2)
        # A crash in C code leaves in the log which line of which cell it was in.
        faulthandler.enable(2, all_threads=False)
        self._watch.start()
        try:
            result = self._run()
        except Exception as error:
            self._log.note(traceback.format_exc())
            reason = f"the runtime itself failed: {type(error).__name__}: {error}"
            result = Result("failed", _INTERNAL, reason)
        with self._ending:
            self._result = result
            exit_code = self._finish(result)
        # Only now: who is killed before the end is told must find what it can go on from.
        self._after_run(result.outcome if exit_code == result.exit_code else "failed")
        return exit_code

    def _run(self) -> Result:
        context = self._context
        console = Console(self._log, self._document, self._guard, self._stop)
        api.connect(self._journal, self._stop)
        _set_path()
        sys.argv = [context.name, *context.arguments]
        try:
            shell = self._make_shell(console)
        except StartError as error:
            return Result("failed", 2, str(error))
        try:
            return self._run_in(shell, console)
        finally:
            if self._kernel is not None:
                shell.close()

    def _make_shell(self, console: Console) -> Any:
        if self._kernel is not None:
            from .foreign import KernelShell

            return KernelShell(console, self._document, self._kernel)
        from .shell import make

        return make(console)

    def _run_in(self, shell: Any, console: Console) -> Result:
        context, document = self._context, self._document
        run = hooks.Run(
            shell=shell,
            notebook=document.notebook,
            job_directory=context.job_directory,
            checkpoint_directory=context.checkpoint_directory,
            attempt=context.attempt,
            arguments=context.arguments,
            job=context.job,
            grace_period=context.grace_period,
            journal=self.event,
            log=self._note,
            seconds_left=self._stop.seconds_left,
            outputs=document.outputs,
            show_again=document.show_again,
        )
        # Only what is in this process can be saved.
        own = hooks.load(run) if self._kernel is None else hooks.NoHooks()
        hooked = hooks.Checked(own, run)
        cells = Cells(shell, document, console, self._stop, self._guard, hooked, self.event)
        self._tell_what_was_lost()
        resume = hooked.before_run(run)
        first = resume.first_cell if resume else 0
        if resume is not None:
            for index, kept in resume.kept.items():
                document.keep(index, kept)
            if resume.execution_count is not None:
                shell.execution_count = resume.execution_count
        self.event(
            "started",
            cells=len(cells.to_run),
            first=first,
            done=sum(index < first for index in cells.to_run),
            python=sys.version.split()[0],
            arguments=list(context.arguments),
        )
        gc.freeze()
        gc.enable()
        self._after_run = functools.partial(hooked.after_run, shell)
        return cells.run(first)

    def _note(self, text: str) -> None:
        self._log.note(f"[unattended] {text}\n")

    def _tell_what_was_lost(self) -> None:
        context = self._context
        if context.job_directory is None or context.attempt == 1:
            return
        found = lost_work.of_attempt_before(context.job_directory, context.attempt)
        if found is None:
            return
        number, seconds = found
        self.event("lost", of_attempt=number, seconds=round(seconds, 1))
        if seconds >= 1:
            self._note(f"attempt {number} lost {seconds:.0f} s of work, which was not saved yet")

    def _tick(self) -> None:
        if self._sign_of_life is not None:
            self._sign_of_life.give_if_due()
        self._log.sync()
        self._tell_signals()
        if self._journal is not None:
            self._journal.flush()
        self._document.publish_if_due()

    def _tell_signals(self) -> None:
        while self._signals_told < len(self._stop.signals):
            name = self._stop.signals[self._signals_told]
            self._signals_told += 1
            self.event("signal", name=name)
            self._note(f"received {name}")

    def _force(self) -> None:
        """End the process from the watching thread: the grace period is over."""
        if not self._ending.acquire(blocking=False):
            if self._result is not None:
                os._exit(self._result.exit_code)
            return
        name = self._stop.signals[0] if self._stop.signals else "a signal"
        reason = f"stopped by {name}; the cell did not end within the grace period"
        result = Result("stopped", 75, reason)
        self._result = result
        try:
            self._finish(result)
            if self._terminal is not None:
                self._terminal.copy()
        finally:
            os._exit(result.exit_code)

    def _finish(self, result: Result) -> int:
        """Save everything, say how it ended, and return the exit code."""
        self._log.sync()
        self._tell_signals()
        exit_code, reason = result.exit_code, result.reason
        problem = self._publish()
        if problem is not None:
            reason += f"; but output.ipynb could not be saved: {problem.strerror}"
            exit_code = exit_code or _NOT_SAVED
        if self._journal is not None:
            self._journal.flush()
        outcome = "failed" if exit_code == _NOT_SAVED else result.outcome
        cell = {} if result.cell is None else {"cell": result.cell}
        self.event("finished", exit_code=exit_code, outcome=outcome, reason=reason, **cell)
        self._note(f"{outcome}: {reason}")
        self._context.leave_verdict(exit_code)
        return exit_code

    def _publish(self) -> OSError | None:
        for pause in (0.1, 0.5, 1.0, 0.0):
            self._document.publish()
            if self._document.problem is None:
                return None
            time.sleep(min(pause, self._stop.seconds_left()))
        return self._document.problem


def _set_path() -> None:
    """Have ``sys.path`` as a kernel has it: the working directory before installed packages."""
    for place, entry in enumerate(sys.path):
        if os.path.basename(entry) in ("site-packages", "dist-packages"):  # noqa: PTH119
            sys.path.insert(place, "")
            return
    sys.path.insert(0, "")


def _die_with_parent() -> None:
    """Have SIGTERM sent to us when start.sh is killed, so that nothing runs on unseen."""
    parent = os.environ.pop("UNATTENDED_PARENT", None)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if str(os.getppid()) != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)
