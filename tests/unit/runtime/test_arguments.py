"""Arguments as people write them, and back."""

from __future__ import annotations

import math
import random

import pytest

from jupyter_unattended.runtime.parameters import (
    ParametersError,
    convert,
    others,
    parse,
    read,
    to_arguments,
)

PARAMETERS = read(
    "import enum\n"
    "from typing import Literal, Optional\n"
    "class Colour(enum.Enum):\n    RED = 'r'\n    BLUE = 2\n"
    "number_of_epochs = 10\n"
    "learning_rate: float = 1e-3\n"
    "flag = False\n"
    "maybe: Optional[bool] = None\n"
    "name = 'x'\n"
    "title: str | None = None\n"
    "limit: int | None = None\n"
    "layers: list[int] = [64]\n"
    "words: list[str] = []\n"
    "things = [1]\n"
    "weights: dict[str, float] = {}\n"
    "by_rank: dict[int, str] = {}\n"
    "mode: Literal['fast', 'slow'] = 'fast'\n"
    "size: Literal[1, 2, 4] = 1\n"
    "colour: Colour = Colour.RED\n"
    "free = None\n"
    "anything = object()\n"
)


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["--number-of-epochs=30"], {"number_of_epochs": 30}),
        (["--number_of_epochs", "30"], {"number_of_epochs": 30}),
        (["number-of-epochs=3"], {"number_of_epochs": 3}),
        (["number_of_epochs=3", "--number-of-epochs=4"], {"number_of_epochs": 4}),
        (["--number-of-epochs", "-5"], {"number_of_epochs": -5}),
        (["--number-of-epochs=1e6"], {"number_of_epochs": 1_000_000}),
        (["--number-of-epochs=1_000"], {"number_of_epochs": 1000}),
        (["--number-of-epochs=0x10"], {"number_of_epochs": 16}),
        (["--learning-rate", "-1e-3"], {"learning_rate": -0.001}),
        (["--learning-rate=2"], {"learning_rate": 2.0}),
        (["--learning-rate", "-inf"], {"learning_rate": -math.inf}),
        (["--flag"], {"flag": True}),
        (["--no-flag"], {"flag": False}),
        (["--flag", "false", "--name", "y"], {"flag": False, "name": "y"}),
        (["--flag=Yes"], {"flag": True}),
        (["--flag", "name=y"], {"flag": True, "name": "y"}),
        (["--maybe", "None"], {"maybe": None}),
        (["--name="], {"name": ""}),
        (["--name", ""], {"name": ""}),
        (["--name=a=b"], {"name": "a=b"}),
        (["--name=None"], {"name": "None"}),
        (["--name", "-rf"], {"name": "-rf"}),
        (["--name=--x"], {"name": "--x"}),
        (["--title=None"], {"title": None}),
        (["--title=12"], {"title": "12"}),
        (["--limit=null"], {"limit": None}),
        (["--layers=[64, 32]"], {"layers": [64, 32]}),
        (["--layers", "64,32"], {"layers": [64, 32]}),
        (["--layers", "(64, 32)"], {"layers": [64, 32]}),
        (["--layers", "64"], {"layers": [64]}),
        (["--layers="], {"layers": []}),
        (["--words=a,b c"], {"words": ["a", "b c"]}),
        (["--words=1,2"], {"words": ["1", "2"]}),
        (["--words=['a', \"b\"]"], {"words": ["a", "b"]}),
        (['--words="a,b"'], {"words": ["a,b"]}),
        (["--things=1,x,2.5"], {"things": [1, "x", 2.5]}),
        (['--weights={"a": 1}'], {"weights": {"a": 1.0}}),
        (["--weights={'a': NaN}"], None),
        (['--by-rank={"1": "x"}'], {"by_rank": {1: "x"}}),
        (["--by-rank={1: 'x'}"], {"by_rank": {1: "x"}}),
        (["--mode=slow"], {"mode": "slow"}),
        (["--size=4"], {"size": 4}),
        (["--colour=BLUE"], {"colour": "BLUE"}),
        (["--colour=2"], {"colour": "BLUE"}),
        (["--free=1.5"], {"free": 1.5}),
        (["--free=abc"], {"free": "abc"}),
        (['--free="12"'], {"free": "12"}),
        (["--anything=[1, {}]"], {"anything": [1, {}]}),
        (["--", "--flag"], {"flag": True}),
        (["--free=1", "--", "more", "--else", "a=b", "--flag"], {"free": 1, "flag": True}),
        (["--", "--mode=none"], None),
        ([], {}),
    ],
)
def test_parse(arguments: list[str], values: dict[str, object] | None) -> None:
    if values is None:
        with pytest.raises(ParametersError):
            parse(arguments, PARAMETERS)
        return
    parsed = parse(arguments, PARAMETERS)
    assert parsed == values
    assert [type(v) for v in parsed.values()] == [type(v) for v in values.values()]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "--number-of-epoch=1",
            "--number-of-epoch is no parameter of the notebook; did you mean number_of",
        ),
        ("--lr=1", r"--lr is no parameter.*\(known parameters: number_of_epochs, learning_"),
        ("--number-of-epochs=many", "number_of_epochs: 'many' is not a whole number$"),
        ("--number-of-epochs=1.5", "not a whole number"),
        ("--number-of-epochs=1e999999999", "not a whole number"),
        ("--number-of-epochs=", "'' is not a whole number"),
        ("--number-of-epochs", "--number-of-epochs needs a whole number: --number-of-epochs=VALUE"),
        ("--learning-rate=1,5", "learning_rate: '1,5' is not a number"),
        ("--flag=maybe", "flag: 'maybe' is not true or false"),
        ("--no-flag=1", "takes no value"),
        ("--no-name", "--no-name is no parameter"),
        ("--limit=x", "limit: 'x' is not a whole number or None"),
        ("--layers=[1,", r"layers: '\[1,' is not a list of values that are each a whole number; w"),
        ('--layers={"a": 1}', "is not a list"),
        ("--layers=1,x", "is not a list"),
        ("--weights=3", "is not a dictionary"),
        ("--mode=medium", "mode: 'medium' is not one of fast, slow"),
        ("--size=3", "size: '3' is not one of 1, 2, 4"),
        ("--colour=GREEN", "colour: 'GREEN' is not one of RED, BLUE"),
        ("-flag", "-flag: write --flag with two hyphens"),
        ("stray", "'stray' is not an argument; write --name=value"),
        ("=3", "is no parameter"),
        ("--name", "--name needs a text"),
    ],
)
def test_refused(argument: str, message: str) -> None:
    with pytest.raises(ParametersError, match=message) as refused:
        parse([argument], PARAMETERS)
    assert "\n" not in str(refused.value)


