"""A notebook that is hard to save and restore."""

from __future__ import annotations

from typing import Any

#: A notebook that leaves traces in every corner a process has.
CORNERS: list[str | dict[str, Any]] = [
    "import numpy as np, pandas as pd, random, os, sys, warnings, decimal, logging\n"
    "random.seed(3); np.random.seed(1); rng = np.random.default_rng(5)\n"
    "counter = 0\n%matplotlib inline\nimport matplotlib.pyplot as plt",
    "def bump():\n    global counter\n    counter += 1\n    return counter\n"
    "def make():\n    n = 0\n    def inc():\n        nonlocal n\n        n += 1\n        return n\n"
    "    return inc, lambda: n\n"
    "inc, get = make()\nprint(bump(), inc(), get(), random.random())",
    "a = np.random.rand(300_000); v = a[10:20]; other = v\n"
    "df = pd.DataFrame({'x': a[:5], 'y': rng.random(5)}); part = df[:]; col = df['x']\n"
    "os.makedirs('sub', exist_ok=True); os.chdir('sub'); os.environ['MARK'] = 'set'\n"
    "os.environ.pop('LANGUAGE', None); sys.path.insert(0, 'somewhere')\n"
    "with open('note.txt', 'w') as file: file.write('x')\na[:3]",
    "np.set_printoptions(precision=3); pd.set_option('display.max_rows', 7)\n"
    "pd.options.display.precision = 2; plt.rcParams['figure.figsize'] = (2, 1)\n"
    "decimal.getcontext().prec = 5; np.seterr(divide='ignore')\n"
    "warnings.filterwarnings('error', message='loud'); sys.setrecursionlimit(4321)\n"
    "logging.basicConfig(level=20, format='%(levelname)s:%(message)s', stream=sys.stdout)\n"
    "%precision 3",
    "class A:\n    made = []\n    def __init_subclass__(cls): A.made.append(cls.__name__)\n"
    "    def go(self): return bump(), v.sum().round(6), inc(), get()\n"
    "class B(A): pass\nx = B(); print(x.go(), np.random.rand(), rng.random(), random.random())",
    "v[:] = 1; part.iloc[0, 0] = 9\n"
    "print(a[10:20].sum(), other is v, v.base is a)\n"
    "print(os.getcwd().endswith('sub'), os.environ['MARK'])\n"
    "print(df['x'].iloc[0] == 9, col.iloc[0] == 9, x.go(), A.made, isinstance(x, A))\n"
    "print(sys.path[0], sys.getrecursionlimit(), decimal.Decimal(1) / 3, file.closed)\n"
    "df",
    "logging.info('logged'); logging.debug('not')\n"
    "try:\n    warnings.warn('loud')\nexcept UserWarning as e:\n    print('raised', e)\n"
    "print(np.array([1.23456789]), pd.options.display.max_rows, np.float64(1) / 0)\n"
    "plt.plot([1, 2]); 1 / 3",
    "print(x.go(), inc() == get(), random.random(), np.random.rand(), rng.random(), counter)",
]
