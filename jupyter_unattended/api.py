"""The Python API: `submit`, `sweep`, `jobs`; they return `Job` and `JobList`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import SpecError
from .job import Job, JobList, service
from .jobs.states import State

if TYPE_CHECKING:
    from .spec import JobSpec


def submit(
    notebook: str | os.PathLike[str] | None = None,
    *arguments: str,
    parameters: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    force: bool = False,
    **fields: Any,
) -> Job:
    """Run a notebook as an unattended job.

    Parameters
    ----------
    notebook
        The notebook. Default: the one this is called from, as it was last saved.
    *arguments
        Arguments as on a command line, passed on to the notebook.
    parameters
        Values for the notebook's parameters, by name.
    secrets
        Environment variables whose values are in no file of the job directory.
    force
        Submit although preflight found errors.
    **fields
        Any other field of `jupyter_unattended.spec.JobSpec`: ``cpus``, ``gpus``, ``memory``,
        ``env``, ``backend``, ``time_limit``, ``name`` …

    Returns
    -------
    Job
        The job, queued.

    Raises
    ------
    UnattendedError
        One of its subclasses, with a text that says what was wrong, where, and what to do.

    Examples
    --------
    >>> job = submit("train.ipynb", parameters={"epochs": 30}, cpus=4)  # doctest: +SKIP
    >>> job.wait().metrics()  # doctest: +SKIP
    """
    spec = _spec(notebook, arguments, parameters, secrets, fields)
    return Job(service().submit(spec, force=force, secrets=secrets).id)


def sweep(
    notebook: str | os.PathLike[str] | None = None,
    over: Mapping[str, Iterable[Any]] | None = None,
    *,
    over_env: Mapping[str, Iterable[Any]] | None = None,
    parameters: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    force: bool = False,
    **fields: Any,
) -> JobList:
    """Run a notebook once for every combination of values.

    All or none are submitted, in one call where the backend can take many at once.

    Parameters
    ----------
    notebook
        The notebook. Default: the one this is called from, as it was last saved.
    over
        Values for the notebook's parameters, by name.
    over_env
        Values for environment variables, by name.
    parameters, secrets, force, **fields
        The same for all runs, as in `submit`.

    Returns
    -------
    JobList
        The jobs; the values of the last name change fastest.

    Raises
    ------
    UnattendedError
        One of its subclasses, with a text that says what was wrong, where, and what to do.

    Examples
    --------
    >>> sweep("train.ipynb", {"rate": [0.1, 0.2], "seed": range(3)}).wait()  # doctest: +SKIP
    """
    from . import axes

    spec = _spec(notebook, (), parameters, secrets, fields)
    specs = axes.expand(spec, axes.given(over or {}, over_env or {}))
    views = service().submit_many(specs, force=force, secrets=secrets)
    return JobList(Job(view.id) for view in views)


def _spec(
    notebook: str | os.PathLike[str] | None,
    arguments: Sequence[str],
    parameters: Mapping[str, Any] | None,
    secrets: Mapping[str, str] | None,
    fields: Mapping[str, Any],
) -> JobSpec:
    from .spec import JobSpec

    if notebook is None:
        notebook = _own_notebook()
    for name in ("schema_version", "secret_env"):
        if name in fields:
            raise SpecError(f"{name}: this is not for the caller to say")
    return JobSpec.checked(
        notebook=Path(os.path.abspath(notebook)),  # noqa: PTH100 - links stay as they are
        arguments=[str(argument) for argument in arguments],
        parameters=dict(parameters or {}),
        secret_env=sorted(secrets or {}),
        **fields,
    )


def jobs(
    notebook: str | os.PathLike[str] | None = None,
    *,
    states: Sequence[State | str] | None = None,
    text: str | None = None,
    limit: int | None = None,
) -> JobList:
    """Return this user's jobs, newest first, however they were submitted.

    Parameters
    ----------
    notebook
        Only those made from this notebook.
    states
        Only those in one of these states, for example ``["running", "queued"]``.
    text
        Only those with this text in id, name, notebook or reason.
    limit
        At most so many.
    """
    wanted = None if states is None else [_state(state) for state in states]
    path = None if notebook is None else Path(notebook)
    views = service().list(states=wanted, notebook=path, text=text, limit=limit)
    return JobList(Job(view.id) for view in views)


def _own_notebook() -> Path:
    if os.environ.get("UNATTENDED_JOB_ID"):
        raise SpecError("A job cannot submit its own notebook; name the notebook to submit")
    from .kernel import location

    return location.current_notebook()


def _state(state: State | str) -> State:
    try:
        return State(state)
    except ValueError:
        known = ", ".join(member.value for member in State)
        raise SpecError(f"states: {state!r} is none of {known}") from None
