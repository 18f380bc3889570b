from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended import axes
from jupyter_unattended.errors import SpecError
from jupyter_unattended.spec import JobSpec


def _spec(**fields: Any) -> JobSpec:
    return JobSpec(notebook=Path("/w/train.ipynb"), **fields)


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("lr=0.1,0.2", ("0.1", "0.2")),
        ("lr= a , b", ("a", "b")),
        ("lr=one", ("one",)),
        ("--lr=1..3", ("1", "2", "3")),
        ("lr=-1..1", ("-1", "0", "1")),
        ('lr=["a,b", 2, [3], true]', ("a,b", "2", "[3]", "true")),
        ("lr=a=1,b=2", ("a=1", "b=2")),
    ],
)
def test_values_as_people_write_them(written: str, values: tuple[str, ...]) -> None:
    assert axes.read([written], []) == [axes.Axis("lr", values, "argument")]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("lr", "--sweep .*: write NAME=VALUE,VALUE"),
        ("=1", "--sweep .*: write NAME=VALUE,VALUE"),
        ("lr=", "--sweep .*: write NAME=VALUE,VALUE"),
        ("lr=1,,2", "nothing between two commas"),
        ("lr=[1", "is not a list in JSON"),
        ("lr=[]", "there is no value"),
        ("lr=3..1", "there is no value"),
        ("lr=1,1", "a value is given twice"),
        ("lr=1..999999999", "more than 10000 values"),
    ],
)
def test_what_cannot_be_understood(written: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        axes.read([written], [])


def test_every_combination_with_the_last_changing_fastest() -> None:
    over = axes.read(["learning-rate=0.1,0.2"], ["MODE=x,y"])
    runs = axes.expand(_spec(arguments=["--epochs", "3"], env={"A": "1"}), over)
    assert [(run.arguments, run.env, run.name) for run in runs] == [
        (
            [f"--learning-rate={rate}", "--epochs", "3"],
            {"A": "1", "MODE": mode},
            f"train learning-rate={rate} MODE={mode}",
        )
        for rate in ("0.1", "0.2")
        for mode in ("x", "y")
    ]


def test_values_in_python_keep_their_types() -> None:
    over = axes.given({"layers": [[64], [64, 64]], "seed": range(2)}, {"N": [1]})
    runs = axes.expand(_spec(parameters={"epochs": 3}, name="mine"), over)
    assert [run.parameters for run in runs] == [
        {"epochs": 3, "layers": layers, "seed": seed}
        for layers in ([64], [64, 64])
        for seed in (0, 1)
    ]
    assert runs[0].env == {"N": "1"}
    assert runs[0].name == "mine layers=[64] seed=0 N=1"


def test_numbers_of_numpy_become_pythons() -> None:
    numpy = pytest.importorskip("numpy")
    (axis,) = axes.given({"rate": numpy.array([0.5, 1.0])}, {})
    assert axis.values == (0.5, 1.0)
    assert {type(value) for value in axis.values} == {float}


def test_nothing_to_sweep_over_is_one_run() -> None:
    spec = _spec()
    assert axes.expand(spec, []) == [spec]


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        ({"arguments": ["--lr", "1"]}, axes.read(["lr=1,2"], [])),
        ({"arguments": ["lr=1"]}, axes.read(["lr=1,2"], [])),
        ({"arguments": ["--no-lr"]}, axes.read(["lr=true,false"], [])),
        ({"arguments": ["--learning-rate=1"]}, axes.read(["learning_rate=1,2"], [])),
        ({"parameters": {"lr": 1}}, axes.given({"lr": [1, 2]}, {})),
        ({"env": {"LR": "1"}}, axes.read([], ["LR=1,2"])),
        ({"secret_env": ["LR"]}, axes.read([], ["LR=1,2"])),
        ({}, axes.read(["lr=1", "lr=2"], [])),
    ],
)
def test_a_name_that_two_say_is_refused(fields: dict[str, Any], over: list[axes.Axis]) -> None:
    with pytest.raises(SpecError, match="is given twice; leave one of them out"):
        axes.expand(_spec(**fields), over)


def test_too_many_runs_are_refused() -> None:
    with pytest.raises(SpecError, match="these are 40000 runs; one sweep has at most 10000"):
        axes.expand(_spec(), axes.given({"a": range(200), "b": range(200)}, {}))


@pytest.mark.parametrize("values", ["abc", b"abc", 3, []])
def test_what_is_no_collection_of_values(values: Any) -> None:
    with pytest.raises(SpecError, match="sweep: lr"):
        axes.given({"lr": values}, {})


def test_long_and_strange_values_make_names_of_one_short_line() -> None:
    (run,) = axes.expand(_spec(), axes.given({"text": ["a\nb" + "c" * 300]}, {}))
    assert run.name is not None
    assert run.name.startswith("train text=a b")
    assert len(run.name) < 60
