"""How objects of many libraries are saved and put back *in place*.

A training loop's model, optimiser and history are held by names all over the notebook, so that a
loaded copy would be of no use: the object that is there must get the saved state. Objects are known
by what they can do (``state_dict``, ``get_weights``, …), never by their library, except those of
Keras (`checkpoint_keras`), whose weights alone are not their state.
"""

from __future__ import annotations

import collections
import random
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from . import checkpoint_keras
from .checkpoint_manifest import CheckpointError

Library = Any

_IMMUTABLE = (
    int, float, complex, bool, str, bytes, tuple, frozenset, range, slice, type(None), type,
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType,
)  # fmt: skip


def named(state: Any) -> dict[str, Any]:
    """Give the objects of `state` names: a mapping has them, a list or tuple gets numbers.

    Raises
    ------
    TypeError
        If something in it could not be restored in place.
    """
    objects: dict[str, Any]
    if state is None:
        return {}
    if isinstance(state, Mapping):
        objects = {str(name): obj for name, obj in state.items()}
    elif type(state) in (list, tuple) and any(_kind(obj) != "value" for obj in state):
        objects = {str(number): obj for number, obj in enumerate(state)}
    else:
        objects = {"state": state}
    for name, obj in objects.items():
        if _kind(obj) == "value" and not _changes_in_place(obj):
            raise TypeError(
                f"state[{name!r}] is {_article(type(obj).__name__)}, which cannot be changed in "
                "place, so it could be neither followed nor restored; keep it in a list or a dict, "
                f"for example state={{{name!r}: box}} with box = {{{name!r}: …}}"
            )
    return objects


