from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.errors import ArgumentsError, SpecError, UnattendedError
from jupyter_unattended.request import looks_secret, parse


def _notebook(path: Path, parameters: str | None = None) -> Path:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {} if parameters is None else {"tags": ["parameters"]},
        "outputs": [],
        "source": parameters or "print(1)",
    }
    content = {
        "cells": [cell],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    path.write_text(json.dumps(content))
    return path


def _parse(*words: str) -> Any:
    return parse(words, notebook_argument=True)


def test_options_parameters_and_what_is_passed_on_are_told_apart() -> None:
    request = _parse(
        *("train.ipynb", "--cpus", "4", "--epochs", "30", "rate=0.1", "--gpus=1", "--no-shuffle"),
        *("--time-limit", "1h", "--", "--cpus", "--x=1", "--", "data.csv"),
    )
    assert request.notebook == "train.ipynb"
    assert request.fields == {"cpus": "4", "gpus": "1", "time_limit": "1h"}
    assert request.words == ["--epochs", "30", "rate=0.1", "--no-shuffle"]
    assert request.passed == ["--cpus", "--x=1", "--", "data.csv"]


def test_only_what_was_given_is_a_field() -> None:
    assert _parse("train.ipynb").fields == {}


def test_flags_and_their_opposites() -> None:
    assert _parse("n.ipynb", "--snapshot", "--no-checkpoints").fields == {
        "snapshot": True,
        "checkpoints": False,
    }


def test_values_are_checked_by_the_model(tmp_path: Path) -> None:
    notebook = str(_notebook(tmp_path / "n.ipynb"))
    spec = _parse(notebook, "--memory", "4Gi", "--time-limit", "1h30m", "--cpus", ".5").spec()
    assert (spec.memory, spec.time_limit, spec.cpus) == (4 * 2**30, 5400, 0.5)
    with pytest.raises(SpecError, match=r"^memory: 'lots' is not an amount of memory"):
        _parse(notebook, "--memory", "lots").spec()


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "here")
    monkeypatch.setenv("HF_TOKEN", "hush")
    monkeypatch.delenv("MISSING", raising=False)
    request = _parse(
        *("n.ipynb", "-e", "A=1=2", "--env", "FROM_HERE", "-eEMPTY=", "-e", "HF_TOKEN"),
        *("--secret-env", "PLAIN=x"),
    )
    assert request.fields["env"] == {"A": "1=2", "FROM_HERE": "here", "EMPTY": ""}
    assert request.secrets == {"HF_TOKEN": "hush", "PLAIN": "x"}
    assert request.fields["secret_env"] == ["HF_TOKEN", "PLAIN"]
    assert "hush" not in repr(request.fields)
    with pytest.raises(SpecError, match="no environment variable MISSING here"):
        _parse("n.ipynb", "-e", "MISSING")


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("HF_TOKEN", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("apikey", True),
        ("DB_PASSWORD", True),
        ("TOKENIZERS_PARALLELISM", False),
        ("MAX_TOKENS", False),
        ("KEYBOARD", False),
        ("OMP_NUM_THREADS", False),
    ],
)
def test_names_that_look_secret(name: str, secret: bool) -> None:
    assert looks_secret(name) is secret


def test_paths_are_made_absolute_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _notebook(tmp_path / "n.ipynb")
    monkeypatch.chdir(tmp_path)
    spec = _parse("n.ipynb", "--requirements", "req.txt").spec()
    assert spec.notebook == tmp_path / "n.ipynb"
    assert spec.requirements == tmp_path / "req.txt"


def test_an_unknown_option_before_the_notebook_names_the_nearest() -> None:
    with pytest.raises(UnattendedError, match=r"no option --cpu \(did you mean --cpus\?\)"):
        _parse("--cpu", "4", "n.ipynb")


def test_an_option_misspelt_is_not_taken_for_a_parameter(tmp_path: Path) -> None:
    notebook = str(_notebook(tmp_path / "n.ipynb", "epochs = 3"))
    with pytest.raises(ArgumentsError, match=r"did you mean --memory\?.*it has: epochs"):
        _parse(notebook, "--memry", "4G").spec()


def test_parameters_become_arguments(tmp_path: Path) -> None:
    notebook = str(_notebook(tmp_path / "n.ipynb", "epochs = 3\nmemry = 1"))
    spec = _parse(notebook, "--epochs", "5", "--memry=2", "--", "x").spec()
    assert spec.arguments == ["--epochs", "5", "--memry=2", "--", "x"]


def test_without_a_parameters_cell_words_go_after_the_dashes(tmp_path: Path) -> None:
    notebook = str(_notebook(tmp_path / "n.ipynb"))
    with pytest.raises(ArgumentsError, match="written after --"):
        _parse(notebook, "--lr", "0.1").spec()
    assert _parse(notebook, "--", "--lr", "0.1").spec().arguments == ["--lr", "0.1"]


def test_a_clone_merges_parameters_or_replaces_all_arguments(tmp_path: Path) -> None:
    notebook = _notebook(tmp_path / "n.ipynb", "epochs = 3\nrate = 0.1")
    assert parse(["--epochs", "5", "--gpus", "1"]).changes(notebook) == {
        "gpus": "1",
        "parameters": {"epochs": 5},
    }
    changes = parse(["--", "--epochs", "5"]).changes(notebook)
    assert changes == {"arguments": ["--", "--epochs", "5"]}
    with pytest.raises(ArgumentsError, match="epochz"):
        parse(["--epochz", "5"]).changes(notebook)


def test_a_magic_names_no_notebook_or_one_by_an_option() -> None:
    assert parse(["--epochs", "3"]).notebook is None
    assert parse(["--notebook", "n.ipynb", "epochs=3"]).notebook == "n.ipynb"
    with pytest.raises(SpecError, match="No notebook"):
        parse([]).spec()


def test_the_words_of_click_become_our_errors() -> None:
    with pytest.raises(SpecError, match="requires an argument"):
        parse(["--cpus"])
    with pytest.raises(SpecError, match="Missing argument 'NOTEBOOK'"):
        _parse()


def test_an_unknown_backend_names_those_there_are() -> None:
    with pytest.raises(SpecError, match="local"):
        _parse("n.ipynb", "--backend", "lokal")
