"""A namespace that goes through a snapshot, once and three times over, works as before."""

# ruff: noqa: E501 - cells are easier to read on one line
from __future__ import annotations

import io
import sys
import types
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from jupyter_unattended.runtime.snapshot_pickle import (
    NamespacePickler,
    NamespaceUnpickler,
    Probe,
    arrange,
)

Namespace = dict[str, Any]
Trip = Callable[[Namespace], Namespace]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Namespace]:
    def make() -> Namespace:
        module = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", module)
        return vars(module)

    return make


@pytest.fixture(params=[1, 3], ids=["once", "three generations"])
def trip(request: pytest.FixtureRequest, fresh: Callable[[], Namespace]) -> Trip:
    def once(namespace: Namespace) -> Namespace:
        buffers: list[bytes] = []
        file = io.BytesIO()

        def put(view: memoryview) -> int:
            buffers.append(bytes(view))
            return len(buffers) - 1

        names = {k: v for k, v in namespace.items() if not k.startswith("__")}
        pickler = NamespacePickler(file, put, namespace)
        pickler.dump(arrange(pickler, {"names": names}))
        file.seek(0)
        live = fresh()
        unpickler = NamespaceUnpickler(
            file,
            pickler.foreign,
            lambda number: len(buffers[number]),
            lambda number, target: target.__setitem__(slice(None), buffers[number]),
            namespace=live,
        )
        live.update(unpickler.load()[-1]["names"])
        return live

    def several(namespace: Namespace) -> Namespace:
        for _ in range(request.param):
            namespace = once(namespace)
        return namespace

    return several


