"""Notebooks as plain scripts."""

# ruff: noqa: E501 - cells are easier to read on one line

from __future__ import annotations

import ast
from typing import Any

import pytest
from notebooks import MakeNotebook, tagged

from jupyter_unattended.errors import NotebookError
from jupyter_unattended.notebook.script import to_script

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:nbconvert")


def body(make_notebook: MakeNotebook, *cells: Any) -> str:
    """The script of a notebook, normalised, without docstring."""
    tree = ast.parse(to_script(make_notebook(*cells)))
    return "\n".join(ast.unparse(statement).strip() for statement in tree.body[1:])


@pytest.mark.parametrize(
    ("cell", "script"),
    [
        ("x = 1", "x = 1"),
        ("%matplotlib inline\nx = 1", "x = 1"),
        ("%load_ext autoreload\n%autoreload 2\n%config A.b = 1\nx?\n", ""),
        ("%pip install numpy", ""),
        ("!ls -l", "import subprocess\nsubprocess.run('ls -l', shell=True, check=False)"),
        ("p = 1\n!ls {p} $p",
         "import subprocess\np = 1\nsubprocess.run(f'ls {p} {p}', shell=True, check=False)"),
        ("p = 1\n!ls {p} $HOME",
         "import subprocess\np = 1\nsubprocess.run('ls {p} $HOME', shell=True, check=False)"),
        ("p = 1\n!ls {p + 1} $$HOME",
         "import subprocess\np = 1\nsubprocess.run(f'ls {p + 1} $HOME', shell=True, check=False)"),
        ("!awk '{print $1}' x",
         "import subprocess\nsubprocess.run(\"awk '{print $1}' x\", shell=True, check=False)"),
        ("names = !ls",
         "import subprocess\nnames = subprocess.run('ls', shell=True, stdout=subprocess.PIPE, "
         "text=True, check=False).stdout.splitlines()"),
        ("if 1:\n    %matplotlib inline\nfor i in 'ab':\n    !echo {i}",
         "import subprocess\nif 1:\n    pass\nfor i in 'ab':\n"
         "    subprocess.run(f'echo {i}', shell=True, check=False)"),
        ("%cd ..", "import os\nos.chdir(os.path.expanduser('..'))"),
        ("here = %pwd", "import os\nhere = os.getcwd()"),
        ("%env A=b c", "import os\nos.environ['A'] = 'b c'"),
        ("%set_env A b", "import os\nos.environ['A'] = 'b'"),
        ("v = %env A", "import os\nv = os.environ['A']"),
        ("%run other.py",
         "import runpy\nglobals().update(runpy.run_path('other.py', run_name='__main__'))"),
        ("%mkdir a", "import subprocess\nsubprocess.run('mkdir a', shell=True, check=False)"),
        ("%time x = f(1)",
         "import time\n_start = time.perf_counter()\nx = f(1)\n"
         "print(f'{time.perf_counter() - _start:.3f} seconds')"),
        ("%%time\nx = 1\n!true",
         "import subprocess\nimport time\n_start = time.perf_counter()\nx = 1\n"
         "subprocess.run('true', shell=True, check=False)\n"
         "print(f'{time.perf_counter() - _start:.3f} seconds')"),
        ("%%capture\nprint(1)",
         "import contextlib\nimport io\nwith contextlib.redirect_stdout(io.StringIO()):\n"
         "    print(1)"),
        ("%%bash\necho 'a'\n",
         "import subprocess\nsubprocess.run(['bash', '-c', \"echo 'a'\\n\"], check=True)"),
        ("%%sh --no-raise-error\nfalse",
         "import subprocess\nsubprocess.run(['sh', '-c', 'false\\n'], check=False)"),
        ("%%script perl -w\nprint 1",
         "import subprocess\nsubprocess.run(['perl', '-w'], input='print 1\\n', text=True, check=True)"),
        ("%%python3\nprint(1)",
         "import subprocess\nimport sys\nsubprocess.run([sys.executable, '-'], "
         "input='print(1)\\n', text=True, check=True)"),
        ("%%writefile a b.txt\none\ntwo",
         "with open('a b.txt', 'w', encoding='utf-8') as _file:\n    _file.write('one\\ntwo\\n')"),
        ("%%html\n<b>", ""),
        ("%%timeit\nf()", ""),
        ("from IPython.display import display, clear_output\nclear_output()\ndisplay(1, 2)",
         "def display(*objects, **_):\n    \"\"\"Print what a notebook would show.\"\"\"\n"
         "    print(*objects, sep='\\n')\n"
         "def clear_output(wait=False):\n"
         "    \"\"\"Leave the output alone: a script has only one.\"\"\"\nclear_output()\ndisplay(1, 2)"),
        ("df = 1\ndf", "df = 1\nprint(df)"),
        ("df = 1\ndf;", "df = 1\ndf"),
        ("df = []\ndf.head(3)", "df = []\nprint(df.head(3))"),
        ("ax = 1\nax.set_title('a')", "ax = 1\nax.set_title('a')"),
        ("time = 3\n%time x = time",
         "import time as _time\ntime = 3\n_start = _time.perf_counter()\nx = time\n"
         "print(f'{_time.perf_counter() - _start:.3f} seconds')"),
    ],
    ids=lambda value: value.splitlines()[0] if value else "nothing",
)  # fmt: skip
def test_translated(make_notebook: MakeNotebook, cell: str, script: str) -> None:
    # `f` is not defined; nothing is run here.
    assert body(make_notebook, cell) == script


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("%debug", "%debug has no counterpart"),
        ("%nonsense 1", "%nonsense 1 has no counterpart"),
        ("%%cython\ndef f(): pass", "%%cython has no counterpart"),
        ("%load_ext sql", "%load_ext sql has no counterpart"),
        ("%%capture out\nprint(1)", "what %%capture out keeps"),
        ("%run other.ipynb", "%run other.ipynb has no counterpart"),
        ("%%bash --out x\nls", "%%bash --out x has no counterpart"),
        ("get_ipython().user_ns", r"get_ipython\(\) has no counterpart"),
        (
            "from IPython.display import Image",
            "it needs IPython: from IPython.display import Image",
        ),
        ("Out[3]", "Out, what IPython remembers"),
        ("_ + 1", "_, what IPython remembers"),
        ("x = = 1", "it is not valid Python: invalid syntax"),
    ],
)
def test_refused_with_the_cell_named(make_notebook: MakeNotebook, cell: str, problem: str) -> None:
    with pytest.raises(NotebookError, match=rf"as a script: cell 2: {problem}"):
        to_script(make_notebook("x = 1", cell))


