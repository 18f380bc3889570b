"""Writing the Containerfile of a notebook: what is looked at, what is chosen, what is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..backends.container import find as engines
from ..backends.container.engine import EngineError
from ..errors import BackendUnavailableError, WorkspaceError
from ..jobs.preparation import Prepared
from ..notebook import environment
from ..notebook.code import read_cells
from . import bases, containerfile, system, ties
from .containerfile import Recipe

#: Things of this size in the notebook's directory are data, not code.
_BIG = 20_000_000


@dataclass(frozen=True)
class Made:
    """What was written, and what there is to know.

    Parameters
    ----------
    containerfile
        The Containerfile.
    written, kept
        Files that were written, and files that were there with other content and were kept.
    ties
        What ties the notebook to this machine.
    unknown
        Libraries of which nobody here knows the package.
    repository
        The image's name without a tag.
    recipe
        What the Containerfile was written from.
    """

    containerfile: Path
    repository: str
    recipe: Recipe
    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    ties: list[ties.Tie] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def make(
    prepared: Prepared,
    *,
    base: str = "python",
    code: Literal["workspace", "image"] = "workspace",
    overwrite: bool = False,
) -> Made:
    """Write Containerfile, .dockerignore and, where there is none, requirements.txt.

    Files are written beside the notebook; those that are there with other content are kept, because
    they may be a person's own work, unless `overwrite` is set.

    Raises
    ------
    WorkspaceError
        If a file cannot be written.
    SpecError
        If there is no such base image.
    """
    notebook, kernel = prepared.notebook, prepared.kernel
    directory = notebook.directory
    cells = read_cells(notebook)
    imported = {one.module.partition(".")[0] for one in prepared.requirements.imports.outside}
    here = environment.inspect(kernel, imported)
    requirements, text = _requirements(prepared, directory)
    packages, unknown = system.collect(cells, kernel, prepared.requirements.text)
    repository = f"localhost/{_slug(notebook.path.stem)}"
    recipe = Recipe(
        notebook=notebook.path,
        base=_pinned(bases.choose(base, here.python_version, here.packages)),
        python_version=here.python_version,
        requirements=requirements,
        system=packages,
        runner_version=here.packages.get("ipython"),
        code=code,
        user_id=os.getuid() or 1000,
        tag=repository,
    )
    made = Made(
        directory / "Containerfile",
        repository,
        recipe,
        ties=ties.find(cells, prepared.findings, prepared.requirements, here),
        unknown=unknown,
    )
    contents = {
        made.containerfile: containerfile.render(recipe),
        directory / ".dockerignore": containerfile.render_ignore(recipe, list(_big(directory))),
    }
    if text is not None and requirements is not None:
        contents[directory / requirements] = text
    for path, content in contents.items():
        _write(made, path, content, overwrite=overwrite)
    return made


def pin(made: Made) -> None:
    """Pin the base in the Containerfile by the digest that is known since the base was got.

    Raises
    ------
    WorkspaceError
        If the file cannot be written.
    """
    recipe = made.recipe
    if recipe.base.pinned or _text(made.containerfile) != containerfile.render(recipe):
        return
    base = _pinned(recipe.base)
    if base.pinned:
        _replace(made.containerfile, containerfile.render(replace(recipe, base=base)))


def _requirements(prepared: Prepared, directory: Path) -> tuple[str | None, str | None]:
    """Return the name of the requirements file beside the notebook, and its text if it is ours."""
    found = prepared.requirements
    if found.path is not None and found.path.parent == directory:
        has_any = any(line.strip() and not line.startswith("#") for line in found.text.splitlines())
        return (found.path.name if has_any else None), None
    if not found.text.strip():
        return None, None
    return "requirements.txt", found.text


def _pinned(base: bases.Base) -> bases.Base:
    """Pin the base by digest where an engine has it and a registry gave it one."""
    try:
        engine, _ = engines.working()
        image = engine.image(base.image)
    except (BackendUnavailableError, EngineError):
        return base
    if image is None or image.digest is None or image.digest.startswith("localhost/"):
        return base
    return replace(
        base, image=image.digest, pinned=True, reason=f"{base.reason} Its name is {base.image}."
    )


def _big(directory: Path) -> Iterator[str]:
    """Yield the names of big things beside the notebook."""
    for entry in sorted(directory.iterdir()):
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        size, whole = ties.size_of(entry, 1.0)
        if size > _BIG or not whole:
            yield entry.name


def _write(made: Made, path: Path, content: str, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        if _text(path) != content:
            made.kept.append(path)
        return
    _replace(path, content)
    made.written.append(path)


def _replace(path: Path, content: str) -> None:
    try:
        fresh = path.with_name(f".{path.name}-new")
        fresh.write_text(content, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be written ({error.strerror}).") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be read ({error.strerror}).") from error


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "notebook"