def capture(objects: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return what must be saved of each object, by name."""
    kinds = {name: _kind(obj) for name, obj in objects.items()}
    return {name: (kind, _captured(kind, objects[name])) for name, kind in kinds.items()}


def _captured(kind: str, obj: Any) -> Any:
    if kind.startswith("keras"):
        return checkpoint_keras.capture(kind, obj)
    return _CAPTURE[kind](obj)


def check(objects: Mapping[str, Any], saved: Mapping[str, tuple[str, Any]]) -> None:
    """See whether `restore` could work, before anything is changed.

    Raises
    ------
    CheckpointError
        If an object is missing in `saved` or was saved as something else.
    """
    for name, obj in objects.items():
        if name not in saved:
            known = ", ".join(saved) or "nothing"
            raise CheckpointError(f"it has no {name!r}, only {known}")
        kind, value = saved[name]
        fits = kind == _kind(obj) and (kind != "value" or type(value) is type(obj))
        if fits and kind == "value" and hasattr(obj, "shape") and not hasattr(obj, "iloc"):
            fits = obj.shape == value.shape and obj.dtype == value.dtype
        elif fits and kind.startswith("keras"):
            fits = checkpoint_keras.fits(kind, obj, value)
        if not fits:
            raise CheckpointError(f"its {name!r} does not fit {_article(type(obj).__name__)} here")


def restore(objects: Mapping[str, Any], saved: Mapping[str, tuple[str, Any]]) -> None:
    """Put `saved` back into `objects`, in place; `check` first."""
    memo: dict[int, Any] = {}
    # Models first: an optimiser that was never used has no slots before it knows the variables.
    for name in sorted(objects, key=lambda name: _kind(objects[name]) == "keras-optimizer"):
        obj = objects[name]
        kind, value = saved[name]
        if kind == "value":
            if merge(obj, value, memo) is not obj:
                raise CheckpointError(
                    f"{name!r} cannot take the saved state: its size or type is another one"
                )
        elif kind.startswith("keras"):
            checkpoint_keras.restore(kind, obj, value, objects.values())
        else:
            _RESTORE[kind](obj, value)


def _kind(obj: Any) -> str:
    if isinstance(obj, type):
        return "value"
    of_keras = checkpoint_keras.kind(obj)
    if of_keras is not None:
        return of_keras
    if _callable(obj, "state_dict") and _callable(obj, "load_state_dict"):
        return "state_dict"
    if _callable(obj, "get_weights") and _callable(obj, "set_weights"):
        return "weights"
    return "value"


def _callable(obj: Any, name: str) -> bool:
    return callable(getattr(obj, name, None))


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"


def _changes_in_place(obj: Any) -> bool:
    if isinstance(obj, _IMMUTABLE):
        return False
    numpy: Library = sys.modules.get("numpy")
    if numpy is not None and isinstance(obj, numpy.generic):
        return False
    return merge(obj, obj, {}) is obj


# --- libraries ---------------------------------------------------------------------------------


_CAPTURE: dict[str, Callable[[Any], Any]] = {
    "state_dict": lambda obj: obj.state_dict(),
    "weights": lambda obj: obj.get_weights(),
    "value": lambda obj: obj,
}
_RESTORE: dict[str, Callable[[Any, Any], Any]] = {
    "state_dict": lambda obj, saved: obj.load_state_dict(saved),
    "weights": lambda obj, saved: obj.set_weights(saved),
}


# --- everything else ---------------------------------------------------------------------------


def merge(live: Any, saved: Any, memo: dict[int, Any]) -> Any:
    """Put the contents of `saved` into `live` as deep as possible; return what now stands for it.

    Arrays keep their memory and objects their identity, so that whatever else refers to them (an
    optimiser to its parameters) sees the restored values. What cannot be changed in place is
    replaced, and everything is replaced alike wherever it occurs.
    """
    known = memo.get(id(saved))
    if known is not None:
        return known[0]
    # What were two objects when they were saved must not meet in one that is there now.
    taken = memo.setdefault(0, set())
    result = live if type(live) is type(saved) and id(live) not in taken else saved
    taken.add(id(live))
    # `saved` itself is kept alive with the entry, since the memo goes by its id.
    memo[id(saved)] = (result, saved)
    if result is live and not _fill(live, saved, memo):
        memo[id(saved)] = (saved, saved)
        return saved
    return result


def _fill(live: Any, saved: Any, memo: dict[int, Any]) -> bool:
    kind = type(live)
    for family, fill in _FILL:
        if issubclass(kind, family):
            return fill(live, saved, memo)
    library = kind.__module__.partition(".")[0]
    if library in _FILL_BY_LIBRARY:
        answer = _FILL_BY_LIBRARY[library](live, saved)
        if answer is not None:
            return answer
    slots = _slots(kind)
    if isinstance(live, _IMMUTABLE) or not (slots or hasattr(live, "__dict__")):
        return False
    if any(
        name in base.__dict__
        for base in kind.__mro__[:-1]
        for name in ("__reduce__", "__reduce_ex__")
    ):
        return False  # it has its own idea of its state
    if hasattr(live, "__dict__"):
        _fill_dict(vars(live), vars(saved), memo)
    for slot in slots:
        if hasattr(saved, slot):
            setattr(live, slot, merge(getattr(live, slot, None), getattr(saved, slot), memo))
        elif hasattr(live, slot):
            delattr(live, slot)
    return True


def _slots(kind: type) -> list[str]:
    names: list[str] = []
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names.extend([slots] if isinstance(slots, str) else slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _fill_list(live: Any, saved: Any, memo: dict[int, Any]) -> bool:
    if live is not saved:
        old = list(live)
        merged = [merge(o, s, memo) for o, s in zip(old, saved, strict=False)]
        live[:] = merged + [merge(None, s, memo) for s in saved[len(merged) :]]
    return True


def _fill_dict(live: Any, saved: Any, memo: dict[int, Any]) -> bool:
    if live is not saved:
        merged = {key: merge(live.get(key), value, memo) for key, value in saved.items()}
        live.clear()
        live.update(merged)
    return True


def _fill_set(live: Any, saved: Any, _memo: dict[int, Any]) -> bool:
    if live is not saved:
        live.clear()
        live.update(saved)
    return True


def _fill_deque(live: Any, saved: Any, memo: dict[int, Any]) -> bool:
    if live is not saved:
        if live.maxlen != saved.maxlen:
            return False
        items = [merge(None, item, memo) for item in saved]
        live.clear()
        live.extend(items)
    return True


def _fill_bytearray(live: Any, saved: Any, _memo: dict[int, Any]) -> bool:
    live[:] = saved
    return True


def _fill_random(live: random.Random, saved: random.Random, _memo: dict[int, Any]) -> bool:
    live.setstate(saved.getstate())
    return True


_FILL: list[tuple[type, Callable[[Any, Any, dict[int, Any]], bool]]] = [
    (list, _fill_list),
    (dict, _fill_dict),
    (set, _fill_set),
    (bytearray, _fill_bytearray),
    (collections.deque, _fill_deque),
    (random.Random, _fill_random),
]


def _fill_numpy(live: Any, saved: Any) -> bool | None:
    import numpy as np

    if isinstance(live, np.ndarray):
        fits = live.shape == saved.shape and live.dtype == saved.dtype and live.flags.writeable
        if fits:
            live[...] = saved
        return bool(fits)
    if isinstance(live, np.random.Generator):
        live.bit_generator.state = saved.bit_generator.state
        return True
    if isinstance(live, np.random.BitGenerator):
        live.state = saved.state
        return True
    if isinstance(live, np.random.RandomState):
        live.set_state(saved.get_state(legacy=False))
        return True
    return None


def _fill_pandas(live: Any, saved: Any) -> bool | None:
    if hasattr(live, "_update_inplace"):
        if live is not saved:
            live._update_inplace(saved)
        return True
    return None


def _fill_torch(live: Any, saved: Any) -> bool | None:
    torch: Library = sys.modules["torch"]
    if isinstance(live, torch.Tensor):
        fits = live.shape == saved.shape and live.dtype == saved.dtype
        if fits:
            with torch.no_grad():
                live.copy_(saved)
        return bool(fits)
    if isinstance(live, torch.Generator):
        live.set_state(saved.get_state())
        return True
    return None


_FILL_BY_LIBRARY: dict[str, Callable[[Any, Any], bool | None]] = {
    "numpy": _fill_numpy,
    "pandas": _fill_pandas,
    "torch": _fill_torch,
}
