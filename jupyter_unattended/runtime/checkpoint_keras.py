"""Keras objects in checkpoints.

The variables of a model are not all of its state: there are those of its optimiser, of its metrics,
and what `compile` makes only when it sees the first data. Keras takes a batch for that, which may
be drawn at random; where an attempt goes on, that must not disturb the random states.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import checkpoint_random
from .checkpoint_manifest import CheckpointError
from .snapshot_functions import importable

#: keras is whatever the notebook imported; it is never imported from here first.
Library = Any

_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, type(None))


def kind(obj: Any) -> str | None:
    """Return what `obj` is to Keras: a model, an optimizer, …; None if it is nothing of Keras."""
    if isinstance(obj, type) or not any(_is_keras(base) for base in type(obj).__mro__):
        return None
    if hasattr(obj, "apply_gradients") and hasattr(obj, "built"):
        return "keras-optimizer"
    if hasattr(obj, "trainable_variables") and hasattr(obj, "built"):
        return "keras"
    if hasattr(obj, "on_epoch_end") and hasattr(obj, "set_model"):
        return "keras-callback"
    if _variables(obj) is not None:
        return "keras-variables"
    return None


def _is_keras(base: type) -> bool:
    return base.__module__.partition(".")[0] == "keras"


def _variables(obj: Any) -> list[Any] | None:
    """Return the variables of a metric, a random generator, …, or of `obj` as one itself."""
    if hasattr(obj, "assign") and hasattr(obj, "numpy"):
        return [obj]
    if hasattr(obj, "state") and hasattr(obj.state, "assign"):
        return [obj.state]
    found = getattr(obj, "variables", None)
    return list(found) if isinstance(found, (list, tuple)) else None


def capture(what: str, obj: Any) -> Any:
    """Return what must be saved of `obj`, which is `what` by `kind`."""
    if what == "keras":
        return _capture_model(obj)
    if what == "keras-optimizer":
        return _values(obj.variables) if obj.built else None
    if what == "keras-callback":
        return _plain_attributes(obj)
    return _values(_variables(obj) or [])


def fits(what: str, obj: Any, saved: Any) -> bool:
    """Return whether `saved` could be put back into `obj`, as far as can be told before."""
    if what == "keras":
        return not obj.built or _shapes(obj.variables) == _shapes(saved["variables"])
    if what == "keras-optimizer":
        return not (obj.built and saved) or _shapes(obj.variables) == _shapes(saved)
    if what == "keras-variables":
        return _shapes(_variables(obj) or []) == _shapes(saved)
    return True


def _shapes(variables: Iterable[Any]) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in variables]


def restore(what: str, obj: Any, saved: Any, objects: Iterable[Any]) -> None:
    """Put `saved` back into `obj`; `objects` are all that are restored together."""
    if what == "keras":
        _restore_model(obj, saved)
    elif what == "keras-optimizer":
        if saved is not None:
            models = [model for model in objects if kind(model) == "keras"]
            _restore_optimizer(obj, saved, [v for m in models for v in m.trainable_variables])
    elif what == "keras-callback":
        vars(obj).update(saved)
    else:
        _assign(_variables(obj) or [], saved, f"the {type(obj).__name__}")


def _values(variables: Iterable[Any]) -> list[Any]:
    import numpy as np

    return [np.array(variable) for variable in variables]


def _plain_attributes(callback: Any) -> dict[str, Any]:
    """Return what a callback remembers, such as the best value so far: not the model it has.

    Functions that are found by name are among it: with the first data, EarlyStopping finds one to
    compare by, and changes the sign of its least difference then, once.
    """
    return {
        name: value
        for name, value in vars(callback).items()
        if name != "params"
        and (
            isinstance(value, _PLAIN)
            or hasattr(value, "__array__")
            or (isinstance(value, types.FunctionType) and importable(value))
        )
    }


def _capture_model(model: Any) -> dict[str, Any]:
    optimizer: Library = getattr(model, "optimizer", None)
    compiled = _compiled(model)
    return {
        "built": model.get_build_config() if model.built else None,
        "variables": _values(model.variables),
        "optimizer": capture("keras-optimizer", optimizer) if optimizer is not None else None,
        "metrics": (
            _values(model.metrics_variables)
            if compiled and all(part.built for part in compiled)
            else None
        ),
    }


def _compiled(model: Any) -> list[Any]:
    """Return what `compile` made and the first data complete."""
    parts = (getattr(model, name, None) for name in ("_compile_metrics", "_compile_loss"))
    return [part for part in parts if part is not None]


def _restore_model(model: Any, saved: Mapping[str, Any]) -> None:
    if saved["built"] and not model.built:
        model.build_from_config(saved["built"])
    _assign(model.variables, saved["variables"], "the model")
    optimizer: Library = getattr(model, "optimizer", None)
    if saved["optimizer"] is not None and optimizer is not None:
        _restore_optimizer(optimizer, saved["optimizer"], model.trainable_variables)
    if saved["metrics"] is not None:
        _restore_metrics(model, saved["metrics"])


def _restore_optimizer(optimizer: Any, saved: Sequence[Any], variables: list[Any]) -> None:
    if not optimizer.built:
        optimizer.build(variables)
    _assign(optimizer.variables, saved, "the optimizer")


def _restore_metrics(model: Any, saved: Sequence[Any]) -> None:
    """Restore the metrics, now or when the model has seen its first data."""
    if all(part.built for part in _compiled(model)):
        _assign(model.metrics_variables, saved, "the metrics")
        return
    build: Library = getattr(model, "_symbolic_build", None)
    if build is None:
        return

    def build_aside(*arguments: Any, **options: Any) -> Any:
        vars(model).pop("_symbolic_build", None)
        states = checkpoint_random.capture()
        result = build(*arguments, **options)
        checkpoint_random.restore(states)
        _assign(model.metrics_variables, saved, "the metrics")
        return result

    object.__setattr__(model, "_symbolic_build", build_aside)


def _assign(variables: Sequence[Any], values: Sequence[Any], whose: str) -> None:
    if len(variables) != len(values):
        raise CheckpointError(
            f"{whose} has {len(variables)} variables and {len(values)} were saved"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