def test_other_languages_are_refused(make_notebook: MakeNotebook) -> None:
    notebook = make_notebook("x <- 1", kernelspec={"name": "ir", "language": "R"})
    with pytest.raises(NotebookError, match="is in r; only Python can be a script"):
        to_script(notebook)


def test_awaiting_cells_become_coroutines(make_notebook: MakeNotebook) -> None:
    script = body(
        make_notebook,
        "import asyncio\n",
        'text = """one\ntwo"""\ncount: int = 1\nawait asyncio.sleep(0)\n'
        "def f():\n    inner = 1\n    return inner\n[x async for x in g()]",
    )
    assert "async def _cell_2():\n    global count, f, text\n" in script
    assert "text = 'one\\ntwo'" in script
    assert "    count = 1\n" in script
    assert script.rstrip().endswith("_loop.run_until_complete(_cell_2())")


def test_skipped_and_raising_cells(make_notebook: MakeNotebook) -> None:
    script = body(
        make_notebook,
        tagged("input()", "interactive-only"),
        tagged("1 / 0", "raises-exception"),
        {"cell_type": "markdown", "source": "## Heading"},
    )
    assert script == (
        "import traceback\ntry:\n    print(1 / 0)\nexcept Exception:\n    traceback.print_exc()"
    )


def test_parameters_become_options(
    make_notebook: MakeNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "import enum\nimport pathlib\nfrom typing import Literal\n"
        "class Colour(enum.Enum):\n    RED = 1\n    BLUE = 2\n"
        "data: str  # 100% of it\nn_epochs: int = 3\nflag = True\nrate: float | None = None\n"
        "colour = Colour.RED\nmode: Literal['a', 'b'] = 'a'\nsizes: list[int] = [1]\n"
        "shape = (1, 2)\nextra = {}\nfolder = pathlib.Path('.')\nanything = None\n"
        "computed = len('abc')\nsize: Literal[1, 2] = 1\nmaybe: bool | None = None\n"
    )
    script = to_script(make_notebook(tagged(source, "parameters"), "parser = 'mine'"))

    def run(*arguments: str) -> dict[str, Any]:
        monkeypatch.setattr("sys.argv", ["script.py", *arguments])
        scope: dict[str, Any] = {"__name__": "script"}
        exec(script, scope)
        return scope

    found = run("--data=x")
    assert found["parser"] == "mine"
    assert (found["data"], found["n_epochs"], found["flag"], found["rate"]) == ("x", 3, True, None)
    assert (found["colour"].name, found["sizes"], found["shape"]) == ("RED", [1], (1, 2))
    assert (found["computed"], found["extra"], found["maybe"]) == (3, {}, None)
    found = run(
        "--data", "y", "--n-epochs=5", "--no-flag", "--rate=1e-3", "--colour", "BLUE", "--mode=b",
        "--sizes=2,3", "--shape=[5]", '--extra={"a": 1}', "--folder=/x", "--anything=[1]",
        "--computed=7", "--size=2", "--maybe=false",
    )  # fmt: skip
    assert (found["n_epochs"], found["flag"], found["rate"]) == (5, False, 0.001)
    assert (found["colour"].name, found["mode"], found["size"]) == ("BLUE", "b", 2)
    assert (found["sizes"], found["shape"], found["extra"]) == ([2, 3], (5,), {"a": 1})
    assert (str(found["folder"]), found["anything"], found["maybe"]) == ("/x", [1], False)
    assert run("--data=x", "--n_epochs=4")["n_epochs"] == 4
    with pytest.raises(SystemExit):
        run()
    with pytest.raises(SystemExit):
        run("--data=x", "--mode=c")