def test_a_value_that_looks_like_an_option_is_asked_about() -> None:
    with pytest.raises(ParametersError, match="begins with -- must be written so"):
        parse(["--name", "--flag"], PARAMETERS)


def test_long_values_are_shortened_in_errors() -> None:
    with pytest.raises(ParametersError) as refused:
        parse(["--layers=[" + "x" * 5000], PARAMETERS)
    assert len(str(refused.value)) < 300


def test_parameters_without_default_must_be_given() -> None:
    found = read("data: str\nn_jobs: int = 1\nseed: int")
    with pytest.raises(
        ParametersError, match="data, seed have no defaults and must be given: --data=VALUE --seed"
    ):
        parse([], found)
    assert parse(["--seed=1"], found, partial=True) == {"seed": 1}
    assert parse(["data=x", "--seed=1"], found) == {"data": "x", "seed": 1}


def test_a_notebook_without_parameters() -> None:
    assert parse([], []) == {}
    with pytest.raises(ParametersError, match="--x: the notebook has no parameters"):
        parse(["--x=1"], [])


def test_a_parameter_may_be_called_no_something() -> None:
    found = read("cache = True\nno_cache = True")
    values = {"cache": False, "no_cache": False}
    assert parse(to_arguments(values, found), found) == values
    assert parse(["--no-cache"], found) == {"no_cache": True}


def test_names_are_compared_as_python_does() -> None:
    found = read("größe = 1\nﬁt = 2")
    assert parse(["--gro\u0308ße=5"], found) == {"größe": 5}
    assert parse(["--fit=5"], found) == {found[1].name: 5}


