"""Reading the cell tagged ``parameters`` and writing the one that follows it."""

from __future__ import annotations

import math

import pytest

from jupyter_unattended.runtime import parameters
from jupyter_unattended.runtime.parameters import Parameter, ParametersError, read, render


def only(source: str) -> Parameter:
    (parameter,) = read(source)
    return parameter


@pytest.mark.parametrize(
    ("source", "kind", "default"),
    [
        ("x = True", "bool", True),
        ("x = 3", "int", 3),
        ("x = -3", "int", -3),
        ("x = 1_000 * 60", "int", 60_000),
        ("x = 2**20", "int", 2**20),
        ("x = 1e-3", "float", 0.001),
        ("x = float('-inf')", "float", -math.inf),
        ("x = 'é\\n'", "str", "é\n"),
        ("x = None", "none", None),
        ("x = [1, [2]]", "list", [1, [2]]),
        ("x = {'a': [1]}", "dict", {"a": [1]}),
        ("x = (1, 2)", "list", [1, 2]),
        ("x: float = 1", "float", 1),
        ("x: 'int' = 1", "int", 1),
        ("x: np.ndarray = None", "none", None),
    ],
)
def test_kind_and_default(source: str, kind: str, default: object) -> None:
    parameter = only(source)
    assert (parameter.kind, parameter.default) == (kind, default)
    assert type(parameter.default) is type(default)
    assert parameter.has_default
    assert not parameter.required


@pytest.mark.parametrize(
    ("annotation", "kind", "nullable", "items", "choices"),
    [
        ("Optional[int]", "int", True, None, None),
        ("int | None", "int", True, None, None),
        ("'int | None'", "int", True, None, None),
        ("t.Union[None, str]", "str", True, None, None),
        ("int | float", "float", False, None, None),
        ("int | str", "any", False, None, None),
        ("str | Path", "str", False, None, None),
        ("Literal['a', 'b']", "str", False, None, ("a", "b")),
        ("typing.Literal[1, 2, None]", "int", True, None, (1, 2)),
        ("Literal[1, 'a']", "any", False, None, (1, "a")),
        ("list[int]", "list", False, "int", None),
        ("Sequence[float]", "list", False, "float", None),
        ("tuple[int, ...]", "list", False, "int", None),
        ("tuple[int, str]", "list", False, None, None),
        ("dict[str, float]", "dict", False, "float", None),
        ("Dict", "dict", False, None, None),
        ("Annotated[int, 'how many']", "int", False, None, None),
        ("Final[int]", "int", False, None, None),
        ("Callable[[int], str]", "any", False, None, None),
        ("1 +", None, None, None, None),
    ],
)
def test_annotations(
    annotation: str, kind: str | None, nullable: bool, items: str | None, choices: object
) -> None:
    if kind is None:
        assert read(f"x: {annotation}") == []
        return
    parameter = only(f"x: {annotation}")
    assert parameter.required
    got = (parameter.kind, parameter.nullable, parameter.items, parameter.choices)
    assert got == (kind, nullable, items, choices)


def test_enumerations_of_the_cell_are_choices_by_name() -> None:
    found = {
        p.name: p
        for p in read(
            "import enum\n"
            "class Colour(enum.Enum):\n"
            "    '''Colours.'''\n"
            "    RED = 'red'\n"
            "    BLUE = enum.auto()\n"
            "    def shown(self): return self.name\n"
            "by_default = Colour.RED\n"
            "annotated: Colour | None = None\n"
        )
    }
    assert found["by_default"].choices == ("RED", "BLUE")
    assert found["by_default"].default == "RED"
    assert found["annotated"].choices == ("RED", "BLUE")
    assert found["annotated"].nullable
    assert found["by_default"].to_json_schema()["enum"] == ["RED", "BLUE"]


def test_comments_become_descriptions() -> None:
    found = {
        p.name: p.description
        for p in read(
            "# heading\n"
            "epochs = 3  # how often, e.g. '#1'\n"
            "text = 'no # comment'\n"
            "sizes = [  # of the layers\n    1,\n]\n"
            "rate = 0.1  # type: float  learning rate\n"
            "plain = 1  # noqa: E501\n"
            "both = 1  # a thing  # noqa\n"
            "noted: Annotated[int, 'how many'] = 1\n"
            "typed = 1  # type: ignore\n"
        )
    }
    assert found == {
        "epochs": "how often, e.g. '#1'",
        "text": "",
        "sizes": "of the layers",
        "rate": "learning rate",
        "plain": "",
        "both": "a thing",
        "noted": "how many",
        "typed": "",
    }


def test_type_comment_is_an_annotation() -> None:
    assert only("rate = 1  # type: float  learning rate").kind == "float"


def test_computed_defaults_are_not_run() -> None:
    parameter = only("n: int = __import__('os').getpid()")
    assert parameter.has_default
    assert parameter.default is None
    assert parameter.default_source == "__import__('os').getpid()"
    assert "default" not in parameter.to_json_schema()
    assert only("n = 9**9**9**9").default_source
    assert only("n = 1 / 0").default_source


def test_every_top_level_assignment_counts_once() -> None:
    assert [
        p.name for p in read("a = b = 1\nc, d = 2, 'x'\na = 3\nif a:\n    e = 1\nd += 'y'")
    ] == [
        "a",
        "b",
        "c",
        "d",
    ]
    assert read("a = 1\na = 3")[0].default == 3
    joined = only("a: int\na = 3")
    assert (joined.kind, joined.default, joined.annotation) == ("int", 3, "int")


def test_cells_with_magics_and_broken_cells() -> None:
    assert only("%matplotlib inline\n!ls *.csv\nx = 1").default == 1
    assert only("%%time\nx = 1").default == 1
    assert read("x = = 1") == []
    assert read("\0") == []


