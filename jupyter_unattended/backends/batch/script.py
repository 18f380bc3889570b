"""The text of a batch script: directives, the site's lines, and the link that runs start.sh."""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ..._version import __version__
from ...errors import SpecError
from ...spec import JobSpec
from .plan import Plan
from .profile import Profile

_TEMPLATE = """\
{shebang}
{directives}
#
# jupyter-unattended {version}: job {job_id}, {title}. {words}
# May also be submitted by hand; start.sh and the notebook are in the job directory.

job_dir={job_dir}
{redirect}
scheduler_id={scheduler_id}
total={total}  # seconds for all links together; the file batch/total overrides it
link={link}  # seconds that this link may run; empty: what the scheduler allows
warning={warning}  # seconds before that at which the notebook is told to stop
grace={grace}  # seconds between SIGTERM and SIGKILL
max_restarts={max_restarts}
{scheduler}
{site}
{link_script}
run_link {command}
{leave}
"""


@dataclass(frozen=True)
class Dialect:
    """What differs from scheduler to scheduler in a script.

    Parameters
    ----------
    mark
        What directives begin with.
    job_id
        Bash expression of the id the scheduler gave this link.
    functions
        Bash: ``again WHY``, ``going_away``, ``allowed_seconds``, ``drop_other_links``,
        ``drop_this_link``, and what SIGUSR1 and SIGUSR2 mean.
    leave
        Bash: how to exit after ``run_link``.
    """

    mark: str
    job_id: str
    functions: str
    leave: str


def render(
    *,
    dialect: Dialect,
    directives: Sequence[str],
    spec: JobSpec,
    job_dir: Path,
    plan: Plan,
    profile: Profile,
    secrets: Path | None,
    redirect: bool = False,
) -> str:
    """Return the script of a job.

    Parameters
    ----------
    dialect
        The scheduler's.
    directives
        The lines' texts without the mark.
    spec, job_dir, plan, profile
        The job, its directory, its links, the site.
    secrets
        A file with the values of ``spec.secret_env``, outside the job directory.
    redirect
        Whether the script must see to its own output, because the scheduler cannot name the path.

    Raises
    ------
    SpecError
        If the job directory has a name that no batch script can hold.
    """
    if any(ord(char) < 32 for char in str(job_dir)):
        raise SpecError(
            f"workspace: {str(job_dir)!r} has a line break or a control character in its name, "
            "which a batch script cannot hold"
        )
    log = '"$job_dir/scheduler.log"'
    return _TEMPLATE.format(
        shebang="#!/bin/bash -l" if profile.login_shell else "#!/bin/bash",
        directives="\n".join(f"{dialect.mark} {line}" for line in directives),
        version=__version__,
        job_id=job_dir.name,
        title=comment(spec.name or spec.notebook.name),
        words=f"{plan.words[:1].upper()}{plan.words[1:]}." if plan.words else "",
        job_dir=shlex.quote(str(job_dir)),
        redirect=f"exec >>{log} 2>&1" if redirect else "",
        scheduler_id=dialect.job_id,
        total=plan.total if plan.total is not None else "",
        link=plan.link if plan.link is not None else "",
        warning=plan.warning,
        grace=f"{spec.grace_period:g}",
        max_restarts=spec.max_restarts,
        scheduler=dialect.functions.strip(),
        site="\n".join(_site_lines(spec, profile, secrets)),
        link_script=_link_script(),
        command=command(spec, job_dir),
        leave=dialect.leave.strip(),
    )


def array(script: str, mark: str, directives: Sequence[str], home: Path, task: str) -> str:
    """Return a script with the directives of `script` and more, of which each task runs its own.

    Parameters
    ----------
    script
        The script of one of the jobs; all have the same directives.
    mark
        What directives begin with.
    directives
        What makes it an array.
    home
        Directory in which the name of each task is a link to its job directory.
    task
        Bash variable with the number of the task.
    """
    lines = script.splitlines()
    head = [line for line in lines[1:] if line.startswith(mark)]
    return "\n".join(
        [
            lines[0],
            *head,
            *(f"{mark} {line}" for line in directives),
            f'exec bash {shlex.quote(str(home))}/"{task}"/batch/job.sh',
            "",
        ]
    )


