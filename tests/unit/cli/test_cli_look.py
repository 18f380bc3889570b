from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_unattended.cli import look
from jupyter_unattended.jobs.states import State
from jupyter_unattended.jobs.store import Row
from jupyter_unattended.jobs.view import JobView, Progress
from jupyter_unattended.paths import JobPaths

AddJob = Callable[..., Row]
Call = Callable[..., tuple[int, str, str]]


def _view(**fields: object) -> JobView:
    values: dict[str, object] = {
        "id": "j1",
        "name": "train",
        "notebook": "/w/train.ipynb",
        "workspace": "/w",
        "directory": "/w/.unattended/j1",
        "backend": "local",
        "state": State.RUNNING,
    }
    return JobView(**{**values, **fields})  # type: ignore[arg-type]


def test_list_in_a_pipe_is_tab_separated_newest_first(add_job: AddJob, call: Call) -> None:
    add_job("old", name="a b", created=100.0, started=101.0, ended=103.5, exit_code=0)
    add_job("new", state="failed", exit_code=3, reason="boom", created=200.0,
            cells_done=2, cells_total=5)  # fmt: skip
    code, out, err = call("list")
    assert (code, err) == (0, "")
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["new", "old"]
    newest, oldest = (dict(zip(header, row, strict=True)) for row in rows)
    assert newest["cells"] == "2/5"
    assert newest["exit_code"] == "3"
    assert newest["reason"] == "boom"
    assert oldest["name"] == "a b"
    assert oldest["seconds"] == "2.5"


def test_list_filters_and_says_that_there_are_more(add_job: AddJob, call: Call) -> None:
    for number in range(5):
        add_job(f"j{number}", created=float(number), state="failed" if number == 2 else "succeeded")
    _, out, err = call("list", "--limit", "2")
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == ["j4", "j3"]
    assert "--all" in err
    _, out, err = call("list", "--all")
    assert len(out.splitlines()) == 6
    assert err == ""
    _, out, _ = call("list", "--state", "failed")
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == ["j2"]
    _, out, _ = call("list", "--search", "j3")
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == ["j3"]


def test_list_as_json(add_job: AddJob, call: Call) -> None:
    add_job("j1", exit_code=0)
    _, out, _ = call("list", "--json")
    assert [(job["id"], job["state"], job["exit_code"]) for job in json.loads(out)] == [
        ("j1", "succeeded", 0)
    ]


def test_an_empty_list_is_a_list(call: Call) -> None:
    assert call("list", "--json")[:2] == (0, "[]\n")
    assert call("list")[2] == "No jobs.\n"


def test_watch_needs_a_terminal(call: Call) -> None:
    assert call("list", "--watch")[0] == 2


def test_show_tells_what_a_person_wants_to_know(add_job: AddJob, call: Call) -> None:
    row = add_job(
        "j1",
        name="train",
        state="failed",
        exit_code=1,
        reason="ValueError in cell 3",
        started=1_000_001.0,
        ended=1_000_013.0,
        attempt=1,
        spec={
            "parameters": {"epochs": 3, "rate": 0.1},
            "arguments": ["--epochs", "3", "a b"],
            "env": {"LOG": "debug"},
            "secret_env": ["HF_TOKEN"],
            "cpus": 2.0,
            "memory": 4_000_000_000,
            "time_limit": 3600.0,
        },
    )
    paths = JobPaths(Path(row.directory))
    attempt = paths.attempt(1)
    attempt.root.mkdir()
    attempt.record.write_text(
        json.dumps(
            {
                "attempt": 1,
                "host": "node7",
                "started": 1_000_001.0,
                "ended": 1_000_013.0,
                "exit_code": 1,
            }
        )
    )
    paths.metrics.write_text('{"t": 1, "attempt": 1, "step": 3, "values": {"loss": 0.25}}\n')
    code, out, err = call("show", "train")
    assert (code, err) == (0, "")
    facts = dict(line.split(":", 1) for line in out.splitlines())
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["State"].startswith("failed")
    assert facts["Reason"] == "ValueError in cell 3"
    assert facts["Parameters"] == "epochs=3, rate=0.1"
    assert facts["Arguments"] == "--epochs 3 'a b'"
    assert facts["Environment"] == "LOG=debug, HF_TOKEN=(secret)"
    assert facts["Resources"] == "2 CPUs, 4.0 GB, time limit 1 h 00 min"
    assert facts["Took"] == "12 s"
    assert facts["Last metrics"] == "loss=0.25"
    assert "on node7, for 12 s, exit code 1" in facts["Attempts"]
    assert facts["Log"] == "jupyter unattended logs j1"
    shown = json.loads(call("show", "j1", "--json")[1])
    assert shown["attempts"][0]["host"] == "node7"
    assert shown["spec"]["parameters"] == {"epochs": 3, "rate": 0.1}
    assert shown["metrics"]["values"] == {"loss": 0.25}


