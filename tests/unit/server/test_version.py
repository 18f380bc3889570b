from __future__ import annotations

import json
from pathlib import Path

from jupyter_unattended._version import __version__

ROOT = Path(__file__).resolve().parents[3]


def test_the_front_end_has_the_same_version() -> None:
    # Both sides compare versions when they meet, so they must be raised together.
    assert json.loads((ROOT / "package.json").read_text())["version"] == __version__


def test_the_lock_file_names_no_place_to_download_from() -> None:
    lock = (ROOT / "yarn.lock").read_text()
    assert "__archiveUrl" not in lock
    assert "://" not in lock
