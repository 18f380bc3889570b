"""Jobs as text and HTML."""

from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.view import JobView, Progress
from jupyter_unattended.rendering import card, one_line, plain, table


def view(**changes: object) -> JobView:
    fields: dict[str, object] = {
        "id": "train-1", "name": "train", "notebook": "/w/train.ipynb", "workspace": "/w",
        "directory": "/w/.unattended/train-1", "backend": "local", "state": State.RUNNING,
        "started": 100.0, "attempt": 1,
        "progress": Progress(cells_done=2, cells_total=4, done=5, total=10, eta=60),
    }  # fmt: skip
    return JobView(**{**fields, **changes})  # type: ignore[arg-type]


def test_one_line_says_state_time_and_progress() -> None:
    line = one_line(view(), now=220.0)
    assert line.startswith("train-1: running")
    assert "2 min 00 s" in line
    assert "5 of 10" in line
    assert "2 of 4 cells" in line


def test_an_ended_job_stops_counting_and_has_no_time_left() -> None:
    line = one_line(view(state=State.FAILED, ended=130.0, reason="cell 3 failed"), now=9999.0)
    assert "30 s" in line
    assert "left" not in line
    assert line.endswith("cell 3 failed")


def test_html_escapes_everything_from_outside() -> None:
    evil = "<script>alert(1)</script>"
    drawn = card(
        view(name=evil, reason=evil, backend=evil),
        [{"values": {evil: 1.0}}, {"values": {evil: 2.0}}],
        evil,
        now=1.0,
    )
    assert "<script" not in drawn
    assert "<script" not in table([view(name=evil, reason=evil, notebook=evil)], now=1.0)


def test_card_shows_the_last_lines_of_the_log_without_escape_sequences() -> None:
    log = "".join(f"line {n}\n" for n in range(20)) + "\x1b[31mred\x1b[0m\n10%\r50%\r"
    drawn = card(view(), [], log, now=1.0)
    assert "line 1\n" not in drawn
    assert "red" in drawn
    assert "\x1b" not in drawn
    assert "50%" in drawn
    assert "10%" not in drawn


def test_sparklines_survive_constants_infinities_and_many_points() -> None:
    entries = [{"values": {"loss": 1.0, "bad": float("inf")}} for _ in range(5000)]
    drawn = card(view(), entries, "", now=1.0)
    assert "loss" in drawn
    assert "bad" not in drawn
    assert len(drawn) < 10_000


def test_plain() -> None:
    assert plain("\x1b]0;title\x07a\x1b[1;32mb\x1b[0m\rc\r\n") == "c\n"


def test_an_empty_table_says_so() -> None:
    assert "No jobs" in table([], now=0.0)
