from __future__ import annotations

from ..digits import *  # noqa: F403
