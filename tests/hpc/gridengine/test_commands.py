from __future__ import annotations

from ..commands import *  # noqa: F403
