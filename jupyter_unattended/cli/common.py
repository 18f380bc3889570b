"""What several commands share: the service, the argument JOB, completion, names of jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from . import text

if TYPE_CHECKING:
    from ..jobs.service import JobService
    from ..jobs.view import JobView

    _NumberType = click.ParamType[int]
else:  # generic only in newer versions
    _NumberType = click.ParamType

_F = TypeVar("_F", bound=Callable[..., Any])


class WholeNumber(_NumberType):
    """A whole number between bounds, which says in plain words what is none.

    Parameters
    ----------
    least, most
        The bounds; None where there is none.
    """

    name = "number"

    def __init__(self, least: int | None = None, most: int | None = None) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number.", param, ctx)
        if self._least is not None and number < self._least:
            self.fail(f"{number} is less than {self._least}.", param, ctx)
        if self._most is not None and number > self._most:
            self.fail(f"{number} is more than {self._most}.", param, ctx)
        return number


def service() -> JobService:
    """Return the service; imported here because nothing else of it is needed for ``--help``."""
    from ..jobs.service import JobService

    return JobService()


def complete_jobs(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer ids and names of jobs; a shell's completion must never fail or be slow."""
    try:
        views = service().list(limit=200, refresh=False)
    except Exception:
        return []
    items: dict[str, CompletionItem] = {}
    for view in views:
        told = f"{view.name}, {view.state}, {text.ago(view.created)}"
        for word in (view.id, view.name):
            if word.startswith(incomplete) and word not in items:
                items[word] = CompletionItem(word, help=told)
    return list(items.values())


def complete_backends(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the names of the backends."""
    from ..backends import registry

    return [CompletionItem(name) for name in registry.names() if name.startswith(incomplete)]


def job_argument(**attributes: Any) -> Callable[[_F], _F]:
    """Return the argument JOB (id, beginning of one, or name)."""
    return click.argument("job", metavar="JOB", shell_complete=complete_jobs, **attributes)


def jobs_argument() -> Callable[[_F], _F]:
    """Return the argument JOB, one or more times."""
    return click.argument(
        "jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_jobs
    )


def json_option() -> Callable[[_F], _F]:
    """Return the option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def title(view: JobView) -> str:
    """Return how a message names a job: its name and its id."""
    return f"{text.one_line(view.name)} ({view.id})"
