from __future__ import annotations

from ..remote import *  # noqa: F403
