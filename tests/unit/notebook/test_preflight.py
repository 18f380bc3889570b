"""What preflight finds, and what it must not find."""

# ruff: noqa: E501 - cells are easier to read on one line

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from notebooks import MakeNotebook, tagged

from jupyter_unattended.errors import KernelError
from jupyter_unattended.notebook import preflight, requirements
from jupyter_unattended.notebook.kernels import Kernel
from jupyter_unattended.notebook.preflight import Finding
from jupyter_unattended.notebook.reader import Notebook

KERNEL = Kernel("python3", "python", Path(sys.executable), "ipython")


def found(notebook: Notebook) -> list[Finding]:
    return preflight.check(notebook, KERNEL, requirements.collect(notebook, KERNEL))


def short(findings: list[Finding]) -> list[tuple[str, str, int | None, int | None]]:
    return [(f.severity, f.code, f.cell, f.line) for f in findings]


# Each is a notebook (a list of cells) that runs from top to bottom.
FINE: dict[str, list[Any]] = {
    "comprehensions": [
        "rows = [[1, 2], [3]]",
        "flat = [x for row in rows for x in row if x]\n{k: v for k, v in zip(flat, flat)}\n"
        "any(y > 1 for y in flat)\n[z := 5, z]\n(lambda a, *b, c=1, **d: (a, b, c, d))(1)",
    ],
    "classes": [
        "class A:\n    size = 3\n    twice = size * 2\n    def f(self) -> 'B':\n"
        "        return __class__, self.size\n    names = [n for n in range(3)]\n",
        "class B(A):\n    def g(self):\n        return super().f()\nB().g()",
    ],
    "functions use names of later cells": [
        "def train():\n    return model.fit(data)\n",
        "import types\ndata = [1]\nmodel = types.SimpleNamespace(fit=len)\ntrain()",
    ],
    "global statements": [
        "def setup():\n    global counter, rate\n    counter = 0\n    rate = 1\n",
        "setup()\nprint(counter, rate)",
    ],
    "del and rebinding": [
        "x = 1\ndel x\nx = 2",
        "print(x)\nfor i in range(3):\n    pass\nprint(i)",
    ],
    "star imports": ["from math import *", "print(sqrt(2), undefined_or_not)"],
    "optional imports": [
        "try:\n    import nowhere_fast\nexcept ImportError:\n    nowhere_fast = None",
        "if nowhere_fast is not None:\n    nowhere_fast.go()",
        "try:\n    import nowhere_a\n    HAS = True\nexcept ModuleNotFoundError:\n    HAS = False",
        "import importlib.util\nif importlib.util.find_spec('json'):\n    import json\njson.dumps(HAS)",
    ],
    "type checking": [
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from nowhere_typed import Thing\n"
        "def f(x: Thing) -> list[Thing]:\n    return [x]",
    ],
    "name errors expected": ["try:\n    unicode\nexcept NameError:\n    unicode = str"],
    "magics": [
        "%matplotlib inline\n%config InlineBackend.figure_format = 'retina'\n%load_ext autoreload\n"
        "%autoreload 2\n%pip --version",
        "%%time\ntotal = sum(range(10))",
        "%%capture captured\nprint(total)",
        "captured.stdout\nfiles = !ls\nprint(files, total)\n%time again = total + 1",
        "here = %pwd\n!echo {again} $HOME && ls -l\nprint(here)\n%env WORD=x\n%cd .\n%timeit -n 1 again",
        "%%bash --out text\necho hello # sudo",
        "print(text)\n?print\nprint??",
        "%%html\n<b>bold</b>",
        "%%writefile made.py\ndef g(): return undefined_here",
        "import made\nmade.g",
        "%%sh\nX=1 env",
    ],
    "extensions": [
        "%load_ext something_local",
        "%something 1",
        "%%something\nthis is no python at all",
    ],
    "IPython's names": [
        "display(1)\n2",
        "_ + 1\n_1\n__\n_i\nOut[1]\nIn[0]\nget_ipython().user_ns",
        "from IPython.display import clear_output\nclear_output()",
    ],
    "top-level await": [
        "import asyncio\nasync def f():\n    yield 1",
        "await asyncio.sleep(0)\nasync for i in f():\n    print(i)\n"
        "print([i async for i in f()])\nasync with asyncio.Lock():\n    pass",
    ],
    "walrus, match and unpacking": [
        "import sys\nif (n := len(sys.argv)) > 5:\n    pass\na, *b = [n, 1]\n(c, [d]) = (1, [2])\n"
        "match b:\n    case [first, *rest]:\n        print(first, rest)\n    case {'k': v, **more}:\n"
        "        print(v, more)\n    case _:\n        pass\nprint(a, c, d)",
        "with open('x') as f, open('y') as g:\n    print(f, g)",
        "import os.path as p, os.path\nos.path.join('a')\np.join('b')",
    ],
    "decorators, defaults and nested functions": [
        "import functools\nDEFAULT = 3\n@functools.lru_cache\ndef f(x=DEFAULT):\n"
        "    y = x\n    def inner():\n        nonlocal y\n        y += 1\n        return y\n"
        "    return inner\nf()()",
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\neven(3)",
    ],
    "tagged cells": [
        tagged("x = input()\nbad syntax here\n!sudo reboot", "interactive-only"),
        tagged("breakpoint()", "skip-execution"),
        tagged("1 / 0\nnot_defined", "raises-exception"),
        tagged("this is = no python", "raises-exception"),
        tagged("import nowhere_expected", "raises-exception"),
    ],
    "input is something else": [
        "input = [1, 2]\nprint(input)",
        "def getpass():\n    return 'x'\ngetpass()",
    ],
    "paths that are none": [
        "text = '/path'\nprint('see /usr/share/doc for /more', 'https://host/a/b', '/')\n"
        "url = '/api/v1/items'\nrequests = print\nrequests('/api/v1')\n'a/b'.split('/')\n"
        "regex = '/(.*)/x'\nopen('data/x.csv')\nopen('./y')\nopen('../z')",
        "open('/dev/null')\nroute = '/predict'\nprint(sep='/')",
    ],
    "parameters": [
        tagged(
            "data: str\nepochs = 3\nquery = 'a > @epochs'\nderived = query * 2\nwhere = '.'",
            "parameters",
        ),
        "print(data, derived)\n!ls {where}",
    ],
    "all parameters by globals": [tagged("unused = 3", "parameters"), "print(globals()['unused'])"],
    "exception names and conditional definitions": [
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    kept = error\nprint(kept)",
        "import random\nif random.random() < 2:\n    maybe = 1\nprint(maybe)",
        "while True:\n    late = 1\n    break\nelse:\n    other = 2\nprint(late)",
    ],
    "generators and class scope": [
        "n = 3\nclass C:\n    m = 2\n    table = [n for _ in range(m)]\n",
        "print(C.table, [C for C in 'ab'], C)",
    ],
    "string annotations and forward references": [
        "from dataclasses import dataclass\n@dataclass\nclass Node:\n    next: 'Node | None' = None\n"
        "    children: \"list['Node']\" = None\n",
    ],
    "blank and comment cells": ["", "# only a comment", "   \n", "'''text'''", "x = 1;"],
    "other ways to run": [
        "import subprocess\nsubprocess.run(['true'], check=True)",
        "print(__name__, __doc__, __builtins__)",
    ],
    "type parameters" if sys.version_info >= (3, 12) else "generic aliases": [
        "def f[T](x: T) -> T:\n    return x\ntype L = list[int]\nf(L)"
        if sys.version_info >= (3, 12)
        else "from typing import TypeVar\nT = TypeVar('T')\ndef f(x: T) -> T:\n    return x\nf(1)",
    ],
}


