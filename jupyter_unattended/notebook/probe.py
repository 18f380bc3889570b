"""What a kernel's interpreter is asked: which packages are there, and which supplies a module.

Runs as a script inside interpreters that lack this package (a question as JSON on stdin, the answer
as JSON on stdout), so it needs nothing but the standard library and keeps to what Python 3.8
understands. For our own interpreter `answer` is called directly. Nothing that is asked about is
imported, and package metadata are read only where needed: `importlib.metadata` takes seconds in
environments with many packages.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# What a package is called inside a RECORD: "name/…" or "name.py" or "name.cpython-312-….so".
_MEMBER = r"(?:^|\n)\"?(?:%s)(?:/|\.)"


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Answer ``{"modules": [dotted names], "compile": [sources]}``."""
    path = [entry for entry in sys.path if entry]
    known = _distributions(path)
    records = _Records(known)
    return {
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "path": path,
        "packages": {name: info["version"] for name, info in known.items()},
        "modules": {name: _module(name, path, records) for name in question.get("modules", ())},
        "compiles": [_compiles(source) for source in question.get("compile", ())],
    }


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distributions(path: list[str]) -> dict[str, dict[str, str]]:
    """Return version and metadata directory of every installed package; the first one counts."""
    found: dict[str, dict[str, str]] = {}
    for directory in path:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for entry in names:
            stem, extension = os.path.splitext(entry)
            if extension not in (".dist-info", ".egg-info"):
                continue
            name, _, version = stem.partition("-")
            version = version.split("-py")[0]
            where = os.path.join(directory, entry)
            if not version:  # a development install of old has no version in its name
                version = _metadata(where).get("version", "")
            found.setdefault(_canonical(name), {"version": version, "metadata": where})
    return found


def _metadata(where: str) -> dict[str, str]:
    """Return name and version as the package writes them."""
    for name in ("METADATA", "PKG-INFO", ""):
        try:
            with open(os.path.join(where, name) if name else where, encoding="utf-8") as file:
                head = file.read(4096)
        except (OSError, UnicodeDecodeError):
            continue
        lines = (line.split(":", 1) for line in head.split("\n\n")[0].splitlines() if ":" in line)
        return {key.strip().lower(): value.strip() for key, value in lines if key[:1] != " "}
    return {}


class _Records:
    """What files each package has, read once and only when asked for."""

    def __init__(self, known: dict[str, dict[str, str]]) -> None:
        self.known = known
        self.texts: dict[str, str] = {}

    def text(self, name: str) -> str:
        if name not in self.texts:
            where = self.known[name]["metadata"]
            text = ""
            for record in ("RECORD", "installed-files.txt", "SOURCES.txt", "top_level.txt"):
                try:
                    with open(os.path.join(where, record), encoding="utf-8") as file:
                        text = file.read()
                except (OSError, UnicodeDecodeError):
                    continue
                if record == "top_level.txt":
                    text = "".join(line.strip() + "/\n" for line in text.splitlines())
                elif record != "RECORD":
                    text = text.replace("../", "").replace("\nsrc/", "\n")
                break
            self.texts[name] = text
        return self.texts[name]

    def owners(self, module: str) -> list[str]:
        """Return the packages with files of `module`, by the longest part of its dotted name."""
        parts = module.split(".")
        among = list(self.known)
        for length in range(1, len(parts) + 1):
            inside = re.compile(_MEMBER % re.escape("/".join(parts[:length])))
            narrower = [name for name in among if inside.search(self.text(name))]
            if not narrower:
                break
            among = narrower
        else:
            return among
        return among if length > 1 else []

    def describe(self, name: str) -> dict[str, Any]:
        info = self.known[name]
        written = _metadata(info["metadata"])
        return {
            "name": written.get("name") or name,
            "version": written.get("version") or info["version"],
            "direct_url": _direct_url(info["metadata"]),
            "location": os.path.dirname(info["metadata"]),
        }


def _module(name: str, path: list[str], records: _Records) -> dict[str, Any]:
    """Say whether a module is there, whose it is, and where it is."""
    top = name.split(".")[0]
    if top in sys.builtin_module_names or top in _standard_library():
        return {"found": True, "standard": True, "origin": None, "packages": []}
    found, origin = _origin(top, path)
    owners = records.owners(name) if found else []
    if not owners and origin:
        owners = [
            other
            for other in records.known
            if _is_source_of(records.known[other]["metadata"], origin)
        ]
    packages = [records.describe(owner) for owner in owners]
    return {"found": found, "standard": False, "origin": origin, "packages": packages}


def _origin(top: str, path: list[str]) -> tuple[bool, str | None]:
    """Find a top-level module without importing it."""
    from importlib.machinery import PathFinder

    for finder in sys.meta_path:
        try:
            if finder is PathFinder:
                spec = PathFinder.find_spec(top, path)
            else:  # among these are the finders of editable installs
                spec = finder.find_spec(top, None)
        except Exception:  # noqa: S112 - a broken finder is as good as none
            continue
        if spec is not None:
            places = list(spec.submodule_search_locations or ())
            origin = spec.origin if spec.has_location else None
            return True, origin or (places[0] if places else None)
    return False, None


def _is_source_of(metadata: str, origin: str) -> bool:
    """Whether the package was installed from the directory that the module is in."""
    url = (_direct_url(metadata) or {}).get("url", "")
    if not url.startswith("file://"):
        return False
    from urllib.parse import unquote

    source = os.path.realpath(unquote(url[len("file://") :]))
    return os.path.realpath(origin).startswith(source + os.sep)


def _direct_url(metadata: str) -> dict[str, Any] | None:
    """Return where a package came from that is not from an index."""
    try:
        with open(os.path.join(metadata, "direct_url.json"), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _standard_library() -> Iterable[str]:
    if hasattr(sys, "stdlib_module_names"):  # since Python 3.10
        return sys.stdlib_module_names
    return {os.path.splitext(name)[0] for name in os.listdir(os.path.dirname(os.__file__))}


def _compiles(source: str) -> dict[str, Any] | None:
    """Return None, or what is wrong with a source and in which line."""
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        return {"message": error.msg, "line": error.lineno}
    except ValueError as error:
        return {"message": str(error), "line": None}
    return None


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
