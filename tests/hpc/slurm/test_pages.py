from __future__ import annotations

from ..pages import *  # noqa: F403