def cell(source: str | list[str], *tags: str, kind: str = "code") -> dict[str, object]:
    return {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": source}


def test_find_takes_the_first_tagged_code_cell() -> None:
    notebook = {
        "cells": [
            cell("# text", "parameters", kind="markdown"),
            cell("a = 0"),
            cell(["b = 1\n", "c = 2"], "x", "parameters"),
            cell("d = 3", "parameters"),
        ]
    }
    index, found = parameters.find(notebook)
    assert index == 2
    assert [p.name for p in found] == ["b", "c"]
    assert parameters.find({"cells": [cell("a = 1")]}) == (None, [])
    assert parameters.find({}) == (None, [])


def test_other_languages_have_a_cell_but_no_parameters() -> None:
    notebook = {
        "metadata": {"kernelspec": {"name": "ir", "language": "R"}},
        "cells": [cell("x = 1", "parameters")],
    }
    assert parameters.find(notebook) == (0, [])
    assert parameters.candidates(notebook) == []


def test_candidates_are_constants_of_the_first_cell_that_does_more_than_import() -> None:
    notebook = {
        "cells": [
            cell("# Title", kind="markdown"),
            cell("import os\n%matplotlib inline"),
            cell("epochs = 3  # how often\n_private = 1\nhome = os.getcwd()\nrate = 0.1"),
            cell("late = 1"),
        ]
    }
    assert [(p.name, p.default) for p in parameters.candidates(notebook)] == [
        ("epochs", 3),
        ("rate", 0.1),
    ]
    assert parameters.candidates({"cells": [cell("import os"), cell("print(1)")]}) == []


NASTY = [
    None, True, False, 0, -1, 10**40, 0.1, -0.0, 1e300, 5e-324, math.inf, -math.inf, math.nan,
    "", "it's", 'say "x"', "'\"", "a\nb\r\n\tc", "\\", "\\n", "naïve 日本 🎉", "\u2028\x00\x7f",
    "{}", "#",
    "\ud800", [], [1, [2, ["x", None]]], {}, {"a": {"b": [1.5, math.nan]}, "é'": "\"'"},
    {1: (2, 3)},
]  # fmt: skip


@pytest.mark.parametrize("value", NASTY, ids=repr)
def test_rendered_cells_give_back_every_value(value: object) -> None:
    scope: dict[str, object] = {}
    exec(render({"x": value}), scope)
    assert repr(scope["x"]) == repr(value)


def test_rendered_cells_make_what_the_notebook_wants() -> None:
    source = (
        "import enum, pathlib\n"
        "class Colour(enum.Enum):\n    RED = 1\n    BLUE = 2\n"
        "colour = Colour.RED\n"
        "folder = pathlib.Path('data')\n"
        "shape = (1, 2)\n"
        "names: set[str] = {'a'}\n"
    )
    found = read(source)
    values = parameters.parse(
        ["--colour=BLUE", "--folder=a'b", "--shape=[3]", "--names=b,a"], found
    )
    scope: dict[str, object] = {}
    exec(source + render(values, found), scope)
    assert scope["colour"].name == "BLUE"  # type: ignore[attr-defined]
    assert scope["folder"].parts == ("a'b",)  # type: ignore[attr-defined]
    assert scope["shape"] == (3,)
    assert scope["names"] == {"a", "b"}


@pytest.mark.parametrize("name", ["x; import os", "class", "", "a b"])
def test_only_names_are_rendered(name: str) -> None:
    with pytest.raises(ParametersError, match="not a name in Python"):
        render({name: 1})


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ParametersError, match="x: a object cannot be written"):
        render({"x": [object()]})


def test_inject_puts_values_after_the_tagged_cell() -> None:
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "cells": [cell("a = 1", "parameters"), cell("a = 5", "injected-parameters"), cell("a")],
    }
    done = parameters.inject(notebook, {"a": 2})
    assert [c["source"] for c in done["cells"]] == ["a = 1", "# Parameters\na = 2", "a"]
    assert done["cells"][1]["id"]
    assert len(notebook["cells"]) == 3
    assert notebook["cells"][1]["source"] == "a = 5"
    again = parameters.inject(done, {"a": 3})
    assert [c["source"] for c in again["cells"]] == ["a = 1", "# Parameters\na = 3", "a"]


def test_inject_leaves_notebooks_without_the_tag_alone() -> None:
    notebook = {"cells": [cell("a = 1")]}
    assert parameters.inject(notebook, {"a": 2})["cells"] == notebook["cells"]


def test_schema_of_a_notebook() -> None:
    schema = parameters.to_json_schema(
        read(
            "epochs: int = 3  # how often\n"
            "rate: float | None = None\n"
            "sizes: list[int] = [1]\n"
            "extra: dict[str, float]\n"
            "mode: Literal['a', 'b'] = 'a'\n"
            "unknown = None\n"
            "limit = float('inf')\n"
        )
    )
    assert schema["required"] == ["extra"]
    assert schema["properties"] == {
        "epochs": {"title": "epochs", "description": "how often", "type": "integer", "default": 3},
        "rate": {"title": "rate", "type": ["number", "null"], "default": None},
        "sizes": {
            "title": "sizes",
            "type": "array",
            "items": {"type": "integer"},
            "default": [1],
        },
        "extra": {
            "title": "extra",
            "type": "object",
            "additionalProperties": {"type": "number"},
        },
        "mode": {"title": "mode", "type": "string", "enum": ["a", "b"], "default": "a"},
        "unknown": {"title": "unknown", "type": ["string", "null"], "default": None},
        "limit": {"title": "limit", "type": "number"},
    }
