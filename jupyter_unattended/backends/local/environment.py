"""The environment of a job: that of the process that submitted it, less what is not its business.

It is kept in the queue's database, which only the user can read, never in the job directory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from ...paths import JobPaths

#: Of the interactive session: meaningless or harmful in a job, or secrets of the server.
_PREFIXES = ("JUPYTERHUB_", "JPY_", "KERNEL_", "PYDEVD_", "VSCODE_", "UNATTENDED_AGENT_")
_NAMES = frozenset(
    {
        "_", "OLDPWD", "PWD", "SHLVL", "COLUMNS", "LINES", "TERM_PROGRAM", "TERM_SESSION_ID",
        "TMUX", "TMUX_PANE", "STY", "WINDOWID", "PYTHONSTARTUP", "PYTHONINSPECT",
        "JUPYTER_TOKEN", "JUPYTER_SERVER_URL", "JUPYTER_SERVER_ROOT", "CONFIGPROXY_AUTH_TOKEN",
        "BASH_ENV", "ENV", "PS1", "NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM",
        # Of the job that submits, where it is a job itself.
        "UNATTENDED_JOB_DIR", "UNATTENDED_JOB_ID", "UNATTENDED_ATTEMPT", "UNATTENDED_ATTEMPT_DIR",
        "UNATTENDED_CHECKPOINT_DIR", "UNATTENDED_GRACE_PERIOD", "UNATTENDED_LAUNCH",
    }
)  # fmt: skip
#: What the agent itself keeps of the environment of whoever happened to start it.
_AGENT_NAMES = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
        "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX",
        "CUDA_VISIBLE_DEVICES", "COVERAGE_PROCESS_START",
    }
)  # fmt: skip
_AGENT_PREFIXES = ("LC_", "XDG_", "UNATTENDED_")


def of_submitter(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a job inherits from the process that submits it."""
    source = os.environ if environ is None else environ
    kept = {
        name: value
        for name, value in source.items()
        if name not in _NAMES and not name.startswith(_PREFIXES) and "\0" not in value
    }
    job_directory = source.get("UNATTENDED_JOB_DIR")
    if job_directory and "PYTHONPATH" in kept:
        parts = kept["PYTHONPATH"].split(os.pathsep)
        kept["PYTHONPATH"] = os.pathsep.join(
            part for part in parts if part != str(JobPaths(Path(job_directory)).modules)
        )
        if not kept["PYTHONPATH"]:
            del kept["PYTHONPATH"]
    if kept.get("MPLBACKEND", "").startswith("module://"):
        # A kernel set this for itself; in a job there is no kernel.
        del kept["MPLBACKEND"]
    return kept


def of_agent() -> dict[str, str]:
    """Return what the agent needs; the rest of its starter's environment is not its business."""
    return {
        name: value
        for name, value in os.environ.items()
        if (name in _AGENT_NAMES or name.startswith(_AGENT_PREFIXES)) and name not in _NAMES
    }


def pack(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return a key and a text for an environment; equal environments have equal keys."""
    text = json.dumps(dict(sorted(environment.items())), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest(), text