@pytest.mark.parametrize("name", FINE)
def test_no_false_alarms(make_notebook: MakeNotebook, name: str) -> None:
    findings = [f for f in found(make_notebook(*FINE[name])) if f.code != "installs-packages"]
    assert findings == []


# Cells -> severity, code, cell and line of every finding.
WRONG: dict[str, tuple[list[Any], list[tuple[str, str, int | None, int | None]]]] = {
    "syntax": (["x = 1", "\ny = = 2"], [("error", "syntax-error", 1, 2)]),
    "return": (["return 3"], [("error", "syntax-error", 0, 1)]),
    "inside %%time": (["%%time\nx = 1\ny = ="], [("error", "syntax-error", 0, 3)]),
    "not defined": (["print(1)", "a = 1\nprint(a, b)\nb"], [("error", "undefined-name", 1, 2)]),
    "order": (["print(later)", "later = 1"], [("error", "undefined-name", 0, 1)]),
    "order of an import": (
        ["np.zeros(3)", "import json as np"],
        [("error", "undefined-name", 0, 1)],
    ),
    "deleted": (["x = 1\ndel x", "x"], [("error", "undefined-name", 1, 1)]),
    "in a function": (["def f():\n    return nowhere\nf()"], [("error", "undefined-name", 0, 2)]),
    "only in a skipped cell": (
        [tagged("data = 1", "interactive-only"), "data"],
        [("error", "undefined-name", 1, 1)],
    ),
    "file": (["__file__"], [("error", "undefined-name", 0, 1)]),
    "class scope": (
        ["class A:\n    n = 1\n    f = lambda: n\n"],
        [("error", "undefined-name", 0, 3)],
    ),
    "input": (["x = 1", "name = input('who? ')"], [("error", "waits-for-input", 1, 1)]),
    "input in a loop": (["for i in range(2):\n    input()"], [("error", "waits-for-input", 0, 2)]),
    "input in a function": (
        ["def ask():\n    return input()"],
        [("warning", "waits-for-input", 0, 2)],
    ),
    "input perhaps": (
        ["import sys\nif sys.stdin.isatty():\n    input()"],
        [("warning", "waits-for-input", 0, 3)],
    ),
    "getpass": (
        ["import getpass as g\ng.getpass()", "from getpass import getpass\ngetpass('p')"],
        [("error", "waits-for-input", 0, 2), ("error", "waits-for-input", 1, 2)],
    ),
    "debuggers": (
        ["%debug", "breakpoint()", "import pdb; pdb.set_trace()", "%pdb on"],
        [
            ("error", "debugger", 0, 1),
            ("error", "debugger", 1, 1),
            ("error", "debugger", 2, 1),
            ("warning", "debugger", 3, 1),
        ],
    ),
    "unused parameter": (
        [tagged("used = 1\nunused: int = 2", "parameters"), "used"],
        [("warning", "unused-parameter", 0, 2)],
    ),
    "missing": (
        ["x = 1", "import nowhere_a.b\nimport nowhere_a.c"],
        [("error", "missing-module", 1, 1)],
    ),
    "missing later": (["def f():\n    import nowhere_b"], [("warning", "missing-module", 0, 2)]),
    "root": (
        ["!sudo -E true", "%%bash\ncd /\nsudo true"],
        [("warning", "needs-root", 0, 1), ("warning", "needs-root", 1, 3)],
    ),
    "confirmation": (
        ["!cd x && conda install numpy", "!conda install -y numpy", "!pip uninstall x"],
        [("warning", "waits-for-input", 0, 1), ("warning", "waits-for-input", 2, 1)],
    ),
    "interactive programs": (
        ["!vim notes.txt\n!python\n!python x.py"],
        [("warning", "waits-for-input", 0, 1), ("warning", "waits-for-input", 0, 2)],
    ),
    "windows": (
        ["%matplotlib qt", "%matplotlib widget", "%matplotlib"],
        [
            ("warning", "needs-display", 0, 1),
            ("warning", "widget", 1, 1),
            ("warning", "needs-display", 2, 1),
        ],
    ),
    "unknown magic": (["%nonsense 1"], [("warning", "unknown-magic", 0, 1)]),
    "places": (
        [
            "open('/data-of-nobody/x.csv')\nimport pandas as pd\npd.read_csv('~/x.csv')\n"
            "data_dir = '/mnt/share/data'\nopen('/mnt/share/data')",
            "%cd /mnt/elsewhere",
            "open('/tmp/x')",
        ],
        [
            ("warning", "path-outside-workspace", 0, 1),
            ("warning", "path-outside-workspace", 0, 3),
            ("warning", "path-outside-workspace", 0, 4),
            ("warning", "path-outside-workspace", 1, 1),
            ("info", "path-outside-workspace", 2, 1),
        ],
    ),
    "installs": (["%pip install json5\n!pip install x"], [("info", "installs-packages", 0, 1)]),
}


