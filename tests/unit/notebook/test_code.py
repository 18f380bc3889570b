"""Cells as Python, with their magics understood."""

from __future__ import annotations

import ast
import warnings

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_unattended.notebook.code import read_cell, transform


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("x = 1", "x = 1"),
        ("\n\n%%time\nx = 1\n!ls {x}", "x = 1\npass"),
        ("%time x = f(1)", "x = f(1)"),
        ("%timeit -n 10 -r 3 f(1)", "f(1)"),
        ("r = %timeit -o f()", "r = f()"),
        ("%%timeit s = 2\nf(s)", "s = 2\nf(s)"),
        ("%%capture out --no-stderr\nprint(1)", "print(1)\nout = None"),
        ("files = !ls *.csv", "files = None"),
        ("here = %pwd", "here = None"),
        ("%%bash --out text\necho 1", "text = None"),
        ("%%html\n<b>", "pass"),
        ("%%cython\ndef f(): pass", "from __any_names__ import *"),
        ("%run other.py", "from __any_names__ import *"),
        ("await f()", "await f()"),
        ("f?", "pass"),
    ],
)
def test_understood(source: str, python: str) -> None:
    code = read_cell(source)
    assert code.tree is not None
    assert ast.unparse(code.tree) == python
    assert not code.error


def test_magics_are_listed_with_their_lines() -> None:
    code = read_cell("\n%%time\nif x:\n    !ls -l\n%cd ..\n")
    found = [(m.kind, m.name, m.text, m.line, m.nested) for m in code.magics]
    assert found == [
        ("cell", "time", "", 2, False),
        ("shell", "!", "ls -l", 4, True),
        ("line", "cd", "..", 5, False),
    ]


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("x = 1\ny = = 2", "invalid syntax", 2),
        ("\n\nx = = 1", "invalid syntax", 3),
        ("\n%%time\nx = 1\nfor\n", "invalid syntax", 4),
        ("return 1", "'return' outside function", 1),
        ("x = (", "'(' was never closed", 1),
        ("a\0b", "null bytes", None),
    ],
)
def test_errors(source: str, message: str, line: int | None) -> None:
    code = read_cell(source)
    assert message in code.error
    assert code.error_line == line


def test_warnings_of_the_compiler_stay_out(recwarn: pytest.WarningsRecorder) -> None:
    assert not read_cell("x = '\\d'\nx is 1").error
    assert not recwarn.list


def test_transform_keeps_line_numbers() -> None:
    assert transform("\n\nx = 1\n%cd a\ny").splitlines()[2::2] == ["x = 1", "y"]


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "\n\nx = 1\n",
        "def f(a, b):\n    return a % b\n\n\nf(1, 2) != 3",
        "print('100 %', \"%d\" % 3)  # how many! really",
        "x = (1\n     % 2)",
        "await asyncio.sleep(1)",
        "x: int = 3  # a comment",
        "s = '''\ntext\n'''",
        "if x:\n\ty = 1",
        # ... and what IPython is asked about:
        "  x = 1\n  y = 2",
        "%matplotlib inline",
        "  \n!ls",
        "files = !ls",
        "n = %timeit -o f()",
        "x?",
        ">>> x = 1",
        "In [1]: x = 1",
        ",f a b",
        "s = 'is it?'",
        "x = 1\r\ny = 2\r\n",
    ],
)
def test_plain_python_is_left_as_ipython_leaves_it(source: str) -> None:
    blank = len(source) - len(source.lstrip("\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = TransformerManager().transform_cell(source[blank:])  # type: ignore[no-untyped-call]
    lines = [line for line in transform(source).splitlines() if line.strip()]
    assert lines == [line for line in expected.splitlines() if line.strip()]
