"""PyTorch storages and JAX arrays in checkpoints.

PyTorch pickles a storage by writing it into memory first; here its bytes go straight to the disk.
Tensors that share a storage share it again. Tensors on a GPU come back on the same GPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint_pickle import BufferPickler

#: torch and jax are whatever the notebook imported; they are never imported from here first.
Library = Any


def reducers() -> dict[type, Callable[[BufferPickler, Any], Any]]:
    """Return the reducers for the libraries that are loaded."""
    found: dict[type, Callable[[BufferPickler, Any], Any]] = {}
    torch: Library = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "UntypedStorage"):
        found[torch.UntypedStorage] = _reduce_untyped
        found[torch.storage.TypedStorage] = _reduce_typed
    array: Library = sys.modules.get("jax._src.array")
    if array is not None and hasattr(array, "ArrayImpl"):
        found[array.ArrayImpl] = _reduce_jax
    return found


def _reduce_typed(pickler: BufferPickler, storage: Any) -> Any:
    untyped = storage._untyped_storage
    # PyTorch makes a new Python object for a storage each time it is asked.
    untyped = pickler.shared.setdefault(("torch", untyped._cdata), untyped)
    return load_typed_storage, (untyped, storage.dtype)


def _reduce_untyped(pickler: BufferPickler, storage: Any) -> Any:
    torch: Library = sys.modules["torch"]
    known: Any = pickler.shared.setdefault(("torch", storage._cdata), storage)
    if known is not storage:
        return same, (known,)
    device = str(storage.device)
    size = storage.nbytes()
    local = storage if device == "cpu" else storage.cpu()
    data = None
    if size:
        data = pickler.store(memoryview(_bytes_of(torch, local)))
    return load_storage, (data, size, device)


def _bytes_of(torch: Library, storage: Any) -> Any:
    return torch.empty(0, dtype=torch.uint8).set_(storage).numpy()


def load_storage(fill: Callable[[Any, memoryview], None], data: Any, size: int, device: str) -> Any:
    """Make a storage, read its bytes straight into it and move it to its device."""
    import torch  # type: ignore[import-not-found,unused-ignore]

    storage = torch.UntypedStorage(size)
    if data is not None:
        fill(data, memoryview(_bytes_of(torch, storage)))
    if device == "cpu":
        return storage
    kind, _, number = device.partition(":")
    return storage.to(device=torch.device(kind, int(number or 0)))


def load_typed_storage(untyped: Any, dtype: Any) -> Any:
    """Make the typed face of a storage, which PyTorch's own pickles of tensors refer to."""
    import torch

    return torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)


def same(obj: Any) -> Any:
    """Return `obj`: two names of one thing."""
    return obj


def _reduce_jax(_pickler: BufferPickler, array: Any) -> Any:
    import numpy as np

    if len(array.devices()) != 1:
        return NotImplemented  # JAX's own way, through one copy in memory
    return load_jax, (np.asarray(array), bool(array.weak_type))


def load_jax(values: Any, weak_type: bool) -> Any:
    """Put the values on the default device, as wide as they were."""
    import jax  # type: ignore[import-not-found,unused-ignore]

    config: Library = jax.config
    wide = config.jax_enable_x64
    try:
        config.update("jax_enable_x64", wide or values.dtype.itemsize >= 8)
        array = jax.device_put(values)
    finally:
        config.update("jax_enable_x64", wide)
    if weak_type:
        array.aval = array.aval.update(weak_type=True)
    return array


#: What of JAX's options changes results, or what arrays can be.
_JAX_OPTIONS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_enable_custom_prng",
    "jax_threefry_partitionable",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_disable_jit",
)


def jax_options() -> dict[str, Any]:
    """Return options of JAX; they must be set before any array is loaded."""
    jax: Library = sys.modules.get("jax")
    values = getattr(getattr(jax, "config", None), "values", {})
    return {name: values[name] for name in _JAX_OPTIONS if name in values}


def set_jax_options(options: dict[str, Any]) -> None:
    """Set what `jax_options` returned, where JAX is loaded."""
    jax: Library = sys.modules.get("jax")
    if jax is None:
        return
    now = jax_options()
    for name, value in options.items():
        if now.get(name, value) != value:
            jax.config.update(name, value)