def test_convert_takes_objects() -> None:
    class Scalar:
        def tolist(self) -> float:
            return 0.5

    given = {
        "number-of-epochs": "7",
        "learning_rate": 1,
        "flag": 1,
        "layers": (1, 2.0),
        "free": {"a": 1},
        "anything": Scalar(),
        "limit": None,
        "size": 2,
    }
    assert convert(given, PARAMETERS) == {
        "number_of_epochs": 7,
        "learning_rate": 1.0,
        "flag": True,
        "layers": [1, 2],
        "free": {"a": 1},
        "anything": 0.5,
        "limit": None,
        "size": 2,
    }


@pytest.mark.parametrize(
    "values",
    [{"number_of_epochs": 1.5}, {"number_of_epochs": None}, {"flag": 2}, {"layers": ["x"]},
     {"name": 3}, {"weights": [1]}, {"nothing": 1}, {"learning_rate": 10**400}, {"size": 3}],
    ids=repr,
)  # fmt: skip
def test_convert_refuses(values: dict[str, object]) -> None:
    with pytest.raises(ParametersError, match=next(iter(values))):
        convert(values, PARAMETERS)


def test_a_nul_character_cannot_be_an_argument() -> None:
    with pytest.raises(ParametersError, match="name: a text with a NUL"):
        to_arguments({"name": "a\0b"}, PARAMETERS)


def _text(random_: random.Random) -> str:
    alphabet = "aZ09 -=_\"'\\\n\t,[]{}():#$é日🎉"
    special = ["None", "null", "true", "1", "-1", "1e5", "nan", "--flag", "--", '"x"', "[1]", "{}"]
    if random_.random() < 0.3:
        return random_.choice(special)
    return "".join(random_.choices(alphabet, k=random_.randrange(8)))


def _anything(random_: random.Random, depth: int = 2) -> object:
    choice = random_.randrange(8 if depth else 6)
    if choice == 6:
        return [_anything(random_, depth - 1) for _ in range(random_.randrange(4))]
    if choice == 7:
        return {_text(random_): _anything(random_, depth - 1) for _ in range(random_.randrange(3))}
    if choice == 5:
        return random_.choice([math.inf, -math.inf, math.nan, -0.0, 5e-324])
    return [None, True, random_.randrange(-(10**20), 10**20), random_.gauss(0, 1e9),
            _text(random_)][choice]  # fmt: skip


def _values(random_: random.Random) -> dict[str, object]:
    number = random_.randrange(-9, 9)
    return {
        "number_of_epochs": number * 10 ** random_.randrange(30),
        "learning_rate": random_.choice([random_.gauss(0, 1), math.inf, math.nan, 1e-300]),
        "flag": random_.random() < 0.5,
        "maybe": random_.choice([True, False, None]),
        "name": _text(random_),
        "title": random_.choice([None, _text(random_)]),
        "limit": random_.choice([None, number]),
        "layers": [random_.randrange(99) for _ in range(random_.randrange(4))],
        "words": [_text(random_) for _ in range(random_.randrange(4))],
        "things": [_anything(random_) for _ in range(random_.randrange(4))],
        "weights": {_text(random_): random_.random() for _ in range(random_.randrange(3))},
        "by_rank": {number: _text(random_)},
        "mode": random_.choice(["fast", "slow"]),
        "size": random_.choice([1, 2, 4]),
        "colour": random_.choice(["RED", "BLUE"]),
        "free": _anything(random_),
        "anything": _anything(random_),
    }


@pytest.mark.parametrize("seed", range(300))
def test_to_arguments_is_the_inverse_of_parse(seed: int) -> None:
    values = _values(random.Random(seed))
    arguments = to_arguments(values, PARAMETERS)
    assert repr(parse(arguments, PARAMETERS)) == repr(values)


def test_what_is_left_to_the_notebook() -> None:
    arguments = ["--size=4", "--", "data.csv", "--flag", "--else", "--", "x"]
    assert others(arguments, PARAMETERS) == ["--", "data.csv", "--else", "--", "x"]
    assert others(["--size=4", "--", "--flag"], PARAMETERS) == []
