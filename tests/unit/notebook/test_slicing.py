"""Backward slices over small notebooks."""

import pytest

from jupyter_unattended.notebook.code import read_cell
from jupyter_unattended.notebook.slicing import backward_slice


def sliced(*sources: str) -> tuple[list[int], list[str]]:
    cells = [read_cell(source, index) for index, source in enumerate(sources)]
    found = backward_slice(cells[:-1], cells[-1])
    return [cell.index for cell in found.cells], found.missing


@pytest.mark.parametrize(
    ("sources", "taken", "missing"),
    [
        (["x = 1", "y = 2", "print(x)"], [0], []),
        (["x = 1", "x = 2", "x"], [1], []),
        (["x = 1", "if True:\n    x = 2", "x"], [0, 1], []),
        (["x = 1", "x += 1", "x"], [0, 1], []),
        (["x = 1", "x, y = 2, 3", "x"], [1], []),
        (["x = [1]", "x.append(2)", "len(x)"], [0, 1], []),
        (["x = {}", "x['a'] = 1", "x"], [0, 1], []),
        (["x = [3, 1]", "import random", "random.shuffle(x)", "x"], [0, 1, 2], []),
        (["x = [3, 1]", "print(x)", "x"], [0], []),
        (["import numpy as np", "import os", "np.ones(3)"], [0], []),
        (["y = 2", "def f(a):\n    return a + y", "f(1)"], [0, 1], []),
        (["def f():\n    return late()", "def late():\n    return 1", "f()"], [0], ["late"]),
        (["k = 1", "class A:\n    size = k", "A()"], [0, 1], []),
        (["a = [i for i in range(3)]", "i"], [], ["i"]),
        (["n = 3", "a = [n * i for i in range(n)]", "a"], [0, 1], []),
        (["i = 3", "a = [i for i in range(i)]", "a"], [0, 1], []),
        (["from math import *", "sqrt(4)"], [0], []),
        (["x = 1", "def f():\n    x = 2\n    return x", "f()"], [1], []),
        (["import asyncio", "async def g():\n    return 1", "r = await g()", "r"], [1, 2], []),
        (["%matplotlib inline", "x = 1", "x"], [0, 1], []),
        (["%load_ext jupyter_unattended", "x = 1", "x"], [1], []),
        (["%time x = 1", "x"], [0], []),
        (["%%capture out\nx = 1", "out, x"], [0], []),
        (["this is not Python", "x = 1", "x"], [1], []),
        (["for i in range(3):\n    total = i", "total"], [0], []),
        (["import sys\nsys.path.insert(0, 'lib')", "import mine", "mine.f()"], [0, 1], []),
        (["x = 1"], [], []),
    ],
)
def test_slice(sources: list[str], taken: list[int], missing: list[str]) -> None:
    assert sliced(*sources) == (taken, missing)
