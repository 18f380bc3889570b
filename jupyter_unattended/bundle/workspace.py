"""Which directory is a notebook's workspace."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import WorkspaceError
from ..paths import UNATTENDED_DIR


def resolve(notebook: Path, chosen: Path | None) -> Path:
    """Return the workspace of `notebook`, an absolute path.

    The directory that was chosen; else ``$UNATTENDED_WORKSPACE`` if the notebook is in it; else the
    nearest directory above the notebook that has an ``.unattended`` directory; else the git work
    tree; else the notebook's directory.

    Raises
    ------
    WorkspaceError
        If the chosen directory does not exist or the notebook is not in it.
    """
    if chosen is not None:
        chosen = Path(os.path.expanduser(chosen)).absolute()  # noqa: PTH111 - unknown users stay
        # Not Path.is_dir(), which raises where the name is too long.
        if not os.path.isdir(chosen):  # noqa: PTH112
            raise WorkspaceError(f"The workspace {chosen} is not a directory.")
        if not _contains(chosen, notebook):
            raise WorkspaceError(
                f"The notebook {notebook} is not in the workspace {chosen}, so a job would not "
                "find it; choose a workspace above the notebook."
            )
        return chosen
    wanted = os.environ.get("UNATTENDED_WORKSPACE")
    if wanted and Path(wanted).is_dir() and _contains(Path(wanted).absolute(), notebook):
        return Path(wanted).absolute()
    above = notebook.parents
    for mark in (UNATTENDED_DIR, ".git"):
        for directory in above:
            if (directory / mark).exists():
                return directory
    return notebook.parent


def _contains(workspace: Path, notebook: Path) -> bool:
    return workspace in notebook.parents or workspace.resolve() in notebook.resolve().parents
