"""Strategic merge patches, applied here so that a preview shows what will be sent."""

from __future__ import annotations

import copy
from typing import Any

#: Lists whose entries are told apart by a key, by the list's field name. All others are replaced.
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "hostAliases": "ip",
}


def merge(original: Any, patch: Any, name: str = "") -> Any:
    """Return `original` with `patch` merged in; null removes, ``$patch: delete`` an entry.

    Parameters
    ----------
    original, patch
        Parts of objects, at the same place.
    name
        Name of the field they are in.
    """
    if isinstance(original, dict) and isinstance(patch, dict):
        if patch.get("$patch") == "replace":
            return {key: value for key, value in patch.items() if key != "$patch"}
        merged = dict(original)
        for key, value in patch.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = merge(original.get(key), value, key)
        return merged
    key = _KEYS.get(name)
    if key is not None and isinstance(original, list) and isinstance(patch, list):
        return _merge_lists(original, patch, key)
    return copy.deepcopy(patch)


def _merge_lists(original: list[Any], patch: list[Any], key: str) -> list[Any]:
    merged = list(original)
    for entry in patch:
        places = [index for index, old in enumerate(merged) if old.get(key) == entry.get(key)]
        if entry.get("$patch") == "delete":
            merged = [old for index, old in enumerate(merged) if index not in places]
        elif places:
            merged[places[0]] = merge(merged[places[0]], entry)
        else:
            merged.append(copy.deepcopy(entry))
    return merged