def test_show_without_a_job_directory(add_job: AddJob, call: Call) -> None:
    row = add_job("j1")
    JobPaths(Path(row.directory)).spec.unlink()
    code, out, _ = call("show", "j1")
    assert code == 0
    assert "succeeded" in out


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Progress(), ""),
        (Progress(3, 10), "3/10 cells"),
        (Progress(None, 10, 5, 20, 90), "0/10 cells, 5/20 (25%), 1 min 30 s left"),
    ],
)
def test_progress_text(progress: Progress, expected: str) -> None:
    assert look.progress_text(_view(progress=progress)) == expected


def test_time_left_is_told_only_when_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_unattended.cli.live import time_left

    def left(**fields: object) -> float | None:
        return time_left(_view(started=1000.0, **fields), now=1060.0)

    assert left(progress=Progress(5, 10)) == pytest.approx(60)
    assert left(progress=Progress(1, 10)) is None
    assert left(progress=Progress(0, 3, 25, 100)) == pytest.approx(180)
    assert left(progress=Progress(0, 3, 25, 100, 42.0)) == 42.0
    assert left(progress=Progress()) is None
    assert left(progress=Progress(5, 10), state=State.QUEUED) is None


def test_the_table_keeps_ids_whole_on_a_narrow_terminal() -> None:
    from rich.console import Console

    views = [
        _view(id="train-20260101-000000-abcd", state=State.FAILED, reason="it failed " * 20),
        _view(id="eval-20260101-000000-efgh", name="another name", progress=Progress(3, 7)),
        _view(id="long-20260101-000000-ijkl", progress=Progress(0, 3, 5, 10)),
        _view(id="next-20260101-000000-mnop", state=State.QUEUED, position=1),
    ]
    console = Console(width=100)
    with console.capture() as captured:
        console.print(look._table(views, 100))
    lines = [line.split() for line in captured.get().splitlines()]
    assert [line[0] for line in lines] == ["ID", *(view.id for view in views)]
    assert "failed" in lines[1]
    assert "3/7" in lines[2]
    assert "50%" in lines[3]
    assert "#2" in lines[4]
    assert all(len(line) <= 100 for line in captured.get().splitlines())


@pytest.mark.parametrize("state", [State.QUEUED, State.PAUSED, State.PREEMPTED])
def test_a_job_that_waits_takes_no_time_and_has_no_exit_code(add_job: AddJob, state: State) -> None:
    view = add_job("j1", state=state.value, started=10.0, exit_code=75, attempt=1).view()
    assert (view.exit_code, look.elapsed(view)) == (None, None)


def test_show_tells_how_much_of_the_time_it_ran(add_job: AddJob, call: Call) -> None:
    paths = JobPaths(Path(add_job("j1", started=100.0, ended=160.0, attempt=2).directory))
    for number, (started, ended) in enumerate([(100.0, 110.0), (140.0, 160.0)], 1):
        files = paths.attempt(number)
        files.root.mkdir(parents=True)
        files.record.write_text(
            json.dumps({"attempt": number, "started": started, "ended": ended, "exit_code": 0})
        )
    assert re.search(r"^Took: +1 min 00 s, 30 s of running$", call("show", "j1")[1], re.MULTILINE)


def test_a_job_that_is_not_there_names_the_nearest(add_job: AddJob, call: Call) -> None:
    add_job("j1", name="train-digits")
    code, out, err = call("show", "trian-digits")
    assert (code, out) == (2, "")
    assert err == "Error: There is no job 'trian-digits'; did you mean 'train-digits'?\n"
