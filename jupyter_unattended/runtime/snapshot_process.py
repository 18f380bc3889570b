"""What belongs to the process and not to a variable: directory, environment, options, generators.

Only what the notebook changed is saved, see `snapshot_baseline`, so that a job that is resumed on
another host keeps that host's own settings.
"""

from __future__ import annotations

import contextlib
import decimal
import functools
import locale
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import api, checkpoint_random
from .checkpoint_manifest import CheckpointError
from .snapshot_baseline import Baseline, extensions

Library = Any


def state_of(baseline: Baseline, shell: Any) -> dict[str, Any]:
    """Return what the notebook changed; to be pickled together with its variables."""
    state: dict[str, Any] = {
        "random": checkpoint_random.capture(),
        "warnings": list(warnings.filters),
        "decimal": decimal.getcontext(),
        "recursion": sys.getrecursionlimit(),
        "locale": locale.setlocale(locale.LC_ALL),
        "argv": list(sys.argv),
        "logging": _logging_state(),
        "handlers": baseline.handlers_since(),
        "on_stop": list(getattr(api._stop, "_callbacks", ())),
        "magics": baseline.magics_since(shell),
        "extensions": [name for name in extensions(shell) if name not in baseline.extensions],
    }
    for name, (module, capture, _) in _OPTIONS.items():
        library: Library = sys.modules.get(module)
        if library is not None:
            state[name] = capture(library)
    return state


def enter(surroundings: Mapping[str, Any]) -> None:
    """Set what `Baseline.surroundings` returned.

    Raises
    ------
    CheckpointError
        If the working directory is gone.
    """
    for name in surroundings["environ_removed"]:
        os.environ.pop(name, None)
    os.environ.update(surroundings["environ"])
    if "TZ" in surroundings["environ"] or "TZ" in surroundings["environ_removed"]:
        time.tzset()
    try:
        os.chdir(surroundings["cwd"])
    except OSError as error:
        raise CheckpointError(
            f"its working directory {surroundings['cwd']} is gone ({error.strerror})"
        ) from error
    for entry in surroundings["path_removed"]:
        with contextlib.suppress(ValueError):
            sys.path.remove(entry)
    for place, entry in surroundings["path_added"]:
        if entry not in sys.path:
            sys.path.insert(place, entry)


def restore(state: Mapping[str, Any], shell: Any) -> list[str]:
    """Set what `state_of` returned; return what could not be, in words.

    Random states are not among it: they are set last of all, see `checkpoint_random`.
    """
    problems: list[str] = []
    steps: list[tuple[str, Callable[[], object]]] = [
        ("decimal context", lambda: decimal.setcontext(state["decimal"])),
        ("sys.argv", lambda: sys.argv.__setitem__(slice(None), state["argv"])),
        ("logging", lambda: _restore_logging(state["logging"])),
        ("signal handlers", lambda: _restore_handlers(state["handlers"])),
        ("on_stop", lambda: [api.on_stop(callback) for callback in state["on_stop"]]),
        ("recursion limit", lambda: sys.setrecursionlimit(state["recursion"])),
    ]
    if locale.setlocale(locale.LC_ALL) != state["locale"]:
        steps.append(("locale", lambda: locale.setlocale(locale.LC_ALL, state["locale"])))
    for name, (module, _, put) in _OPTIONS.items():
        if name in state and module in sys.modules:
            library = sys.modules[module]
            steps.append((name, functools.partial(put, library, state[name])))
    if shell is not None:
        steps.append(("extensions", lambda: _restore_extensions(shell, state["extensions"])))
        steps.append(("magics", lambda: _restore_magics(shell, state["magics"])))
    for what, step in steps:
        with warnings.catch_warnings(), _noting(what, problems):
            warnings.simplefilter("ignore")
            step()
    _restore_warnings(state["warnings"])
    return problems