def command(spec: JobSpec, job_dir: Path) -> str:
    """Return the command line that runs start.sh, inside the image where there is one."""
    start = ["bash", str(job_dir / "start.sh"), *spec.arguments]
    return shlex.join([*container(spec, os.environ), *start])


def container(spec: JobSpec, environ: Mapping[str, str]) -> list[str]:
    """Return the Apptainer command in front of start.sh: the same image with the same binds.

    Without an image of its own, a job runs in the image this process runs in, if it does.
    """
    inside = environ.get("APPTAINER_CONTAINER") or environ.get("SINGULARITY_CONTAINER")
    image = spec.image or inside
    if not image:
        return []
    program = "singularity" if inside and "APPTAINER_CONTAINER" not in environ else "apptainer"
    binds = environ.get("APPTAINER_BIND") or environ.get("SINGULARITY_BIND") or ""
    words = [program, "exec"]
    if spec.gpus:
        words.append("--nv")
    for bind in [part for part in binds.split(",") if part]:
        words += ["--bind", bind]
    if spec.workspace is not None and not _bound(str(spec.workspace), binds):
        words += ["--bind", str(spec.workspace)]
    return [*words, image]


def _bound(path: str, binds: str) -> bool:
    targets = [part.split(":")[1] if ":" in part else part for part in binds.split(",") if part]
    return any(path == target or path.startswith(target.rstrip("/") + "/") for target in targets)


def _site_lines(spec: JobSpec, profile: Profile, secrets: Path | None) -> list[str]:
    lines = []
    if profile.modules:
        lines.append(f"module load {shlex.join(profile.modules)}")
    lines += profile.setup
    if profile.activate:
        directory = shlex.quote(str(spec.notebook.parent))
        lines.append(f"CDPATH= cd -- {directory} && {profile.activate}")
    lines += [f"export {name}={shlex.quote(value)}" for name, value in spec.env.items()]
    if spec.secret_env and secrets is not None:
        path = shlex.quote(str(secrets))
        lines += [
            f"if [[ -r {path} ]]; then source {path}; else",
            f"  echo 'jupyter-unattended: the values of secret variables are not readable here' "
            f"{path} >&2",
            "  exit 66",
            "fi",
        ]
    return lines


@functools.cache
def _link_script() -> str:
    return resources.files(__package__).joinpath("link.sh").read_text(encoding="utf-8").strip()


def comment(text: str) -> str:
    """Return `text` so that it cannot end a comment."""
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", "?", text)


def job_name(text: str) -> str:
    """Return a name that every scheduler takes, whatever the notebook is called.

    Grid Engine wants no digit in front and few special characters; Slurm would take more, but its
    users type names too.
    """
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text.encode("ascii", "replace").decode())[:60]
    name = name.strip("_.-+")
    if not name or not name[0].isalpha():
        name = f"job_{name}".rstrip("_")
    return name


def directive_lines(path: Path, mark: str) -> list[str]:
    """Return the directives of a batch script that a person wrote, without the mark.

    Raises
    ------
    SpecError
        If it cannot be read, or has no directives of this scheduler.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SpecError(f"directives: {path} cannot be read ({error.strerror})") from error
    lines = [bare(line, mark) for line in text.splitlines() if line.startswith(mark)]
    if not lines:
        raise SpecError(f"directives: {path} has no line that begins with {mark}")
    return [line for line in lines if line]


def bare(line: str, mark: str) -> str:
    """Return a directive without the mark and without a comment at its end."""
    line = line.strip().removeprefix(mark).strip()
    return re.sub(r"\s+#\s.*$", "", line)