#: What a cell makes, and what must hold of it afterwards.
CASES: dict[str, tuple[str, str]] = {
    "functions see the live names": (
        "n = 1\ndef f(x): return g(x) + n\ndef g(x): return 2 * x",
        "n = 10; assert f(1) == 12; assert f.__globals__ is globals()",
    ),
    "a redefined function is the one that is called": (
        "def f(): return g()\ndef g(): return 1",
        "def g(): return 2\nassert f() == 2",
    ),
    "closures share their cells": (
        """
        def make():
            n = 0
            def inc():
                nonlocal n
                n += 1
                return n
            def get(): return n
            return inc, get
        inc, get = make(); inc()
        """,
        "before = get(); assert inc() == before + 1 == get()",
    ),
    "a closure that calls itself": (
        "def outer():\n def rec(n): return 0 if n == 0 else 1 + rec(n - 1)\n return rec\nr = outer()",
        "assert r(3) == 3",
    ),
    "an empty cell": (
        "def outer():\n def f(): return later\n if False: later = 1\n return f\nf = outer()",
        "try: f()\nexcept NameError: pass\nelse: raise AssertionError",
    ),
    "defaults, annotations, attributes": (
        "def f(a, b=[1], *, c={2: 3}) -> int:\n 'doc'\n return a\nf.note = 'x'\nshared = f.__defaults__[0]",
        "assert f.__defaults__ == ([1],) and f.__kwdefaults__ == {'c': {2: 3}}\n"
        "assert f.__annotations__ == {'return': int} and f.__doc__ == 'doc' and f.note == 'x'\n"
        "assert f.__defaults__[0] is shared and f.__module__ == '__main__'",
    ),
    "wrapped functions": (
        """
        import functools
        n = 1
        def deco(fn):
            @functools.wraps(fn)
            def wrap(*a): return fn(*a)
            return wrap
        @deco
        def f(x): return x + n
        p = functools.partial(f, 5)
        lam = lambda x: x + n
        """,
        "n = 3; assert f(1) == 4 and p() == 8 and lam(1) == 4\n"
        "assert f.__wrapped__.__globals__ is globals()",
    ),
    "lru_cache": (
        "import functools\nn = 1\n@functools.lru_cache(maxsize=3)\ndef f(x): return x + n\nf(1); f.tag = 7",
        "n = 5; assert f(1) == 6 and f.cache_info().maxsize == 3 and f.tag == 7",
    ),
    "singledispatch": (
        "import functools\n@functools.singledispatch\ndef f(x): return 'o'\n"
        "@f.register\ndef _int(x: int): return 'i'",
        "assert f(1) == 'i' and f('') == 'o'\n"
        "@f.register\ndef _str(x: str): return 's'\nassert f('') == 's'",
    ),
    "generator functions and coroutines": (
        "def g():\n yield 1\nasync def c(): return 2",
        "import inspect; assert list(g()) == [1] and inspect.iscoroutinefunction(c)",
    ),
    "classes with everything": (
        """
        import functools
        n = 1
        class A:
            __slots__ = ("x",)
            def __init__(self): self.x = 1
            def name(self): return super().__repr__() and "A"
        class B(A):
            count = 0
            @property
            def p(self): return self.x + n
            @classmethod
            def c(cls): return cls.__name__
            @staticmethod
            def s(): return n
            @functools.cached_property
            def cp(self): return 5
            class Inner: value = 3
        b = B()
        """,
        "n = 10; assert b.p == 11 and b.c() == 'B' and b.s() == 10 and b.cp == 5\n"
        "assert b.name() == 'A' and isinstance(b, A) and type(b) is B and B.Inner.value == 3",
    ),
    "classes that register themselves": (
        """
        class Base:
            registry = {}
            def __init_subclass__(cls, key=None, **more):
                super().__init_subclass__(**more)
                Base.registry[key] = cls
        class A(Base, key="a"): pass
        class B(A, key="b"): pass
        """,
        "assert Base.registry == {'a': A, 'b': B}\n"
        "class C(B, key='c'): pass\nassert Base.registry['c'] is C",
    ),
    "a derived class named first": (
        """
        class Zeta:
            made = []
            def __init_subclass__(cls): Zeta.made.append(cls)
        class Alpha(Zeta): pass
        first = Alpha
        base = Zeta
        del Zeta.made[:]; Zeta.made.append(Alpha); keep = Zeta; del Zeta; Zeta = keep
        """,
        "assert Zeta.made == [Alpha] and first is Alpha and base is Zeta",
    ),
    "metaclasses": (
        """
        class Meta(type):
            made = []
            def __new__(m, name, bases, ns):
                c = super().__new__(m, name, bases, ns)
                m.made.append(name)
                return c
            def hello(cls): return cls.__name__
        class M(metaclass=Meta): pass
        """,
        "assert Meta.made == ['M'] and type(M) is Meta and M.hello() == 'M'",
    ),
    "enumerations": (
        """
        import enum
        class Color(enum.Enum):
            RED = 1; GREEN = 2; ALIAS = 1
            def nice(self): return self.name.lower()
        class Planet(enum.Enum):
            EARTH = (5.97, 6.37); MARS = (0.6, 3.3)
            def __init__(self, m, r): self.m, self.r = m, r
        class Bits(enum.IntFlag):
            X = 1; Y = 2
        class Named(str, enum.Enum):
            A = "a"
        red = Color.RED
        """,
        "assert Color(1) is Color.RED is red is Color.ALIAS and red.nice() == 'red'\n"
        "assert Planet.MARS.m == 0.6 and Planet((5.97, 6.37)).r == 6.37 and list(Color)[0] is red\n"
        "assert isinstance(Bits.X | Bits.Y, Bits) and Named('a') is Named.A and Named.A == 'a'",
    ),
    "abstract classes": (
        """
        import abc
        class Abs(abc.ABC):
            @abc.abstractmethod
            def go(self): ...
        class Conc(Abs):
            def go(self): return 1
        class Other: pass
        Abs.register(Other)
        """,
        "try: Abs()\nexcept TypeError: pass\nelse: raise AssertionError\n"
        "assert Conc().go() == 1 and issubclass(Other, Abs) and not issubclass(int, Abs)",
    ),
    "typing": (
        """
        from typing import Generic, NamedTuple, Protocol, TypedDict, TypeVar, NewType
        T = TypeVar("T", bound="Base")
        class Base: pass
        class Box(Generic[T]):
            def __init__(self, v: T): self.v = v
        box = Box[int](3)
        class NT(NamedTuple):
            a: int
            b: str = "x"
        nt = NT(1)
        class TD(TypedDict):
            a: int
        class Pr(Protocol):
            def m(self) -> int: ...
        Id = NewType("Id", int)
        Rows, Either = list[dict[str, Base]], int | None
        """,
        "assert box.v == 3 and Box[int] and Box.__parameters__ == (T,)\n"
        "assert nt == (1, 'x') and NT(2)._replace(b='y').b == 'y' and nt._fields == ('a', 'b')\n"
        "assert TD(a=1) == {'a': 1} and Id(3) == 3 and Rows == list[dict[str, Base]]\n"
        "assert Either == int | None",
    ),
    "dataclasses": (
        """
        import dataclasses
        from collections import namedtuple
        @dataclasses.dataclass
        class D:
            x: int = 1
            y: list = dataclasses.field(default_factory=list)
            z: dataclasses.InitVar[int] = 3
        @dataclasses.dataclass(frozen=True, slots=True, order=True)
        class F:
            x: int = 1
        d, f, missing = D(5), F(3), dataclasses.MISSING
        P = namedtuple("P", "x y")
        p = P(1, 2)
        """,
        "assert D(3) == D(3) != d and dataclasses.replace(f, x=2) < f and hash(F(1)) == hash(F(1))\n"
        "assert [g.name for g in dataclasses.fields(D)] == ['x', 'y'] and D().y is not D().y\n"
        "assert missing is dataclasses.MISSING and p.y == 2 and P(3, 4)._asdict() == {'x': 3, 'y': 4}\n"
        "@dataclasses.dataclass\nclass E(D):\n  w: int = 9\nassert E().w == 9 and E().x == 1",
    ),
    "descriptors": (
        """
        class Desc:
            def __set_name__(self, owner, name): self.name = name + "!"
            def __get__(self, obj, owner): return self.name
        class H: d = Desc()
        """,
        "assert H.d == 'd!' and H().d == 'd!'",
    ),
    "names for the same object": (
        "a = [1]; b = a; c = {'a': a}; loop = []; loop.append(loop)\n"
        "class N: pass\nn = N(); n.me = n; n.f = lambda: n; bound = n.f",
        "assert a is b is c['a'] and loop[0] is loop and n.me is n and n.f() is n and bound is n.f",
    ),
    "an optimiser and its model": (
        """
        import numpy as np
        class Model:
            def __init__(self): self.params = [np.ones(3)]
        class Optimizer:
            def __init__(self, params): self.params = params
            def step(self):
                for p in self.params: p -= 0.5
        model = Model(); opt = Optimizer(model.params)
        """,
        "before = model.params[0].copy(); opt.step(); assert (model.params[0] == before - 0.5).all()",
    ),
    "views of arrays": (
        "import numpy as np\na = np.arange(10); v = a[2:5]; w = v[::2]; o = np.array([1, 'x'], object)",
        "assert v.base is a and w.base is a; w[0] = 99; assert a[2] == 99 == v[0]; a[2] = 2",
    ),
    "views that NumPy made with an object in between": (
        """
        import numpy as np
        a = np.arange(12.0)
        rows = np.broadcast_to(a, (5, 12)); windows = np.lib.stride_tricks.sliding_window_view(a, 3)
        """,
        "a[0] = 99; assert rows[4, 0] == 99 == windows[0, 0]; a[0] = 0\n"
        "assert rows.strides[0] == 0 and not rows.flags.writeable and windows.shape == (10, 3)",
    ),
    "exceptions with arguments of their own": (
        """
        class Bad(ValueError):
            def __init__(self, name, value):
                super().__init__(f"{name} is {value}")
                self.value = value
        class Plain(OSError): pass
        try: raise Bad("x", 3)
        except Bad as error: bad = error
        plain = Plain(2, "gone")
        """,
        "assert str(bad) == 'x is 3' and bad.value == 3 and type(bad) is Bad\n"
        "assert plain.errno == 2 and type(plain) is Plain and str(Bad('y', 4)) == 'y is 4'",
    ),
    "models of pydantic": (
        """
        import pydantic
        class Inner(pydantic.BaseModel):
            x: int
        class Outer(pydantic.BaseModel):
            inner: Inner
            names: list[str] = []
            @pydantic.field_validator("inner")
            @classmethod
            def check(cls, inner):
                assert inner.x < 9, "too large"
                return inner
        made = Outer(inner={"x": 1}, names=["a"])
        """,
        "assert made == Outer(inner=Inner(x=1), names=['a']) and isinstance(made.inner, Inner)\n"
        "try: Outer(inner={'x': 10})\nexcept pydantic.ValidationError: pass\n"
        "else: raise AssertionError",
    ),
    "bound methods": (
        """
        import struct
        class A:
            made = []
            @classmethod
            def make(cls): cls.made.append(1); return len(cls.made)
            def get(self): return self
        a = A(); get, make = a.get, A.make; layout = struct.Struct("<i")
        """,
        "assert get() is a and make.__self__ is A and layout.size == 4\n"
        "before = len(A.made); assert make() == before + 1",
    ),
    "loading that needs the namespace": (
        """
        import math
        factor = 2
        def helper(x): return math.floor(x) * factor
        class S:
            def __init__(self): self.v = 3.7
            def __getstate__(self): return {"v": self.v}
            def __setstate__(self, state): self.v = state["v"]; self.h = helper(self.v)
        s = S()
        """,
        "assert s.h == 6",
    ),
    "the module's own objects": (
        "import os, random, dataclasses, logging\nfrom random import random as draw\n"
        "env = os.environ; log = logging.getLogger('some'); root = logging.getLogger()",
        "import random; random.seed(1); x = draw(); random.seed(1); assert draw() == x\n"
        "import os, logging; assert env is os.environ and log is logging.getLogger('some')\n"
        "assert root is logging.getLogger()",
    ),
    "modules": (
        "import math as m, os.path as p, xml.etree.ElementTree as et, __main__ as me\nx = 1",
        "import math, xml.etree.ElementTree\n"
        "assert m is math and p.join and et is xml.etree.ElementTree and me.x == 1",
    ),
    "a module made by hand": (
        "import types\nmine = types.ModuleType('mine'); mine.x = [1]; y = mine.x",
        "assert mine.x is y",
    ),
    "left-overs": (
        """
        import re, threading, queue, weakref, io
        m = re.match(r"(a)b", "abc"); s = re.search(r"(?<=a)b(?=c)", "abc")
        lock, rlock, event = threading.Lock(), threading.RLock(), threading.Event()
        event.set()
        with open("/etc/hostname") as file: text = file.read()
        with open("/etc/hostname", "rb") as raw: pass
        done = (x for x in [1]); list(done)
        q = queue.Queue(); q.put(3)
        class W: pass
        w = W(); ref = weakref.ref(w); wd = weakref.WeakValueDictionary({"w": w})
        ws = weakref.WeakSet([w]); dead = weakref.ref(W())
        d = {"a": 1}; keys = d.keys(); items = d.items()
        try: 1 / 0
        except ZeroDivisionError as e: error = e
        error = error.with_traceback(None)
        it = iter([1, 2, 3]); next(it)
        buffer = io.StringIO("x")
        """,
        "assert m.group(1) == 'a' and s.span() == (1, 2) and not lock.locked() and event.is_set()\n"
        "assert file.closed and file.name == '/etc/hostname' and raw.closed and list(done) == []\n"
        "assert q.get() == 3; q.put(3)\n"
        "assert ref() is w and wd['w'] is w and w in ws and dead() is None\n"
        "d['z'] = 2; assert 'z' in keys and ('z', 2) in items; del d['z']\n"
        "assert isinstance(error, ZeroDivisionError) and next(it) == 2 and buffer.getvalue() == 'x'",
    ),
    "streams": ("import sys\nout, err = sys.stdout, sys.stderr", "assert out is sys.stdout"),
    "executed with other globals": (
        "g = {'k': 1}\nexec('def f(): return k', g)\nf = g['f']",
        "g['k'] = 5; assert f() == 5 and f.__globals__ is g\nexec('assert len([k]) == 1', g)",
    ),
    "executed where something unsaveable is among the builtins": (
        """
        import builtins
        builtins.of_an_extension = (x for x in ())
        g = {}
        exec('a = [1]', g)
        """,
        "assert g['a'] == [1]\ndel builtins.of_an_extension",
    ),
}


@pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support will be removed")
@pytest.mark.parametrize("case", CASES)
def test_a_namespace_works_as_before(trip: Trip, fresh: Callable[[], Namespace], case: str) -> None:
    cell, check = (dedent(text) for text in CASES[case])
    namespace = fresh()
    exec(compile(cell, "<cell>", "exec", dont_inherit=True), namespace)
    restored = trip(namespace)
    exec(compile(check, "<check>", "exec", dont_inherit=True), restored)


UNSAVEABLE = {
    "f = open('/etc/hostname')": "an open file (/etc/hostname)",
    "import socket; f = socket.socket()": "a socket",
    "f = [{'deep': (x for x in [1])}]": "a generator that has not ended",
    "import threading; f = threading.Lock(); f.acquire()": "a lock that is held",
    "import sqlite3; f = sqlite3.connect(':memory:')": "a connection",
    "import hashlib; f = hashlib.sha256()": "an unfinished hash",
    "import mmap; f = mmap.mmap(-1, 10)": "a mapped file",
    "async def c(): pass\nf = c()": "a coroutine",
    "from concurrent.futures import ThreadPoolExecutor as T; f = T()": "a pool of threads",
    "from concurrent.futures import ProcessPoolExecutor as P; f = P()": "a pool of processes",
    # As a library's handle on a GPU or a license: an object that only C code understands.
    "import select; f = {'handle': select.epoll()}": "an object of type select.epoll",
    "f = lambda: h\nh = open('/etc/hostname')\ndef g():\n x = h\n return lambda: x\nf = g()": (
        "an open file (/etc/hostname)"
    ),
}


@pytest.mark.parametrize("cell", UNSAVEABLE)
def test_what_cannot_be_saved_is_named(fresh: Callable[[], Namespace], cell: str) -> None:
    namespace = fresh()
    exec(cell, namespace)
    value = namespace["f"]
    assert Probe(namespace).problem(value) == UNSAVEABLE[cell]
    for name in ("f", "h"):
        if hasattr(namespace.get(name), "close"):
            namespace[name].close()


def test_what_can_be_saved_is_no_problem(fresh: Callable[[], Namespace]) -> None:
    assert Probe(fresh()).problem({"a": [1, (2, "x")]}) is None
