"""The backend ``gridengine``."""

from __future__ import annotations

from .backend import GridEngineBackend

__all__ = ["GridEngineBackend"]
