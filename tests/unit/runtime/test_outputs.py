from __future__ import annotations

import json
from datetime import date
from typing import Any

from jupyter_unattended.runtime import outputs
from jupyter_unattended.runtime.outputs import CellOutputs, Rich


def decoded(cell: CellOutputs) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cell.encode())
    return found


def text(cell: CellOutputs) -> str:
    return "".join("".join(output.get("text", ())) for output in decoded(cell))


def figure(data: str = "x") -> Rich:
    return Rich("display_data", data={"text/plain": data}, metadata={})


def test_text_of_one_stream_is_one_output() -> None:
    cell = CellOutputs()
    cell.stream("stdout", "a\n")
    cell.stream("stdout", "b\n")
    cell.stream("stderr", "c\n")
    cell.stream("stdout", "d")
    assert [(o["name"], o["text"]) for o in decoded(cell)] == [
        ("stdout", ["a\n", "b\n"]),
        ("stderr", ["c\n"]),
        ("stdout", ["d"]),
    ]


def test_much_text_keeps_beginning_and_end_and_says_so() -> None:
    cell = CellOutputs("attempts/1/log.txt")
    for number in range(300_000):
        cell.stream("stdout", f"line {number}\n")
    shown = text(cell)
    assert shown.startswith("line 0\nline 1\n")
    assert shown.endswith("line 299998\nline 299999\n")
    assert len(shown) < outputs.STREAM_LIMIT + 1000
    assert "left out here; all of the text is in attempts/1/log.txt" in shown


def test_one_huge_piece_of_text_is_cut_like_any_other() -> None:
    cell = CellOutputs()
    cell.stream("stdout", "a" + "x" * 5_000_000 + "z")
    shown = text(cell)
    assert shown[0] == "a"
    assert shown[-1] == "z"
    assert len(shown) < outputs.STREAM_LIMIT + 1000


def test_streams_that_alternate_are_bounded_too() -> None:
    cell = CellOutputs()
    for number in range(100_000):
        cell.stream(("stdout", "stderr")[number % 2], f"line {number}\n")
    assert len(text(cell)) < outputs.STREAM_LIMIT + 1000


def test_many_figures_keep_the_first_and_the_last_and_every_error() -> None:
    cell = CellOutputs()
    cell.rich(figure("first"))
    for number in range(5000):
        cell.rich(figure(str(number)))
    cell.rich(Rich("error", ename="E", evalue="", traceback=[]))
    found = decoded(cell)
    assert len(found) <= outputs.RICH_COUNT + 3  # a notice, an error
    assert found[0]["data"]["text/plain"] == "first"
    assert found[-2]["data"]["text/plain"] == "4999"
    assert found[-1]["output_type"] == "error"
    assert "figures or other rich outputs left out here" in text(cell)


def test_clearing() -> None:
    cell = CellOutputs()
    cell.stream("stdout", "gone")
    cell.clear(wait=True)
    assert text(cell) == "gone"
    cell.stream("stdout", "stays")
    assert text(cell) == "stays"
    cell.clear(wait=False)
    assert decoded(cell) == []


def test_an_update_replaces_the_data() -> None:
    item = figure("old")
    item.update({"text/plain": "new"}, {"m": 1})
    assert json.loads(item.encode()) == {
        "output_type": "display_data",
        "data": {"text/plain": "new"},
        "metadata": {"m": 1},
    }


def test_values_that_json_has_no_word_for() -> None:
    odd = {
        "bytes": b"\x00",
        "day": date(2026, 1, 2),
        "set": {1},
        "nan": [float("nan"), {"inf": float("inf")}],
    }
    assert json.loads(outputs.encoded(odd)) == {
        "bytes": "AA==",
        "day": "2026-01-02",
        "set": [1],
        "nan": [None, {"inf": None}],
    }
