"""The command line: ``jupyter unattended`` and ``jupyter-unattended``.

Commands are imported when they are called, so that ``list`` starts without pydantic, nbformat and
the backends' libraries.
"""

from .app import main

__all__ = ["main"]
