"""What an image lacks, from what a notebook said when it was tried in it, and the line to add."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import system

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")
_LIBRARY = re.compile(r"(?:ImportError|OSError): (\S+\.so[\d.]*): cannot open shared object file")
_FILE = re.compile(
    r"FileNotFoundError: .*?(?:No such file or directory|does not exist)?:? ?'(/[^']*)'"
)
_COMMAND = re.compile(
    r"(?:/bin/(?:ba)?sh: \d+: |bash: (?:line \d+: )?|sh: \d+: )(\S+): (?:command )?not found"
)
#: A program that Python itself was to start.
_CALLED = re.compile(
    r"subprocess\.py(?:(?!FileNotFoundError).)*FileNotFoundError: [^\n]*: '([\w.+-]+)'", re.DOTALL
)


@dataclass(frozen=True)
class Lack:
    """Something the image lacks; `where` is the file that the line goes to, or ``submit``."""

    message: str
    line: str = ""
    where: str = ""


def read(log: str, modules: Mapping[str, str]) -> list[Lack]:
    """Return what the notebook missed.

    Parameters
    ----------
    log
        Its log.
    modules
        Module -> line of a requirements.txt, for modules of this machine.
    """
    text = _ANSI.sub("", log)
    found: dict[str, Lack] = {}
    for match in _MODULE.finditer(text):
        top = match[1].partition(".")[0]
        found[f"module {top}"] = Lack(
            f"the module {match[1]} is not in the image", modules.get(top, top), "requirements.txt"
        )
    for match in _LIBRARY.finditer(text):
        package = system.package_of(match[1])
        line = f"apt-get install {package}" if package else ""
        found[f"library {match[1]}"] = Lack(
            f"the library {match[1]} is not in the image", line, "Containerfile"
        )
    for match in (*_COMMAND.finditer(text), *_CALLED.finditer(text)):
        found[f"program {match[1]}"] = Lack(
            f"the program {match[1]} is not in the image",
            f"apt-get install {system.package_of_program(match[1])}",
            "Containerfile",
        )
    for match in _FILE.finditer(text):
        place = match[1]
        found[f"file {place}"] = Lack(
            f"{place} is not in the container", f"--data {place}:ro", "submit"
        )
    return list(found.values())
