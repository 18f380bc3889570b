"""What errors say: sentences, in one manner everywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import jupyter_unattended
from jupyter_unattended import errors

PACKAGE = Path(jupyter_unattended.__file__).parent


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("There is none", "There is none."),
        ("There is none.", "There is none."),
        ("Is there one?", "Is there one?"),
        ("cpus: 'x' is not a number (and 1 more problem)", None),
        ("", ""),
    ],
)
def test_a_sentence_ends_with_a_full_stop(text: str, said: str | None) -> None:
    assert str(errors.UnattendedError(text)) == (f"{text}." if said is None else said)
    assert str(errors.WaitTimeoutError(text)) == (f"{text}." if said is None else said)


def _messages(tree: ast.AST, names: set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and beginning of every message that is written where an error is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            said: ast.AST = node.args[0]
            while isinstance(said, ast.BinOp):
                said = said.left
            if isinstance(said, ast.JoinedStr) and said.values:
                said = said.values[0]
            if (
                node.func.id in names
                and isinstance(said, ast.Constant)
                and isinstance(said.value, str)
            ):
                yield node.lineno, said.value


def test_a_sentence_begins_with_a_capital_or_with_a_name() -> None:
    names = {name for name in vars(errors) if name.endswith("Error")}
    found = [
        (str(path.relative_to(PACKAGE)), line, text)
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in _messages(ast.parse(path.read_text(encoding="utf-8")), names)
    ]
    assert len(found) > 50

    def is_name(word: str) -> bool:  # job.json, cpus:, %submit, link_time
        return word.endswith(":") or not word.isalpha()

    wrong = [
        (path, line, text)
        for path, line, text in found
        if text[:1].islower() and not is_name(text.split()[0]) and ":" not in text
    ]
    assert wrong == []
