from __future__ import annotations

from ..arrays import *  # noqa: F403
