"""The executed notebook equals that of nbclient and Jupyter's kernel.

The documented differences (docs/conformance.md) are what `comparable` evens out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.integration.jobdir import Job, code, notebook

RAISES = "raises-exception"

CORPUS: dict[str, list[Any]] = {
    "streams": [
        "print('out')",
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('more')",
        "print('no newline', end='')",
        "print('a', 'b', sep='\\n', flush=True)\nsys.stdout.write('written\\n')",
        "for i in range(1000): print(i)",
        "print('ünïcödé ✓ 漢字 🎉')",
        "print('')",
        "sys.stdout.writelines(['x\\n', 'y\\n'])",
        "import os; os.system('echo child'); None",
        "import subprocess; subprocess.run(['sh', '-c', 'echo out'])",
        "import logging; logging.basicConfig(); logging.warning('careful')",
        "import warnings\nwith warnings.catch_warnings(record=True): warnings.warn('x')",
    ],
    "results": [
        "1 + 1",
        "'text'",
        "None",
        "1 + 1;",
        "x = 5",
        "{'a': [1, 2, 3], 'b': {'c': (1,)}}",
        "_ , _1, Out[1], In[1]",
        "list(range(2000))",
        "'a\\nb'",
        "[float('nan'), 1e300, 1+2j]",
        "class A: pass\nA.__module__, A.__qualname__",
        "__name__",
        "type(get_ipython()).__name__",
        "_oh.keys()",
        "def f():\n    'Doc.'\nf.__doc__",
        "1\n2\n3",
        "import ast\nget_ipython().ast_node_interactivity = 'all'",
        "1\n2\n3",
    ],
    "rich display": [
        "from IPython.display import *",
        "HTML('<b>bold</b>')",
        "display(Markdown('# title'), Latex('$x^2$'), SVG(data='<svg></svg>'))",
        "display(1, 'two', [3])",
        "JSON({'a': [1, None, True]})",
        "display({'text/plain': 'raw', 'application/x-own+json': {'k': 1}}, raw=True)",
        "display(HTML('x'), metadata={'text/html': {'isolated': True}})",
        "Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 20, format='png')",
        "class Rich:\n"
        "    def _repr_html_(self): return '<i>me</i>'\n"
        "    def _repr_mimebundle_(self, include=None, exclude=None):\n"
        "        return {'text/x-mine': 'mine'}\n"
        "    def __repr__(self): return 'Rich'\n"
        "Rich()",
        "display(Rich())",
        "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
        "print(pd.DataFrame([[1.23456] * 30]))",
        "pd.DataFrame([[1.23456] * 30] * 100)",
        "Pretty('pretty')",
        "display(display_id='none')",
        "Javascript('1')",
        "ProgressBar(3)",
    ],
    "display ids": [
        "from IPython.display import display, update_display, HTML",
        "h = display('first', display_id='a')",
        "h.update('second')",
        "display('third', display_id='a')",
        "update_display(HTML('fourth'), display_id='a')",
        "h2 = display(0, display_id=True)\nfor i in range(5): h2.update(i)",
        "update_display('nobody', display_id='unknown')",
        "h.display('again')",
    ],
    "clear output": [
        "from IPython.display import clear_output, display",
        "print('gone')\nclear_output()\nprint('stays')",
        "print('gone')\nclear_output(wait=True)\nprint('stays')",
        "print('stays')\nclear_output(wait=True)",
        "for i in range(3):\n    clear_output(wait=True)\n    print(i)\n    display(i)",
        "display('gone')\nclear_output()",
        "h = display('gone', display_id='x')\nclear_output()\nh.update('nowhere')",
        "print('a')\nclear_output(wait=True)\n1",
    ],
    "errors": [
        code("1 / 0", RAISES),
        code("def f(x):\n    return g(x)\n\ndef g(x):\n    raise ValueError('bad')\nf(1)", RAISES),
        code("print('before')\nundefined", RAISES),
        code("for", RAISES),
        code("  x = 1\n y = 2", RAISES),
        code("raise Exception('a\\nb')", RAISES),
        code("try:\n    1/0\nexcept Exception as e:\n    raise KeyError('k') from e", RAISES),
        code("import json; json.loads('{')", RAISES),
        code("class E(Exception):\n    def __str__(self): return 'own'\nraise E", RAISES),
        code("assert 1 == 2, 'message'", RAISES),
        code("%nosuchmagic", RAISES),
        code("get_ipython().run_line_magic('nosuchmagic', '')", RAISES),
        code("%%nosuchmagic\nx", RAISES),
        code("int('x')\n", RAISES),
        code("raise KeyboardInterrupt", RAISES),
        "print('goes on')",
        "class Broken:\n    def _repr_html_(self): raise RuntimeError('no html')\nNone",
        "1 / 0",
        "print('never')",
    ],
    "tags and kinds of cells": [
        code("print('skipped')", "skip-execution"),
        {"cell_type": "markdown", "metadata": {}, "source": "# text"},
        {"cell_type": "raw", "metadata": {}, "source": "raw"},
        "",
        "   \n",
        "# only a comment",
        code("1/0", RAISES),
        code("print('no error')", RAISES),
        code("print('hello')", "hide-input"),
    ],
    "stdin": [
        code("input('name? ')", RAISES),
        code("import getpass; getpass.getpass()", RAISES),
        "import sys; sys.stdin.read()",
    ],
    "magics": [
        "%env HERE=1",
        "!echo shell; echo error >&2",
        "x = !echo captured\nx",
        "%%bash\necho one\necho two >&2",
        "%%bash --out text\necho kept",
        "text",
        "%%capture got\nprint('captured'); 1",
        "got.stdout",
        "name = 'value'\n!echo {name} $name",
        "import os\nhere = %pwd\nhere == os.getcwd()",
        "%who_ls",
        "%%writefile file.txt\ncontent",
        "!cat file.txt",
        "%run script.py",
        "%%script sh\necho script",
        "%alias_magic t timeit",
        "%config InlineBackend.figure_format",
        "%precision 3\n3.14159",
        "%load_ext autoreload",
        "%autoreload 2",
        "%%python3\nprint('other process')",
        "!exit 3\n_exit_code",
        "%%html\n<b>x</b>",
        "%%markdown\n# x",
        "%xmode Plain",
        code("1/0", RAISES),
    ],
    "async": [
        "import asyncio",
        "await asyncio.sleep(0)\nprint('awaited')",
        "async def f(): return 5\nawait f()",
        "async def later():\n    await asyncio.sleep(0.05)\n    return 'late'\n"
        "task = asyncio.create_task(later())",
        "print('between')",
        "await task",
        "asyncio.get_running_loop().is_running()",
        code("asyncio.run(f())", RAISES),
        "await asyncio.gather(f(), f())",
        code("async def bad(): raise ValueError('async')\nawait bad()", RAISES),
        "r = await f(); r",
    ],
    "matplotlib": [
        "import matplotlib.pyplot as plt",
        "plt.plot([1, 2, 3])",
        "plt.plot([1, 2, 3]); None",
        "fig, ax = plt.subplots()\nax.bar([1, 2], [3, 4])\nplt.show()\nprint('after')",
        "fig",
        "plt.figure(figsize=(2, 2)).text(0.1, 0.1, 'x')\nplt.close()",
        "%matplotlib inline",
        "for i in range(2):\n    plt.figure(figsize=(1, 1)); plt.plot([i]); plt.show()",
    ],
    "an error ends it": [
        "print(1)",
        "import pickle\nclass A: pass\na = pickle.loads(pickle.dumps(A()))\ntype(a) is A",
        "def f(): undefined_name\nf()",
        "print('never')",
    ],
    "sys.exit with a code": ["print(1)", "import sys; sys.exit(3)", "print('never')"],
}

_ADVICE = re.compile(r".*UserWarning: To exit: use.*\n.*\n")
#: Environment and temporary names that differ from run to run.
_CHANGING = [
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"/tmp/ipykernel_\w+/\d+\.py"), "<cell>"),
    (re.compile(r"<ipython-input-[^>]*>"), "<cell>"),
    (re.compile(r"\(\d+\.py, line"), "(<cell>, line"),
    (re.compile(r"Task-\d+"), "Task-…"),
    (re.compile(r"coro=<[^>]*>"), "coro=…"),
]


def comparable(cell: dict[str, Any]) -> dict[str, Any]:
    """What must be equal of a cell, with the documented differences evened out."""
    streams: dict[str, str] = {}
    others = []
    for output in cell["outputs"]:
        kind = output["output_type"]
        if kind == "stream":
            # The order between stdout and stderr is kept by us, and not by the kernel.
            # IPython's advice to who calls sys.exit() in a console is not for a job.
            if text := _ADVICE.sub("", _text(output["text"])):
                streams[output["name"]] = streams.get(output["name"], "") + text
        elif kind == "error":
            name, value = output["ename"], output["evalue"]
            traceback = "\n".join(output["traceback"])
            if name == "StdinNotImplementedError":
                value = traceback = "in our own words"
            others.append([kind, name, value, traceback])
        else:
            data = {mime: _text(value) for mime, value in output["data"].items()}
            others.append([kind, data, output["metadata"], output.get("execution_count")])
    return _even(
        {"streams": streams, "outputs": others, "execution_count": cell["execution_count"]}
    )


def _text(value: Any) -> Any:
    return (
        "".join(value) if isinstance(value, list) and all(type(v) is str for v in value) else value
    )


def _even(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, replacement in _CHANGING:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, dict):
        return {key: _even(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_even(item) for item in value]
    return value


@pytest.mark.parametrize("name", CORPUS)
def test_the_executed_notebook_equals_nbclient_s(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # with it, the kernel does not show child processes
    (tmp_path / "script.py").write_text("print('script', __name__)\nvalue = 3\n")
    content = notebook(*CORPUS[name])
    job = Job(tmp_path, contents=content)
    code_of_ours = job.run()
    ours = job.output

    (tmp_path / "file.txt").unlink(missing_ok=True)
    reference = nbformat.from_dict(notebook(*CORPUS[name]))
    reference = nbformat.v4.upgrade(reference)
    client = NotebookClient(
        reference,
        timeout=60,
        resources={"metadata": {"path": str(tmp_path)}},
        kernel_name="python3",
    )
    failed = False
    try:
        client.execute()
    except Exception:
        failed = True

    nbformat.validate(nbformat.from_dict(ours))
    assert (code_of_ours != 0) == failed
    for number, (mine, theirs) in enumerate(zip(ours["cells"], reference.cells, strict=True)):
        assert _text(mine["source"]) == theirs["source"]
        if mine["cell_type"] == "code":
            assert comparable(mine) == comparable(theirs), f"cell {number}: {theirs['source']}"