@contextlib.contextmanager
def _noting(what: str, problems: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        problems.append(f"{what}: {type(error).__name__}: {error}")


# --- warnings, signals, IPython ------------------------------------------------------------------


def _restore_warnings(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    # Python caches which filter fits a place until it is told that they have changed.
    warnings.simplefilter("default", _NoWarning)
    warnings.filters.pop(0)  # type: ignore[attr-defined]


class _NoWarning(Warning):
    """Of which none is ever issued."""


def _restore_handlers(handlers: Mapping[str, Any]) -> None:
    for name, handler in handlers.items():
        signal.signal(getattr(signal, name), handler)


def _restore_extensions(shell: Any, names: list[str]) -> None:
    for name in names:
        shell.extension_manager.load_extension(name)


def _restore_magics(shell: Any, magics: Mapping[str, Mapping[str, Any]]) -> None:
    for kind, functions in magics.items():
        for name, function in functions.items():
            shell.magics_manager.register_function(function, kind, name)


# --- logging -------------------------------------------------------------------------------------


def _logging_state() -> dict[str, Any]:
    """Return levels, and the handlers that write to the standard streams or to files."""
    loggers = {"": logging.getLogger()}
    loggers |= {
        name: logger
        for name, logger in list(logging.Logger.manager.loggerDict.items())
        if isinstance(logger, logging.Logger)
    }
    return {
        "disable": logging.root.manager.disable,
        "loggers": {
            name: {
                "level": logger.level,
                "propagate": logger.propagate,
                "disabled": logger.disabled,
                "handlers": [d for h in logger.handlers if (d := _describe_handler(h))],
            }
            for name, logger in loggers.items()
            if logger.level or logger.handlers or not logger.propagate or logger.disabled
        },
    }


def _describe_handler(handler: logging.Handler) -> dict[str, Any] | None:
    formatter = handler.formatter
    if formatter is not None and type(formatter) is not logging.Formatter:
        return None
    described: dict[str, Any] = {"level": handler.level, "name": handler.get_name()}
    if formatter is not None:
        style = type(formatter._style).__name__
        described["format"] = [formatter._fmt, formatter.datefmt, _STYLES.get(style, "%")]
    if type(handler) is logging.FileHandler:
        described["file"] = [handler.baseFilename, handler.encoding]
    elif type(handler) is logging.StreamHandler and handler.stream in (sys.stdout, sys.stderr):
        described["stream"] = "stdout" if handler.stream is sys.stdout else "stderr"
    else:
        return None
    return described


_STYLES = {"PercentStyle": "%", "StrFormatStyle": "{", "StringTemplateStyle": "$"}


def _restore_logging(state: Mapping[str, Any]) -> None:
    logging.disable(state["disable"])
    for name, saved in state["loggers"].items():
        logger = logging.getLogger(name or None)
        logger.setLevel(saved["level"])
        logger.propagate = saved["propagate"]
        logger.disabled = saved["disabled"]
        if saved["handlers"] and not any(_describe_handler(h) for h in logger.handlers):
            for described in saved["handlers"]:
                logger.addHandler(_make_handler(described))


def _make_handler(described: Mapping[str, Any]) -> logging.Handler:
    handler: logging.Handler
    if "file" in described:
        file, encoding = described["file"]
        handler = logging.FileHandler(file, mode="a", encoding=encoding)
    else:
        handler = logging.StreamHandler(getattr(sys, described["stream"]))
    handler.setLevel(described["level"])
    if described["name"]:
        handler.set_name(described["name"])
    if "format" in described:
        handler.setFormatter(logging.Formatter(*described["format"]))
    return handler


# --- options of libraries ------------------------------------------------------------------------


def _numpy_state(numpy: Library) -> dict[str, Any]:
    options = numpy.get_printoptions()
    options.pop("override_repr", None)
    return {"print": options, "errors": numpy.geterr()}


def _restore_numpy(numpy: Library, state: Mapping[str, Any]) -> None:
    numpy.set_printoptions(**state["print"])
    numpy.seterr(**state["errors"])


def _pandas_state(pandas: Library) -> dict[str, Any]:
    config: Library = sys.modules.get("pandas._config.config")
    changed = {}
    if config is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for key, option in config._registered_options.items():
                value = config.get_option(key)
                if value is not option.defval and value != option.defval:
                    changed[key] = value
    return changed


def _restore_pandas(pandas: Library, state: Mapping[str, Any]) -> None:
    for key, value in state.items():
        pandas.set_option(key, value)


def _matplotlib_state(matplotlib: Library) -> dict[str, Any]:
    default = getattr(matplotlib, "rcParamsOrig", {})
    return {
        key: matplotlib.rcParams._get(key)
        for key in matplotlib.rcParams
        if not key.startswith("backend") and matplotlib.rcParams._get(key) != default.get(key)
    }


def _restore_matplotlib(matplotlib: Library, state: Mapping[str, Any]) -> None:
    for key, value in state.items():
        matplotlib.rcParams[key] = value


def _torch_state(torch: Library) -> dict[str, Any]:
    return {
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
    }


def _restore_torch(torch: Library, state: Mapping[str, Any]) -> None:
    torch.set_default_dtype(state["dtype"])
    torch.set_grad_enabled(state["grad"])
    torch.set_num_threads(state["threads"])
    torch.use_deterministic_algorithms(state["deterministic"])
    torch.backends.cudnn.benchmark = state["benchmark"]


def _sklearn_state(sklearn: Library) -> dict[str, Any]:
    return dict(sklearn.get_config())


def _restore_sklearn(sklearn: Library, state: Mapping[str, Any]) -> None:
    sklearn.set_config(**state)


#: Name -> module that must be loaded, how to capture, how to restore.
_OPTIONS: dict[str, tuple[str, Callable[[Library], Any], Callable[[Library, Any], None]]] = {
    "numpy options": ("numpy", _numpy_state, _restore_numpy),
    "pandas options": ("pandas", _pandas_state, _restore_pandas),
    "matplotlib options": ("matplotlib", _matplotlib_state, _restore_matplotlib),
    "torch options": ("torch", _torch_state, _restore_torch),
    "scikit-learn options": ("sklearn", _sklearn_state, _restore_sklearn),
}
