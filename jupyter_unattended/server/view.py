"""What browsers are told about a job: the service's view, and where the file browser shows it."""

from __future__ import annotations

from typing import Any

from ..jobs.view import JobView
from .root import Root


class Describe:
    """Makes plain data of job views.

    Parameters
    ----------
    root
        The directory that the file browser shows.
    """

    def __init__(self, root: Root) -> None:
        self._root = root

    def __call__(self, view: JobView) -> dict[str, Any]:
        """Return a job as the endpoints and events send it."""
        return {**view.to_dict(), "notebook_path": self._root.to_contents(view.notebook)}
