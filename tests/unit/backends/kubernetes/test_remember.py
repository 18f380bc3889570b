from __future__ import annotations

from pathlib import Path

from jupyter_unattended.backends.kubernetes.remember import Remembered, recall, remember


def test_what_was_given_last_for_each_context(tmp_path: Path) -> None:
    assert recall(tmp_path, "a") == Remembered()
    remember(tmp_path, "a", "i:1", ["pvc:w:/w"])
    remember(tmp_path, "b", "j:1", [])
    remember(tmp_path, "a", "i:2", ["pvc:w:/w", "pvc:v:/v"])
    assert recall(tmp_path, "a") == Remembered("i:2", ("pvc:w:/w", "pvc:v:/v"))
    assert recall(tmp_path, "b") == Remembered("j:1")
    assert recall(tmp_path, "c") == Remembered()


def test_what_cannot_be_read_or_written_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "kubernetes.json").write_text("[torn")
    assert recall(tmp_path, "a") == Remembered()
    remember(tmp_path / "absent", "a", "i", [])
    remember(None, "a", "i", [])
    assert recall(None, "a") == Remembered()
