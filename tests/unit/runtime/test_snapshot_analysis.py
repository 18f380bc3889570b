"""What later cells use: nothing that is used may be missed."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_unattended.runtime import snapshot_analysis as analysis

transform = TransformerManager().transform_cell


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("x", {"x"}),
        ("x = 1; x", set()),
        ("x = x", {"x"}),
        ("x += 1", {"x"}),
        ("x.y = 1", {"x"}),
        ("x[0] = y", {"x", "y"}),
        ("for x in y: x", {"y"}),
        ("for x in y: pass\nx", {"x", "y"}),
        ("while True:\n  x = 1\nx", {"x"}),
        ("if a: x = 1\nx", {"a", "x"}),
        ("try: x = 1\nexcept E: pass\nx", {"x", "E"}),
        ("with open(p) as f: f.read()\nf", {"open", "p"}),
        ("with a as b: c = b\nc", {"a"}),
        ("[i for i in x]", {"x"}),
        ("{k: v for k, v in d.items() if k in s}", {"d", "s"}),
        ("i, (j, *k) = t; i; j; k", {"t"}),
        ("def f(a, b=c): return a + d\n", {"c", "d"}),
        ("def f(): return f()\nf()", set()),
        ("def f():\n  conn = 1\n  return conn\nconn", {"conn"}),
        ("def f():\n  global g\n  g += 1", {"g"}),
        ("lambda a: a + b", {"b"}),
        ("def f():\n  def g(): return deep\n  return g", {"deep"}),
        ("class A(B):\n  x = y\n  def m(self): return z", {"B", "y", "z"}),
        ("@deco\ndef f(): pass", {"deco"}),
        ("import a.b, c as d\na; d", set()),
        ("from a import b\nb", set()),
        ("del x\nx", {"x"}),
        ("f'{x:{w}}'", {"x", "w"}),
        ("%time y = f(x)", {"f", "x"}),
        ("%%time\ny = f(x)", {"f", "x"}),
        ("!ls $directory", {"directory"}),
        ("%cd $place", {"place"}),
        ("await task", {"task"}),
        ("(n := m); n", {"m", "n"}),
    ],
)
def test_names_used(source: str, names: set[str]) -> None:
    uses = analysis.of_cell(source, transform)
    expected = names - {"open"}
    assert expected <= uses.names - {"get_ipython"} - {"open"}
    surplus = uses.names - names - {"get_ipython", "x", "open"}
    assert not surplus, surplus
    assert uses.everything is None


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("eval('x')", "eval"),
        ("exec(code)", "exec"),
        ("globals()['x']", "globals"),
        ("def f(): return locals()", "locals"),
        ("%unknown_magic x", "%unknown_magic"),
        ("%%sql\nselect 1", "%sql"),
        ("!echo {x + 1}", "expression"),
        ("def f(:", "parsed"),
        ("f = lambda: vars()", "vars"),
    ],
)
def test_when_everything_may_be_used(source: str, why: str) -> None:
    uses = analysis.of_cell(source, transform)
    assert uses.everything is not None
    assert why in uses.everything


@pytest.mark.parametrize("source", ["_ + 1", "Out[3]", "len(In)", "def f(): return _"])
def test_the_history_is_noticed(source: str) -> None:
    assert analysis.of_cell(source, transform).history is not None


@pytest.mark.parametrize("source", ["for _ in range(3): pass", "a, _ = 1, 2", "[1 for _ in x]"])
def test_a_name_for_nothing_is_no_history(source: str) -> None:
    assert analysis.of_cell(source, transform).history is None


def test_cells_one_after_the_other() -> None:
    uses = analysis.of_cells(["conn = connect()", "conn.execute(q)", "conn2.x"], transform)
    assert uses.names == {"connect", "q", "conn2"}


NAMESPACE = """
import functools
def direct(): return conn
def indirect(): return direct()
class Query:
    def run(self): return conn
query = Query()
part = functools.partial(direct)
table = {"go": [direct]}
def outer():
    inner = direct
    def f(): return inner()
    return f
closure = outer()
@functools.lru_cache
def cached(): return direct()
def with_default(f=direct): return f()
def unrelated(conn_name): return conn_name.conn
def harmless(): return other
"""


@pytest.mark.parametrize(
    "name",
    ["direct", "indirect", "Query", "query", "part", "table", "closure", "cached", "with_default"],
)
def test_what_functions_use_counts(name: str) -> None:
    namespace = {"__name__": "__main__"}
    exec(NAMESPACE, namespace)
    assert "conn" in analysis.reached({name}, namespace)


@pytest.mark.parametrize("name", ["unrelated", "harmless", "nowhere"])
def test_what_functions_do_not_use_does_not_count(name: str) -> None:
    namespace = {"__name__": "__main__"}
    exec(NAMESPACE, namespace)
    assert "conn" not in analysis.reached({name}, namespace)


def test_bindings() -> None:
    source = "a = 1\nfor b in x: pass\nwith y as c: pass\ndef d(): pass\nimport e.f, g as h\n"
    assert {"a", "b", "c", "d", "e", "h"} <= analysis.bindings(source, transform)


def test_settings() -> None:
    source = "%matplotlib inline\n%config InlineBackend.figure_format = 'svg'\n%time x = 1\n!ls"
    assert analysis.settings_of(source, transform) == [
        ("matplotlib", "inline"),
        ("config", "InlineBackend.figure_format = 'svg'"),
    ]
