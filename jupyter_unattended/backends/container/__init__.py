"""Jobs in containers on this machine, through Podman or Docker."""

from __future__ import annotations

from .backend import ContainerBackend

__all__ = ["ContainerBackend"]
