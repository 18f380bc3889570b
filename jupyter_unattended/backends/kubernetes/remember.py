"""Outside a cluster: image and volumes as last given, so that they are asked for only once."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..base import Bundle
from .options import KubernetesOptions


@dataclass(frozen=True)
class Remembered:
    """What was last given for one context of the kubeconfig."""

    image: str | None = None
    volumes: tuple[str, ...] = ()

    def fill_in(
        self, bundle: Bundle, options: KubernetesOptions
    ) -> tuple[Bundle, KubernetesOptions]:
        """Return a job and its options with what is missing in them."""
        if self.image and not bundle.spec.image:
            spec = bundle.spec.model_copy(update={"image": self.image})
            bundle = replace(bundle, spec=spec)
        if self.volumes and not options.volume:
            options = options.model_copy(update={"volume": list(self.volumes)})
        return bundle, options


def recall(state_dir: Path | None, context: str) -> Remembered:
    """Return what was last given for `context`; empty where nothing was, or it cannot be read."""
    entry = _read(state_dir).get(context)
    if not isinstance(entry, dict):
        return Remembered()
    return Remembered(entry.get("image"), tuple(entry.get("volumes", ())))


def remember(state_dir: Path | None, context: str, image: str, volumes: Sequence[str]) -> None:
    """Keep what was given for `context`; where that cannot be done, it is asked for again."""
    if state_dir is None:
        return
    content = {**_read(state_dir), context: {"image": image, "volumes": list(volumes)}}
    file = _file(state_dir)
    fresh = file.with_name(f".{file.name}-{os.getpid()}")
    with contextlib.suppress(OSError):
        fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
        fresh.replace(file)


def _read(state_dir: Path | None) -> dict[str, object]:
    if state_dir is None:
        return {}
    try:
        found = json.loads(_file(state_dir).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _file(state_dir: Path) -> Path:
    return state_dir / "kubernetes.json"
