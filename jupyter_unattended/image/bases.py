"""What an image is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import SpecError

#: PyTorch's minor version -> the CUDA and cuDNN of the image that its makers offer for it.
_TORCH = {
    "2.1": ("12.1", 8), "2.2": ("12.1", 8), "2.3": ("12.1", 8), "2.4": ("12.4", 9),
    "2.5": ("12.4", 9), "2.6": ("12.6", 9), "2.7": ("12.8", 9), "2.8": ("12.8", 9),
}  # fmt: skip


@dataclass(frozen=True)
class Base:
    """A base image; `reason` is why, for a comment."""

    image: str
    reason: str
    pinned: bool = False


def choose(wanted: str, python_version: str, packages: Mapping[str, str]) -> Base:
    """Return the base image for ``python``, ``ml``, or an image's own name.

    Parameters
    ----------
    wanted
        What was asked for.
    python_version
        The kernel's Python.
    packages
        What is installed in the kernel's environment: distribution -> version.

    Raises
    ------
    SpecError
        If there is no well-known image for what the environment has.
    """
    minor = ".".join(python_version.split(".")[:2])
    if wanted == "python":
        return Base(
            f"python:{minor}-slim",
            f"A plain Python of the version that the notebook's kernel has here ({minor}).",
        )
    if wanted != "ml":
        return Base(wanted, "As asked for with --base.")
    if "torch" in packages:
        version = packages["torch"].partition("+")[0]
        cuda, cudnn = _TORCH.get(".".join(version.split(".")[:2]), ("12.8", 9))
        said = re.search(r"\+cu(\d+)(\d)$", packages["torch"])
        if said:
            cuda = f"{said[1]}.{said[2]}"
        return Base(
            f"pytorch/pytorch:{version}-cuda{cuda}-cudnn{cudnn}-runtime",
            f"The PyTorch project's own image of the version installed here ({version}).",
        )
    if "tensorflow" in packages:
        version = packages["tensorflow"]
        return Base(
            f"tensorflow/tensorflow:{version}-gpu",
            f"The TensorFlow project's own image of the version installed here ({version}).",
        )
    raise SpecError(
        "base: ml is for notebooks with PyTorch or TensorFlow, and the kernel's environment has "
        "neither; use --base python, or the name of an image."
    )
