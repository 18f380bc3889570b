"""Strategic merge patches, applied here so that a preview shows what will be sent."""

from __future__ import annotations

import copy
from typing import Any

#: Lists whose entries are told apart by a key, by the list's field name. All others are replaced.
_KEYS = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "ports": "containerPort",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}


def merge(original: Any, patch: Any, name: str = "") -> Any:
    """Return `original` with `patch` merged in.

    Null removes; of the directives ``$patch`` (``replace`` and ``delete``) and ``$retainKeys`` are
    obeyed.

    Parameters
    ----------
    original, patch
        Parts of objects, at the same place.
    name
        Name of the field they are in.
    """
    if isinstance(patch, dict):
        return _merge_objects(original if isinstance(original, dict) else {}, patch)
    key = _KEYS.get(name)
    if key is not None and isinstance(patch, list) and all(isinstance(e, dict) for e in patch):
        return _merge_lists(original if isinstance(original, list) else [], patch, key)
    return copy.deepcopy(patch)


def _merge_objects(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = {} if patch.get("$patch") in ("replace", "delete") else dict(original)
    if "$retainKeys" in patch:
        merged = {name: value for name, value in merged.items() if name in patch["$retainKeys"]}
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value, name)
    return merged


def _merge_lists(original: list[Any], patch: list[Any], key: str) -> list[Any]:
    merged = [] if any(entry.get("$patch") == "replace" for entry in patch) else list(original)
    for entry in patch:
        places = [index for index, old in enumerate(merged) if old.get(key) == entry.get(key)]
        if entry.get("$patch") == "delete":
            merged = [old for index, old in enumerate(merged) if index not in places]
        elif entry.keys() == {"$patch"}:
            continue
        elif places:
            merged[places[0]] = merge(merged[places[0]], entry)
        else:
            merged.append(merge(None, entry))
    return merged
