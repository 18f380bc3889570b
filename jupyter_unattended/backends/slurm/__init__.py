"""The backend ``slurm``."""

from __future__ import annotations

from .backend import SlurmBackend

__all__ = ["SlurmBackend"]
