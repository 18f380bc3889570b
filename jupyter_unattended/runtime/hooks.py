"""The seam for checkpoints: what the runtime tells, and asks, around the cells it runs.

The runtime calls the methods of one `Hooks` object, all of them in the main thread and never while
a cell's code is running. The order of calls is::

    before_run(run)                      once, after the shell is made and before the first cell
      before_cell(shell, index)          for each code cell that will be executed
      after_cell(shell, index, seconds)  when that cell has finished without an error
    on_stop(shell, during_cell)          when the job was asked to stop, see there
    after_run(shell, outcome)            once everything is saved: "done", "failed" or "stopped"

`load` finds the object: module ``jupyter_unattended.runtime.checkpoint_hooks`` offers
``make(run) -> Hooks | None``. Where that module is missing, or returns None, nothing is hooked.
A hook that raises is reported in the log and in the journal (event ``hook_failed``) and the
notebook goes on; it is the hooks' own task to keep what they hold consistent.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Outcome = Literal["done", "failed", "stopped"]


@dataclass(frozen=True)
class Run:
    """What a hook may know about the run.

    Parameters
    ----------
    shell
        IPython's ``InteractiveShell``; ``shell.user_ns`` is the notebook's namespace and
        ``shell.user_module`` the module ``__main__``.
    notebook
        The notebook that is executed, as parsed JSON, with the cell of injected parameters in it.
        Indexes of cells are indexes into ``notebook["cells"]``. Hooks read it and never write it.
    job_directory
        The job directory; None when the runtime runs without one.
    checkpoint_directory
        Where this job's checkpoints are kept; None without a job directory. It may not exist yet.
    attempt
        Number of this attempt, 1 for the first.
    arguments
        The arguments of the notebook, as in ``sys.argv[1:]``.
    job
        job.json as parsed JSON; empty without a job directory.
    grace_period
        Seconds between SIGTERM and SIGKILL.
    journal
        ``journal(event, **fields)`` appends a line to journal.jsonl.
    log
        ``log(text)`` appends a line of the runtime's own to the log.
    seconds_left
        ``seconds_left()`` is the time until SIGKILL once a stop was asked for, less a reserve for
        the runtime's own saving; infinity before.
    outputs
        ``outputs(index)`` returns the outputs of a cell as they are now (nbformat 4.5, a copy).
    show_again
        ``show_again(outputs)`` has the running cell show these in the place of its own so far.
    """

    shell: Any
    notebook: Mapping[str, Any]
    job_directory: Path | None
    checkpoint_directory: Path | None
    attempt: int
    arguments: tuple[str, ...]
    job: Mapping[str, Any]
    grace_period: float
    journal: Callable[..., None]
    log: Callable[[str], None]
    seconds_left: Callable[[], float]
    outputs: Callable[[int], list[dict[str, Any]]]
    show_again: Callable[[list[dict[str, Any]]], None] = lambda _outputs: None


@dataclass(frozen=True)
class Resume:
    """Where to go on, as the answer of `Hooks.before_run`.

    Parameters
    ----------
    first_cell
        Index of the first cell to run; code cells before it are not run (0 runs everything).
    kept
        For the cells before it: what output.ipynb shows of them, by index:
        ``{"outputs": [...], "execution_count": n}``. A cell that is missing here keeps the outputs
        it has in output.ipynb of the attempt before, if its source is the same, else none.
    execution_count
        What ``In [n]`` of the first cell is to be; None leaves the shell's own.
    """

    first_cell: int = 0
    kept: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    execution_count: int | None = None


class Hooks(Protocol):
    """What checkpoints implement."""

    def before_run(self, run: Run) -> Resume | None:
        """Restore what an earlier attempt saved, and say where to go on; None is from the top."""
        ...

    def before_cell(self, shell: Any, index: int) -> None:
        """Look at a cell before it is executed, for example to save for a ``resumable()`` in it."""
        ...

    def after_cell(self, shell: Any, index: int, seconds: float) -> None:
        """Save, if it is worth it, after a cell that finished without an error.

        Not called for a cell that was interrupted or that was told of a stop while it ran, since
        such a cell may have cut its work short.
        """
        ...

    def on_stop(self, shell: Any, during_cell: bool) -> None:
        """Save, if there is time, because the job was asked to stop.

        `during_cell` is True when a cell was interrupted, or was running when the stop was asked
        for: the namespace is half changed and must not be saved. The call comes after the cell's
        code has ended (its own ``finally`` blocks have run), so it never runs inside user code.
        ``run.seconds_left()`` says how much of the grace period is left.
        """
        ...

    def after_run(self, shell: Any, outcome: Outcome) -> None:
        """Tidy up at the end."""
        ...


class NoHooks:
    """Hooks that do nothing; a base for those that need only some of the calls."""

    def before_run(self, run: Run) -> Resume | None:
        """Go from the top."""
        return None

    def before_cell(self, shell: Any, index: int) -> None:
        """Do nothing."""

    def after_cell(self, shell: Any, index: int, seconds: float) -> None:
        """Do nothing."""

    def on_stop(self, shell: Any, during_cell: bool) -> None:
        """Do nothing."""

    def after_run(self, shell: Any, outcome: Outcome) -> None:
        """Do nothing."""


class Checked:
    """Hooks whose errors are reported and then forgotten, so that they never end a notebook."""

    def __init__(self, hooks: Hooks, run: Run) -> None:
        self._hooks = hooks
        self._run = run

    def before_run(self, run: Run) -> Resume | None:
        """Call the hook of this name."""
        resume: Resume | None = self._call("before_run", run)
        return resume

    def before_cell(self, shell: Any, index: int) -> None:
        """Call the hook of this name."""
        self._call("before_cell", shell, index)

    def after_cell(self, shell: Any, index: int, seconds: float) -> None:
        """Call the hook of this name."""
        self._call("after_cell", shell, index, seconds)

    def on_stop(self, shell: Any, during_cell: bool) -> None:
        """Call the hook of this name."""
        self._call("on_stop", shell, during_cell)

    def after_run(self, shell: Any, outcome: Outcome) -> None:
        """Call the hook of this name."""
        self._call("after_run", shell, outcome)

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._hooks, name)(*arguments)
        except Exception as error:
            self._run.log(f"saving or restoring variables failed in {name}: {error!r}")
            self._run.journal("hook_failed", hook=name, error=repr(error)[:300])
            return None


def load(run: Run) -> Hooks:
    """Return the hooks for `run`: those of ``checkpoint_hooks``, where there are any."""
    name = f"{__package__}.checkpoint_hooks"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return NoHooks()
    hooks: Hooks | None = module.make(run)
    return hooks if hooks is not None else NoHooks()
