"""Jobs on this machine: a queue, and an agent that runs it."""

from __future__ import annotations

from .backend import LocalBackend

__all__ = ["LocalBackend"]
