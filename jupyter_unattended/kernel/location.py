"""Which notebook is this? Found through what Jupyter tells the kernel.

No one place is right everywhere: ``JPY_SESSION_NAME`` is the path at the kernel's start and so
wrong after a rename, the sessions API knows renames but may be out of reach, VS Code has neither.
"""

from __future__ import annotations

import json
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import NotebookError

#: Seconds to wait for a server that does not answer; there may be several.
_TIMEOUT = 2.0


def current_notebook(user_ns: Mapping[str, Any] | None = None) -> Path:
    """Return the path of the notebook that this kernel belongs to.

    Parameters
    ----------
    user_ns
        The notebook's variables; VS Code leaves its path there. Default: those of the running
        IPython.

    Raises
    ------
    NotebookError
        If it cannot be found; the text says to name it.
    """
    if user_ns is None:
        user_ns = _user_namespace()
    for path in _candidates(user_ns):
        if path.suffix == ".ipynb" and path.is_file():
            return path
    raise NotebookError(
        "Cannot tell which notebook this is; name it: %submit --notebook PATH, "
        'or submit("PATH") in Python'
    )


def _candidates(user_ns: Mapping[str, Any]) -> Iterator[Path]:
    vscode = user_ns.get("__vsc_ipynb_file__")
    if isinstance(vscode, str):
        yield Path(vscode)
    kernel = kernel_id()
    if kernel is not None:
        yield from _from_servers(kernel)
    session = os.environ.get("JPY_SESSION_NAME")
    if session:
        # A drive of real-time collaboration is written before the path.
        yield Path(re.sub(r"(^|/)RTC:", r"\1", session))


def kernel_id() -> str | None:
    """Return the id under which servers know this kernel, None outside of one."""
    try:
        from ipykernel.connect import get_connection_file

        file = Path(get_connection_file())
    except Exception:
        # ipykernel is missing, or this is no kernel: it raises different errors by version.
        return None
    return file.stem.partition("kernel-")[2] or None


def _user_namespace() -> Mapping[str, Any]:
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return {}
    shell = get_ipython()
    return {} if shell is None else dict(shell.user_ns)


def _from_servers(kernel: str) -> Iterator[Path]:
    """Yield where the running servers say that the kernel's notebook is."""
    for server in _servers():
        for session in _sessions(server):
            if session.get("kernel", {}).get("id") != kernel:
                continue
            path = session.get("path") or session.get("notebook", {}).get("path") or ""
            root = server.get("root_dir") or server.get("notebook_dir")
            if path and root:
                yield Path(root) / path.removeprefix("RTC:")


def _servers() -> Iterator[dict[str, Any]]:
    from jupyter_core.paths import jupyter_runtime_dir

    files = [*Path(jupyter_runtime_dir()).glob("jpserver-*.json")]
    files += Path(jupyter_runtime_dir()).glob("nbserver-*.json")
    for file in sorted(files, key=_age, reverse=True):
        try:
            server = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(server, dict) and _is_alive(server.get("pid")):
            yield server


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _is_alive(pid: object) -> bool:
    """Whether there is such a process; files of servers that crashed stay behind."""
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sessions(server: Mapping[str, Any]) -> list[dict[str, Any]]:
    # A server behind JupyterHub accepts the token that the hub gave its user.
    token = server.get("token") or os.environ.get("JUPYTERHUB_API_TOKEN") or ""
    url = urllib.parse.urljoin(str(server.get("url", "")), "api/sessions")
    if not url.startswith(("http://", "https://")):
        return []
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"})  # noqa: S310
    # The server is on this machine: never ask a proxy for it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            sessions = json.load(answer)
    except (OSError, ValueError):
        return []
    return [session for session in sessions if isinstance(session, dict)]
