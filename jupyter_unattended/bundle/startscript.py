"""The text of start.sh: the command of a job, made to be read, edited and run again by hand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Literal

_HEAD = """\
#!/usr/bin/env bash
# Runs {title} with nobody watching. Can be edited, and run again by hand, also with
# other arguments:  ./start.sh{example}
#
# Exit codes: 0 done; 75 stopped from outside before the end, run it again; anything else failed.
set -euo pipefail

python=${{UNATTENDED_PYTHON:-{python}}}
"""

_JOB = """\
working_directory={working_directory}
export UNATTENDED_GRACE_PERIOD=${{UNATTENDED_GRACE_PERIOD:-{grace_period}}}
{settings}
# The job directory is where this script is; a scheduler that runs a copy tells where that was.
here=${{BASH_SOURCE[0]%/*}}
if [[ $here == "${{BASH_SOURCE[0]}}" ]]; then here=.; fi
CDPATH='' cd -- "${{here:-/}}"
job_directory=$PWD
if [[ ! -e runtime/attempt.sh ]]; then job_directory=$UNATTENDED_JOB_DIR; fi
source "$job_directory/runtime/attempt.sh"

begin_attempt         # makes attempts/N; all output goes to its log.txt from here on
enter_directory "$working_directory"
source_hook           # startup-hook.sh beside the notebook, if there is one
install_requirements  # nothing to do, in milliseconds, when all of requirements.txt is there
{command} "$@"
"""

_BESIDE = """\
{settings}
if [[ -z ${{UNATTENDED_JOB_DIR:-}} ]]; then  # in a job, we are in the right directory already
  here=${{BASH_SOURCE[0]%/*}}
  if [[ $here == "${{BASH_SOURCE[0]}}" ]]; then here=.; fi
  CDPATH='' cd -- "${{here:-/}}"
fi

# Run a program, pass signals on to it and wait until it is gone. Its exit code comes in $code.
# (As the first process of a container, bash drops a SIGTERM that it has no trap for, and a wait
# that a signal cut short does not tell the program's exit code.)
child= stopped= interrupted=
on_signal() {{
  stopped=1 interrupted=1
  if [[ -n $child ]]; then kill -s TERM "$child" 2>/dev/null || :; fi
}}
trap on_signal TERM INT
run() {{
  "$@" &
  child=$!
  while :; do
    interrupted= code=0
    wait "$child" || code=$?
    if [[ -z $interrupted ]]; then break; fi
  done
  child=
}}

if [[ -f startup-hook.sh ]]; then source ./startup-hook.sh; fi
{requirements}run {command} "$@"
if [[ -n $stopped ]] && {stopped_early}; then exit 75; fi
exit "$code"
"""

_REQUIREMENTS = """\
if ! "$python" -m jupyter_unattended.runtime.requirements_met {file} 2>/dev/null; then
  if "$python" -c 'import pip' 2>/dev/null; then
    run "$python" -m pip install --disable-pip-version-check --no-input -r {file}
  elif command -v uv >/dev/null; then  # what uv made has no pip
    run uv pip install --python "$python" -r {file}
  else
    echo "requirements.txt is not satisfied and $python has no pip to install it with" >&2
    exit 1
  fi
  if [[ -n $stopped ]]; then exit 75; fi
  if ((code != 0)); then exit "$code"; fi
fi
"""


def render(
    *,
    notebook: str,
    working_directory: str,
    python: str | None,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    grace_period: float = 30,
    user_script: bool = False,
) -> str:
    """Return the start.sh of a job directory.

    Parameters
    ----------
    notebook
        Name of the notebook, for people.
    working_directory
        Absolute path of the directory to run in.
    python
        Absolute path of the interpreter; None is ``python3`` as found on PATH.
    arguments
        The job's arguments, used when the script is run without any.
    environment
        Variables to export, where they are not set already; no secrets.
    grace_period
        Seconds between SIGTERM and SIGKILL.
    user_script
        Whether to run the user's own script, ``user-start.sh``, in the place of the notebook.
    """
    return _head(notebook, python, arguments) + _JOB.format(
        working_directory=shlex.quote(working_directory),
        grace_period=f"{grace_period:g}",
        settings=_settings(arguments, environment or {}),
        command="run_user_script" if user_script else "run_notebook",
    )


def render_beside(
    *,
    target: str,
    kind: Literal["notebook", "script"],
    python: str | None,
    requirements: str | None = "requirements.txt",
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return a start.sh to be kept beside the notebook; it works without a job directory.

    Parameters
    ----------
    target
        Name of the notebook or of the script that was made from it, in the same directory.
    kind
        Which of the two it is.
    python
        Absolute path of the interpreter; None is ``python3`` as found on PATH.
    requirements
        Name of the requirements file in the same directory; None where there is nothing to install.
    arguments
        Used when the script is run without any.
    environment
        Variables to export, where they are not set already; no secrets.
    """
    path = shlex.quote(f"./{target}")
    module = "-m jupyter_unattended.runtime " if kind == "notebook" else ""
    return _head(target, python, arguments) + _BESIDE.format(
        settings=_settings(arguments, environment or {}),
        requirements=_REQUIREMENTS.format(file=shlex.quote(f"./{requirements}"))
        if requirements
        else "",
        command=f'"$python" {module}{path}',
        # The runtime itself says 0 only when the notebook reached its end; a script cannot tell.
        stopped_early="((code != 0))" if kind == "notebook" else "true",
    )


def written_for(script: bytes) -> str | None:
    """Return the name of the notebook or script that a start.sh runs, if `render_beside` wrote it.

    None for one that a person wrote. The name has ``?`` for characters that a comment cannot hold.
    """
    found = re.search(rb"^# Runs (.*) with nobody watching\. Can be edited", script, re.MULTILINE)
    return found[1].decode("utf-8", "replace") if found else None


def is_for(script: bytes, notebook: str) -> bool:
    """Whether a start.sh beside the notebook called `notebook` is meant for it.

    One that was written for another notebook is not; one that a person wrote is meant for all.
    """
    name = written_for(script)
    return name is None or name.rpartition(".")[0] == _shown(notebook).rpartition(".")[0]


def _head(title: str, python: str | None, arguments: Sequence[str]) -> str:
    example = _shown(shlex.join(arguments) if arguments else "--epochs=3")
    return _HEAD.format(
        title=_shown(title), example=" " + example, python=shlex.quote(python or "python3")
    )


def _shown(text: str) -> str:
    """Return text for a comment, which ends with its line."""
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", "?", text)


def _settings(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    lines = [
        f"if [[ -z ${{{name}+set}} ]]; then export {name}={shlex.quote(value)}; fi"
        for name, value in environment.items()
    ]
    if arguments:
        lines.append(f"if (($# == 0)); then set -- {shlex.join(arguments)}; fi")
    return "".join(line + "\n" for line in lines)
