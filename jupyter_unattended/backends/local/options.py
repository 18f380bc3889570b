"""The local backend's own options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class LocalOptions(BaseModel):
    """Options of the local backend: none, so far."""

    model_config = ConfigDict(extra="forbid")
