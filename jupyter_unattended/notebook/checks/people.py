"""Whether something waits for a person: a question, a debugger, a widget, a shell prompt."""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import re
from collections.abc import Iterator

from ..code import Magic
from ..finding import Finding, Subject, nodes

_ASK = "make it a parameter: assign it in the cell tagged parameters"
_SECRET = "hand it over as an environment variable that is secret, and read os.environ"  # noqa: S105
_DEBUG = "remove it, or tag the cell interactive-only"
#: What is called -> code, and what to do.
_CALLS: dict[str, tuple[str, str]] = {
    "input": ("waits-for-input", _ASK),
    "builtins.input": ("waits-for-input", _ASK),
    "getpass.getpass": ("waits-for-input", _SECRET),
    "click.prompt": ("waits-for-input", _ASK),
    "click.confirm": ("waits-for-input", _ASK),
    "breakpoint": ("debugger", _DEBUG),
    "pdb.set_trace": ("debugger", _DEBUG),
    "pdb.pm": ("debugger", _DEBUG),
    "pdb.post_mortem": ("debugger", _DEBUG),
    "ipdb.set_trace": ("debugger", _DEBUG),
    "pudb.set_trace": ("debugger", _DEBUG),
    "IPython.core.debugger.set_trace": ("debugger", _DEBUG),
    "IPython.embed": ("debugger", _DEBUG),
    "code.interact": ("debugger", _DEBUG),
    "matplotlib.pyplot.ginput": ("waits-for-input", _ASK),
    "matplotlib.pyplot.waitforbuttonpress": ("waits-for-input", _DEBUG),
    "jupyter_ui_poll.ui_events": ("waits-for-widget", _ASK),
    "huggingface_hub.notebook_login": ("waits-for-input", _SECRET),
    "huggingface_hub.interpreter_login": ("waits-for-input", _SECRET),
    "google.colab.files.upload": ("waits-for-input", "put the file into the workspace"),
    "google.colab.drive.mount": ("waits-for-input", "read from the workspace instead"),
    "google.colab.auth.authenticate_user": ("waits-for-input", _SECRET),
}
_WIDGETS = ("ipywidgets.interact", "ipywidgets.interactive", "ipywidgets.interact_manual")
_GUI = {"qt", "qt4", "qt5", "qt6", "tk", "gtk", "gtk3", "gtk4", "wx", "osx", "macosx", "auto"}
_BROWSER = {"notebook", "nbagg", "widget", "ipympl"}
_MAGICS = {"debug": "debugger", "edit": "waits-for-input", "paste": "waits-for-input",
           "cpaste": "waits-for-input", "recall": "waits-for-input"}  # fmt: skip


def calls(subject: Subject) -> Iterator[Finding]:
    """Find calls that wait for a person: input, getpass, debuggers, logins."""
    for cell in subject.cells:
        for node, certain in nodes(cell.tree) if cell.tree is not None else ():
            if not isinstance(node, ast.Call):
                continue
            name = subject.dotted(node.func)
            if name not in _CALLS:
                continue
            code, fix = _CALLS[name]
            shown = ast.unparse(node.func)
            if certain:
                message = f"{shown}() waits for a person"
                yield Finding(code, "error", cell.index, node.lineno, message, fix)
            else:
                message = f"{shown}() would wait for a person if it is reached"
                yield Finding(code, "warning", cell.index, node.lineno, message, fix)


def widgets(subject: Subject) -> Iterator[Finding]:
    """Find widgets that somebody would have to move or click."""
    mine = _widget_names(subject)
    uses_widgets = any(name.startswith("ipywidgets") for name in subject.aliases.values())
    for cell in subject.cells:
        for node, _ in nodes(cell.tree) if cell.tree is not None else ():
            where = (cell.index, getattr(node, "lineno", None))
            if isinstance(node, ast.While):
                used = {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}
                for name in sorted(used & mine):
                    message = f"the loop waits until a person changes the widget {name}"
                    yield Finding("waits-for-widget", "error", *where, message, _ASK)
            for called in _called(node):
                if subject.dotted(called) in _WIDGETS:
                    message = f"nobody moves the widgets of {ast.unparse(called)}()"
                    fix = f"it runs with their first values at most; {_ASK}"
                    yield Finding("widget", "warning", *where, message, fix)
                elif (
                    uses_widgets and isinstance(called, ast.Attribute) and called.attr == "on_click"
                ):
                    message = f"nobody clicks {ast.unparse(called.value)} in a job"
                    fix = "call the function it runs as well"
                    yield Finding("widget", "warning", *where, message, fix)


