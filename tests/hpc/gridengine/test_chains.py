from __future__ import annotations

from ..chains import *  # noqa: F403
