"""Run a Jupyter notebook as an unattended, preemptible job, from the notebook itself.

Names are imported when they are first used, so that ``import jupyter_unattended`` costs nothing in
a notebook. A copy of this file and of ``runtime`` travels with every job: the names below that come
from ``runtime`` work there even where the package is not installed.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from typing import TYPE_CHECKING, Any

from ._version import __version__

# In a job, this is the travelling copy; an installed package supplies the modules that did not
# travel.
__path__ = pkgutil.extend_path(__path__, __name__)

#: Public name -> module that has it.
_LAZY = {
    "Checkpoint": ".runtime.checkpoint",
    "keras_callback": ".runtime.keras_callback",
    "lightning_callback": ".runtime.lightning_callback",
    "resumable": ".runtime.resumable",
    "transformers_callback": ".runtime.transformers_callback",
    "Job": ".job",
    "jobs": ".api",
    "submit": ".api",
    "sweep": ".api",
    "progress": ".runtime.api",
    "report": ".runtime.api",
    "on_stop": ".runtime.api",
    "stop_requested": ".runtime.api",
}

if TYPE_CHECKING:
    from .api import jobs, submit, sweep
    from .job import Job
    from .runtime.api import on_stop, progress, report, stop_requested
    from .runtime.checkpoint import Checkpoint
    from .runtime.keras_callback import keras_callback
    from .runtime.lightning_callback import lightning_callback
    from .runtime.resumable import resumable
    from .runtime.transformers_callback import transformers_callback

__all__ = [
    "Checkpoint",
    "Job",
    "__version__",
    "jobs",
    "keras_callback",
    "lightning_callback",
    "on_stop",
    "progress",
    "report",
    "resumable",
    "stop_requested",
    "submit",
    "sweep",
    "transformers_callback",
]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(module, __name__), name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith(__name__):
            raise AttributeError(
                f"{__name__}.{name} needs the jupyter-unattended package, which is not installed "
                "here; only the part that travels with a job is"
            ) from error
        raise


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """Offer ``%submit`` (called by ``%load_ext jupyter_unattended``)."""
    if os.environ.get("UNATTENDED_JOB_ID"):
        return  # a job leaves out cells with %submit; nothing else of the magic is needed there
    from .kernel import magic

    magic.load(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server what to load (called by it)."""
    from .server.app import UnattendedApp

    return [{"module": "jupyter_unattended.server.app", "app": UnattendedApp}]