@pytest.mark.parametrize("name", WRONG)
def test_found(
    make_notebook: MakeNotebook, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", "/home-of-nobody")
    cells, expected = WRONG[name]
    findings = found(make_notebook(*cells))
    assert short(findings) == expected
    assert all(f.message and "\n" not in f.message for f in findings)
    assert all(f.fix for f in findings)


def test_widgets(make_notebook: MakeNotebook) -> None:
    # ipywidgets need not be installed to see that somebody is waited for.
    notebook = make_notebook(
        "import time\nimport ipywidgets as w\nfrom ipywidgets import interact",
        "box = w.IntSlider()\nwhile box.value == 0:\n    time.sleep(1)",
        "interact(print, x=3)\n@interact\ndef f(x=1): ...\n@interact(y=2)\ndef g(y): ...",
        "button = w.Button()\nbutton.on_click(f)",
    )
    findings = [f for f in preflight.check(notebook, KERNEL) if f.code != "missing-module"]
    assert short(findings) == [
        ("error", "waits-for-widget", 1, 2),
        ("warning", "widget", 2, 1),
        ("warning", "widget", 2, 3),
        ("warning", "widget", 2, 4),
        ("warning", "widget", 3, 2),
    ]


def test_messages_say_what_and_what_to_do(make_notebook: MakeNotebook) -> None:
    messages = [
        (f.message, f.fix)
        for f in found(make_notebook("result\nreslut2 = 1", "result = 1\nprint(resutl)"))
    ]
    assert messages == [
        ("result is used here, but defined only in cell 2",
         "move that cell above this one: cells run from top to bottom"),
        ("resutl is not defined by any cell above", "did you mean result?"),
    ]  # fmt: skip


def test_requirements_may_supply_what_is_not_installed(
    make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    notebook = make_notebook("import nowhere_a\nimport yaml_of_nobody")
    (tmp_path / "requirements.txt").write_text("Nowhere.A>=1\n")
    (finding,) = found(notebook)
    assert (finding.code, finding.severity) == ("missing-module", "warning")
    assert "yaml_of_nobody" in finding.message
    assert "nowhere-a" in finding.message


def test_modules_of_the_workspace_are_checked(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("import sys\nimport nowhere_c\n")
    (finding,) = found(make_notebook("import helpers"))
    assert (finding.severity, finding.cell, finding.line) == ("error", None, 2)
    assert "helpers.py imports nowhere_c" in finding.message


def test_no_kernel_is_a_finding_and_the_rest_is_still_checked(make_notebook: MakeNotebook) -> None:
    notebook = make_notebook("input()", kernelspec={"name": "gone"})
    findings = preflight.check(notebook, KernelError("the kernel gone is not installed here"))
    assert short(findings) == [
        ("error", "no-kernel", None, None),
        ("error", "waits-for-input", 0, 1),
    ]
    assert len(preflight.errors(findings)) == 2


def test_other_languages_are_not_read_as_python(make_notebook: MakeNotebook) -> None:
    notebook = make_notebook("x <- c(1)", kernelspec={"name": "ir", "language": "R"})
    assert preflight.check(notebook, Kernel("ir", "r", None, "nbclient")) == []


def test_a_broken_cell_does_not_hide_or_invent(make_notebook: MakeNotebook) -> None:
    findings = found(make_notebook("helper = 1\ndef broken(:", "helper", "other"))
    assert short(findings) == [
        ("error", "syntax-error", 0, 2),
        ("error", "undefined-name", 2, 1),
    ]


def test_findings_are_json(make_notebook: MakeNotebook) -> None:
    (finding,) = found(make_notebook("nothing_there"))
    assert finding.to_dict() == {
        "code": "undefined-name",
        "severity": "error",
        "cell": 0,
        "line": 1,
        "message": "nothing_there is not defined by any cell above",
        "fix": "define or import it first",
    }


def test_a_workspace_above_the_notebook(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    notebook = make_notebook(f"open({str(tmp_path.parent / 'data' / 'x')!r})")
    collected = requirements.collect(notebook, KERNEL)
    assert preflight.check(notebook, KERNEL, collected, tmp_path.parent) == []
    assert short(preflight.check(notebook, KERNEL, collected, tmp_path)) != []
