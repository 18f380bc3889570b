"""Pickling a notebook's namespace, and restoring it into a live one."""

from __future__ import annotations

import functools
import io
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import snapshot_classes, snapshot_functions, snapshot_leftovers
from .checkpoint_pickle import BufferPickler, BufferUnpickler
from .snapshot_classes import Contents


class _EndOfSkeletons:
    """Stands in the pickle where classes have been made and get their contents from there on."""


class _Names:
    """Variables that are put into the namespace while the pickle is still being loaded."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names


#: What the notebook's own ``__setstate__`` and the like may need: modules, functions, constants.
_FIRST = (types.ModuleType, types.FunctionType, type, bool, int, float, str, bytes, type(None))


def set_names(namespace: dict[str, Any], names: dict[str, Any]) -> None:
    """Put variables into the live namespace."""
    namespace.update(names)


class _Later:
    """A list in the pickle whose items are known only when it is reached."""

    def __init__(self, items: Callable[[], Iterator[Any]]) -> None:
        self.items = items


class NamespacePickler(BufferPickler):
    """Pickles objects of the notebook whose namespace is `namespace`."""

    def __init__(
        self, file: Any, put: Callable[[memoryview], int], namespace: dict[str, Any]
    ) -> None:
        super().__init__(file, put)
        self.namespace = namespace
        #: While true, classes are made without contents and noted in `skeletons`.
        self.only_skeletons = False
        self.skeletons: list[type] = []
        #: What was saved by value, for those who want to know which names it uses.
        self.functions: list[Any] = []
        self.classes: list[type] = []
        for module in (snapshot_functions, snapshot_classes, snapshot_leftovers):
            self.reducers.update(module.reducers())
        contents: Any = snapshot_classes.reduce_contents
        self.reducers[Contents] = contents
        self._standing: dict[str, dict[int, str]] = {}
        self._namespace_module = sys.modules.get("__main__")

    def reducer_override(self, obj: Any) -> Any:
        """Answer pickle's question how `obj` is to be saved."""
        self.current = obj
        kind = type(obj)
        if issubclass(kind, type):  # isinstance() would take list[int] for a class, before 3.11
            return snapshot_classes.reduce_class(self, obj)
        if kind is _EndOfSkeletons:
            self.only_skeletons = False
            return bool, ()
        if kind is _Names:
            return set_names, (obj.names,)
        if kind is _Later:
            return list, (), None, obj.items()
        reducer = self.reducers.get(kind)
        if reducer is not None:
            return reducer(self, obj)
        name = self._standing_name(kind.__module__, id(obj))
        if name is not None:
            return find_standing, (kind.__module__, name)
        special = _special(obj)
        return NotImplemented if special is None else special

    def _standing_name(self, module: str, identity: int) -> str | None:
        """Return the name that an object has in the module of its class, if it has one there.

        Sentinels, ``os.environ``, the generator behind ``random.random``: such objects are the
        module's, and a copy of one would be another thing.
        """
        names = self._standing.get(module)
        if names is None:
            names = {}
            loaded = sys.modules.get(module)
            foreign = loaded is not None and module not in ("__main__", "builtins")
            if loaded is not None and foreign and not is_workspace_module(loaded):
                names = {id(value): name for name, value in vars(loaded).items()}
            self._standing[module] = names
        return names.get(identity)


class NamespaceUnpickler(BufferUnpickler):
    """Inverse of `NamespacePickler`; functions are bound to `namespace`."""

    def __init__(self, *arguments: Any, namespace: dict[str, Any]) -> None:
        super().__init__(*arguments)
        self._bound = {
            (function.__module__, function.__name__): functools.partial(function, namespace)
            for function in (snapshot_functions.make_function, set_names)
        }

    def find_class(self, module: str, name: str) -> Any:
        """Functions are made on the live namespace."""
        bound = self._bound.get((module, name))
        return super().find_class(module, name) if bound is None else bound


def arrange(pickler: NamespacePickler, parts: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the tuple to be dumped by `pickler` for `parts`."""
    pickler.only_skeletons = True
    classes = [
        value
        for part in parts.values()
        if isinstance(part, dict)
        for value in part.values()
        if issubclass(type(value), type) and snapshot_classes.by_value(value)
    ]

    def contents() -> Iterator[Contents]:
        done = 0
        while done < len(pickler.skeletons):
            yield Contents(pickler.skeletons[done])
            done += 1

    names = {
        name: snapshot_functions.without_builtins(pickler, value) if type(value) is dict else value
        for name, value in parts.get("names", {}).items()
    }
    first = {name: value for name, value in names.items() if isinstance(value, _FIRST)}
    together = {**parts, "names": names} if "names" in parts else dict(parts)
    return classes, _EndOfSkeletons(), _Later(contents), _Names(first), together


def find_standing(module: str, name: str) -> Any:
    """Return the object that stands under `name` in `module`."""
    return vars(snapshot_functions.find_module(module))[name]


def current_shell() -> Any:
    """Return IPython's shell of this process."""
    from IPython import get_ipython  # type: ignore[attr-defined,unused-ignore]

    return get_ipython()  # type: ignore[no-untyped-call,unused-ignore]


def standard_stream(name: str) -> Any:
    """Return ``sys.stdout`` or ``sys.stderr`` as it is now."""
    return getattr(sys, name)


def _special(obj: Any) -> Any:
    if isinstance(obj, BaseException):
        return snapshot_leftovers.reduce_exception(obj)
    if obj is sys.stdout:
        return standard_stream, ("stdout",)
    if obj is sys.stderr:
        return standard_stream, ("stderr",)
    saveable = sys.modules.get("keras.src.saving.keras_saveable")
    if saveable is not None and isinstance(obj, saveable.KerasSaveable):
        # Its own pickle parts a model from its optimiser without a word.
        raise snapshot_leftovers.UnsaveableError("a Keras object")
    widgets = sys.modules.get("ipywidgets.widgets.widget")
    if widgets is not None and isinstance(obj, widgets.Widget):
        # What it writes cannot be loaded without the page that shows it.
        raise snapshot_leftovers.UnsaveableError("a widget")
    shell = sys.modules.get("IPython.core.interactiveshell")
    if shell is not None and isinstance(obj, shell.InteractiveShell):
        return current_shell, ()
    return None


@functools.lru_cache(maxsize=4096)
def _is_workspace_file(file: str) -> bool:
    import sysconfig

    roots = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    if any(file.startswith(root.rstrip("/") + "/") for root in roots if root):
        return False
    return "/site-packages/" not in file and "/dist-packages/" not in file


def is_workspace_module(module: types.ModuleType) -> bool:
    """Return whether the user wrote `module`: a file beside the notebook or in the workspace."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or module.__name__.partition(".")[0] == "jupyter_unattended":
        return False
    return _is_workspace_file(file)


class Probe:
    """Finds what cannot be saved, without writing anything."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def problem(self, value: Any) -> str | None:
        """Return why `value` cannot be saved, as a noun phrase; None if it can."""
        pickler = NamespacePickler(_Nowhere(), lambda _view: 0, self._namespace)
        try:
            pickler.dump(value)
        except snapshot_leftovers.UnsaveableError as error:
            return str(error)
        except RecursionError:
            return "a structure that is nested too deeply"
        except Exception:
            return snapshot_leftovers.describe(pickler.current)
        return None


class _Nowhere(io.RawIOBase):
    def write(self, data: Any) -> int:
        return memoryview(data).nbytes
