"""The build session: a Containerfile is written, built, and the notebook is tried in the image.

What every face does alike is here; a face only shows what `Report` is told.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from ..errors import UnattendedError
from ..jobs.states import State
from ..jobs.testing import as_test
from . import build as building
from . import lacking, making

if TYPE_CHECKING:
    from ..jobs.preparation import Prepared
    from ..jobs.service import JobService
    from ..jobs.view import JobView
    from ..spec import JobSpec
    from .build import Built, Step
    from .lacking import Lack
    from .making import Made

#: The backend in which an image is tried.
BACKEND = "container"


@dataclass(frozen=True)
class Trial:
    """How it went in the image.

    Parameters
    ----------
    ran
        Whether the notebook's test ran to its end.
    seconds
        How long that took.
    reason
        Why it did not.
    lacks
        What the image lacks.
    job
        The job whose log tells more; None where it ran, because nobody needs it then.
    """

    ran: bool
    seconds: float
    reason: str = ""
    lacks: list[Lack] = field(default_factory=list)
    job: str | None = None


class Report(Protocol):
    """Is told what happens, as it happens."""

    def made(self, made: Made) -> None:
        """Hear that the files are written."""

    def building(self, log: Path) -> None:
        """Hear that a build begins, and which file gets its whole log."""

    def said(self, line: str) -> None:
        """Hear a line that the builder wrote."""

    def step(self, step: Step) -> None:
        """Hear at which step the build is."""

    def built(self, built: Built, seconds: float) -> None:
        """Hear that the image is there."""

    def trying(self, job: JobView) -> None:
        """Hear that the notebook is being tried in the image."""

    def tried(self, trial: Trial) -> None:
        """Hear how the trial went."""


@dataclass(frozen=True)
class Session:
    """What is wanted.

    Parameters
    ----------
    spec
        The job that the image is for.
    base
        What the image is made from.
    overwrite
        Whether files that are there are replaced.
    build, try_
        Whether the image is built, and the notebook tried in it.
    secrets
        Values of the job's secret variables, for the trial.
    """

    spec: JobSpec
    base: str = "python"
    overwrite: bool = False
    build: bool = True
    try_: bool = True
    secrets: Mapping[str, str] = field(default_factory=dict)

    def run(self, jobs: JobService, report: Report) -> tuple[Made, Built | None, Trial | None]:
        """Do it; return what was written, the image, and how the trial went.

        Raises
        ------
        UnattendedError
            If the notebook cannot be used, or the image cannot be built.
        """
        prepared = jobs.prepare(self.spec)
        code = cast("Literal['workspace', 'image']", self.spec.options.get("code", "workspace"))
        made = making.make(prepared, base=self.base, code=code, overwrite=self.overwrite)
        report.made(made)
        if not (self.build or self.try_):
            return made, None, None
        built = self._build(made, report)
        trial = self._try(jobs, prepared, built, report) if self.try_ else None
        return made, built, trial

    def _build(self, made: Made, report: Report) -> Built:
        began = time.monotonic()
        place = self.spec.workspace or self.spec.notebook.parent
        log = place / ".unattended" / f"image-{self.spec.notebook.stem}.log"
        report.building(log)
        built = building.build(made.containerfile, made.repository, log, report.step, report.said)
        making.pin(made)
        report.built(built, time.monotonic() - began)
        return built

    def _try(self, jobs: JobService, prepared: Prepared, built: Built, report: Report) -> Trial:
        """Run the notebook's test mode in the image; say what it lacks."""
        changes: dict[str, Any] = {"image": built.name, "requirements_text": ""}
        tried = as_test(self.spec).model_copy(update=changes)
        began = time.monotonic()
        job = jobs.submit(tried, force=True, secrets=dict(self.secrets))
        try:
            report.trying(job)
            end = jobs.wait(job.id)
        except BaseException:
            # Nobody waits for it any more: it was only a trial.
            with contextlib.suppress(UnattendedError):
                jobs.cancel(job.id)
            raise
        seconds = time.monotonic() - began
        if end.state is State.SUCCEEDED:
            jobs.delete(job.id)
            trial = Trial(True, seconds)
        else:
            log = "".join(jobs.logs(job.id))
            lacks = lacking.read(f"{log}\n{end.reason}", _modules(prepared))
            trial = Trial(False, seconds, end.reason or end.state.value, lacks, job.id)
        report.tried(trial)
        return trial


def _modules(prepared: Prepared) -> dict[str, str]:
    """Return, for modules of the kernel's environment, the line that installs them elsewhere."""
    from ..notebook import environment
    from ..notebook.code import read_cells
    from ..notebook.imports import scan

    cells = read_cells(prepared.notebook)
    names = {one.module.partition(".")[0] for one in scan(prepared.notebook, cells).outside}
    here = environment.inspect(prepared.kernel, names)
    lines = {}
    for name in names:
        found = here.modules.get(name)
        if found is not None and found.packages:
            package = found.packages[0]
            lines[name] = f"{package.name}=={package.version}"
    return lines