def test_help_has_descriptions_and_defaults(
    make_notebook: MakeNotebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = to_script(
        make_notebook(
            {"cell_type": "markdown", "source": '# A "great" title\\'},
            tagged("epochs = 3  # how often, 100% sure\nplain = 'x'", "parameters"),
        )
    )
    monkeypatch.setattr("sys.argv", ["script.py", "--help"])
    with pytest.raises(SystemExit):
        exec(script, {"__name__": "script"})
    text = " ".join(capsys.readouterr().out.split())
    assert 'A "great" title' in text
    assert "how often, 100% sure (default: 3)" in text
    assert "(default: x)" in text


def test_our_own_functions_do_nothing_without_us(
    make_notebook: MakeNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = to_script(
        make_notebook(
            "from jupyter_unattended import report, progress\nreport(step=1, x=2)\nprogress(1, 2)"
        )
    )
    monkeypatch.setitem(__import__("sys").modules, "jupyter_unattended", None)
    exec(script, {"__name__": "script"})


def test_names_of_files_and_titles(make_notebook: MakeNotebook) -> None:
    script = to_script(make_notebook("x = 1", name='it\'s """odd\\".ipynb'))
    assert ast.get_docstring(ast.parse(script)) is not None


@pytest.mark.parametrize("name", ["argparse", "random", "numpy"])
def test_a_script_does_not_stand_in_the_way_of_an_import(
    make_notebook: MakeNotebook, name: str
) -> None:
    notebook = make_notebook("import argparse, numpy.linalg", name=f"{name}.ipynb")
    with pytest.raises(NotebookError, match=f"{name}.py would be imported in the place of"):
        to_script(notebook)
