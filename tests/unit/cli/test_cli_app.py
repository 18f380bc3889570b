from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from jupyter_unattended.cli import app
from jupyter_unattended.errors import BackendError
from jupyter_unattended.jobs.store import Row

Call = Callable[..., tuple[int, str, str]]


def test_every_command_has_help_with_an_example(call: Call) -> None:
    context = click.Context(app.cli)
    names = app.cli.list_commands(context)
    assert set(names) >= {
        *("convert", "check", "submit", "list", "show", "logs", "wait", "pause", "resume"),
        *("cancel", "rerun", "clone", "move", "delete", "backends", "doctor"),
    }
    for name in names:
        code, out, err = call(name, "--help")
        assert (code, err) == (0, "")
        assert f"Usage: jupyter unattended {name}" in out
        assert "Examples:\n    jupyter unattended" in out


def test_an_unknown_command_names_the_nearest(call: Call) -> None:
    code, out, err = call("lst")
    assert (code, out) == (2, "")
    assert err.splitlines()[0].startswith("Error: There is no command 'lst'. Did you mean list?")


def test_a_notebook_in_place_of_a_command_is_a_submit(call: Call) -> None:
    assert "Did you mean submit?" in call("train.ipynb")[2]


def test_a_usage_error_is_one_line_and_exit_code_2(call: Call) -> None:
    code, out, err = call("list", "--limit", "many")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(
        "Error: Invalid value for '-n' / '--limit': 'many' is not a whole number."
    )
    assert "'-n' / '--limit': 0 is less than 1." in call("list", "--limit", "0")[2]
    assert "'N': 2000 is more than 1000." in call("priority", "train", "2000")[2]


def test_an_unknown_job_is_one_line_and_exit_code_2(call: Call) -> None:
    code, out, err = call("show", "no\nsuch")
    assert (code, out, err) == (2, "", "Error: There is no job 'no\\nsuch'.\n")


def _raising(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("list", callback=fail)


def _replace_list(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    command = _raising(error)
    monkeypatch.setattr(app.cli, "get_command", lambda _ctx, _name: command)


def test_an_error_on_purpose_gives_its_own_exit_code(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    _replace_list(monkeypatch, BackendError("sbatch said no"))
    assert call("list") == (4, "", "Error: sbatch said no.\n")


def test_interrupted_is_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    _replace_list(monkeypatch, KeyboardInterrupt())
    assert call("list")[0] == 130


def test_a_bug_is_one_line_and_a_file_with_the_traceback(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _replace_list(monkeypatch, ZeroDivisionError("a\nb"))
    code, out, err = call("list")
    assert (code, out) == (70, "")
    assert err.count("\n") == 1
    report = next(tmp_path.glob("jupyter-unattended-error-*.txt"))
    assert str(report) in err
    assert "Traceback" in report.read_text()
    assert "Traceback" not in err


def test_a_reader_that_went_away_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _replace_list(monkeypatch, BrokenPipeError())
    saved = os.dup(1)
    try:
        assert app.run(["list"]) == 141
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    assert capfd.readouterr().err == ""


def test_completion_offers_jobs_and_states_by_name(
    add_job: Callable[..., object], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job("20260101-train", name="train")
    for words, index, expected in [
        ("jupyter-unattended show tr", 2, ["train"]),
        ("jupyter-unattended wait 2026", 2, ["20260101-train"]),
        ("jupyter-unattended submit x.ipynb --backend lo", 4, ["local"]),
        ("jupyter-unattended pa", 1, ["pause"]),
    ]:
        monkeypatch.setenv("_JUPYTER_UNATTENDED_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(index))
        _, out, _ = call()
        assert [line.partition(",")[2] for line in out.splitlines()] == expected


def test_without_a_command_it_shows_the_help(call: Call) -> None:
    code, out, err = call()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: jupyter unattended")
    assert "\nRunning:\n  submit" in err
    assert "Error" not in err


def test_what_would_be_lost_is_not_deleted_where_nobody_can_be_asked(
    add_job: Callable[..., Row], call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    directory = Path(add_job("j1").directory)
    with (tmp_path / "in").open("w+") as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        code, _, err = call("delete", "j1")
    assert code == 2
    assert "--yes deletes j1 (j1)" in err
    assert directory.exists()
    assert call("delete", "j1", "--yes")[0] == 0
    assert not directory.exists()


def test_the_log_of_an_attempt_that_never_was(add_job: Callable[..., Row], call: Call) -> None:
    add_job("j1", attempt=1)
    code, out, err = call("logs", "j1", "--attempt", "3")
    assert (code, out) == (2, "")
    assert err == "Error: j1 (j1) has had 1 attempt; there is no attempt 3.\n"


def test_the_overview_imports_no_command(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *_: object) -> None:
        raise AssertionError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    code, out, _ = call("--help")
    assert code == 0
    assert "  submit  Submit a notebook as a job and print the job's id.\n" in out