def _called(node: ast.AST) -> list[ast.expr]:
    """Return what a call calls, and what decorates a function without being called."""
    if isinstance(node, ast.Call):
        return [node.func]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [one for one in node.decorator_list if not isinstance(one, ast.Call)]
    return []


def _widget_names(subject: Subject) -> set[str]:
    found: set[str] = set()
    for cell in subject.cells:
        for node in ast.walk(cell.tree) if cell.tree is not None else ():
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            if subject.dotted(node.value.func).startswith("ipywidgets."):
                found.update(t.id for t in node.targets if isinstance(t, ast.Name))
    return found


def magics(subject: Subject) -> Iterator[Finding]:
    """Find magics that wait for a person, need a display, or are not there."""
    loads = False
    for cell in subject.cells:
        for magic in cell.magics:
            if magic.kind == "shell":
                continue
            loads = loads or magic.name in ("load_ext", "reload_ext", "run")
            where = (cell.index, magic.line)
            if magic.name in _MAGICS:
                yield Finding(_MAGICS[magic.name], "error", *where,
                              f"{_written(magic)} waits for a person", _DEBUG)  # fmt: skip
            elif magic.name == "pdb" and magic.text.strip().lower() in ("on", "1", ""):
                yield Finding("debugger", "warning", *where,
                              "with %pdb on, an error opens a debugger that waits for a person",
                              "remove it: the traceback is in the log anyway")  # fmt: skip
            elif magic.name in ("matplotlib", "gui"):
                yield from _display(magic, *where)
            elif not loads and not _is_known(magic) and not _defines_magics(subject):
                yield Finding("unknown-magic", "warning", *where,
                              f"there is no magic {_written(magic)} in a job",
                              "load the extension that has it with %load_ext first")  # fmt: skip


def _display(magic: Magic, cell: int, line: int) -> Iterator[Finding]:
    words = set(magic.text.lower().split())
    if words & _GUI or (not words and magic.name == "matplotlib"):
        yield Finding("needs-display", "warning", cell, line,
                      f"{_written(magic)} opens windows, and a job has no display",
                      "write %matplotlib inline")  # fmt: skip
    elif words & _BROWSER:
        yield Finding("widget", "warning", cell, line,
                      f"{_written(magic)} draws in a browser, and a job has none",
                      "write %matplotlib inline")  # fmt: skip


def _written(magic: Magic) -> str:
    return f"{'%%' if magic.kind == 'cell' else '%'}{magic.name} {magic.text}".strip()


@functools.cache
def _known_magics() -> tuple[frozenset[str], frozenset[str]]:
    from IPython.core import magics as package
    from IPython.core.magic import Magics

    line: set[str] = {"alias_magic", "automagic", "pylab", "config", "store"}
    cell: set[str] = {"capture"}
    for module in pkgutil.iter_modules(package.__path__):
        for owner in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values():
            if isinstance(owner, type) and issubclass(owner, Magics):
                own = owner.magics or {}
                line.update(own.get("line", {}))
                cell.update(own.get("cell", {}))
    cell |= {"sh", "bash", "perl", "ruby", "python", "python2", "python3", "pypy", "cmd"}
    # Aliases of programs on POSIX systems.
    line |= {"ls", "ll", "lf", "lk", "ldir", "lx", "mkdir", "rmdir", "mv", "rm", "cp", "cat",
             "less", "more", "clear", "man"}  # fmt: skip
    return frozenset(line), frozenset(cell)


def _is_known(magic: Magic) -> bool:
    line, cell = _known_magics()
    return magic.name in (cell if magic.kind == "cell" else line)


def _defines_magics(subject: Subject) -> bool:
    """Whether importing or calling something may register magics."""
    return any(
        re.search(r"register_\w*magic|register_magics|load_ipython_extension", cell.source)
        for cell in subject.cells
    )
