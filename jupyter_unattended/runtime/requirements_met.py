"""Whether a requirements.txt is satisfied: ``python requirements_met.py FILE``.

Exits with 0 when there is nothing to install, with 1 and the first line that says otherwise when
there is. It answers in milliseconds and only says yes when it is sure: whatever it does not
understand (options, files, addresses) is for pip to judge.
"""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes long to import
    from typing import Any

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([A-Za-z0-9][A-Za-z0-9._!+-]*)\Z")
_METADATA = re.compile(r"(.+?)-([^-]+)(?:-py[0-9.]+)?\.(?:dist|egg)-info\Z")


def main(arguments: list[str]) -> int:
    """Answer for the file named in `arguments`."""
    try:
        with open(arguments[0], encoding="utf-8-sig") as stream:  # noqa: PTH123 - pathlib is slow
            text = stream.read()
    except (OSError, ValueError, IndexError) as error:
        print(f"requirements cannot be read: {error}")
        return 1
    missing = first_unmet(text)
    if missing is None:
        return 0
    print(f"[unattended] not satisfied: {missing}")
    return 1


def first_unmet(text: str) -> str | None:
    """Return the first line of a requirements file that is not, or may not be, satisfied."""
    installed: dict[str, str] | None = None
    hard = []
    for line in _lines(text):
        pin = _PIN.match(line)
        if pin is None:
            hard.append(line)
            continue
        if installed is None:
            installed = _installed()
        found = installed.get(_normalised(pin[1]))
        if found is None:
            return line
        if found != pin[2]:
            hard.append(line)  # perhaps the same version, written in another way
    return next((line for line in hard if not _met(line)), None)


def _lines(text: str) -> list[str]:
    joined = re.sub(r"\\\r?\n", "", text)
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed() -> dict[str, str]:
    """Return the versions of installed distributions, by the names of their metadata's files."""
    found: dict[str, str] = {}
    for directory in sys.path:
        try:
            entries = list(os.scandir(directory or "."))
        except OSError:
            continue
        for entry in entries:
            match = _METADATA.match(entry.name)
            if match is not None:
                found.setdefault(_normalised(match[1]), match[2].replace("_", "-"))
    return found


def _met(line: str) -> bool:
    """Judge a requirement that is not a plain pin to what is there."""
    if line.startswith(("-", ".", "/")) or "://" in line:
        return False
    import importlib

    for package in ("packaging", "pip._vendor.packaging"):
        try:
            parse = importlib.import_module(f"{package}.requirements").Requirement
        except ImportError:
            continue
        try:
            return _requirement_met(parse(line), parse, set())
        except ValueError:
            return False
    return False


def _requirement_met(requirement: Any, parse: Any, seen: set[str]) -> bool:
    from importlib.metadata import PackageNotFoundError, distribution

    if requirement.url:
        return False
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return True
    try:
        found = distribution(requirement.name)
    except PackageNotFoundError:
        return False
    if not requirement.specifier.contains(found.version, prereleases=True):
        return False
    for extra in requirement.extras:
        if (key := f"{_normalised(requirement.name)}[{extra}]") in seen:
            continue
        seen.add(key)
        for text in found.requires or ():
            needed = parse(text)
            if needed.marker is None or not needed.marker.evaluate({"extra": extra}):
                continue
            needed.marker = None
            if not _requirement_met(needed, parse, seen):
                return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
