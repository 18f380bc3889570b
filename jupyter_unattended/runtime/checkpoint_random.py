"""Random states of the process: random, NumPy, PyTorch with CUDA, Keras."""

from __future__ import annotations

import random
import sys
from typing import Any

Library = Any


def capture() -> dict[str, Any]:
    """Return the states of every generator that the process's libraries share."""
    states: dict[str, Any] = {"random": random.getstate()}
    numpy: Library = sys.modules.get("numpy.random")
    if numpy is not None:
        states["numpy"] = numpy.get_state(legacy=False)
    torch: Library = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        states["torch"] = torch.get_rng_state().numpy().tobytes()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            states["cuda"] = [s.numpy().tobytes() for s in torch.cuda.get_rng_state_all()]
    seed = _keras_seed()
    if seed is not None:
        states["keras"] = _keras_values(seed)
    return states


def restore(states: dict[str, Any]) -> None:
    """Set what `capture` returned; libraries that are not loaded now are left alone."""
    random.setstate(states["random"])
    numpy: Library = sys.modules.get("numpy.random")
    if numpy is not None and "numpy" in states:
        numpy.set_state(states["numpy"])
    torch: Library = sys.modules.get("torch")
    if torch is not None and "torch" in states:
        torch.set_rng_state(_tensor(torch, states["torch"]))
        if "cuda" in states and torch.cuda.device_count() == len(states["cuda"]):
            torch.cuda.set_rng_state_all([_tensor(torch, state) for state in states["cuda"]])
    if "keras" in states and "keras" in sys.modules:
        seed = _keras_seed(create=True)
        if seed is not None:
            seed.state.assign(states["keras"])


def _tensor(torch: Library, data: bytes) -> Any:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _keras_seed(create: bool = False) -> Any:
    """Return Keras 3's own generator, which layers without a seed draw from; None without one."""
    module: Library = sys.modules.get("keras.src.random.seed_generator")
    state: Library = sys.modules.get("keras.src.backend.common.global_state")
    if module is None or state is None:
        return None
    if not create and state.get_global_attribute(module.GLOBAL_SEED_GENERATOR) is None:
        return None
    return module.global_seed_generator()


def _keras_values(seed: Any) -> Any:
    import numpy as np

    return np.array(seed.state)
