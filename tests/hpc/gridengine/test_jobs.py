from __future__ import annotations

from ..jobs import *  # noqa: F403
