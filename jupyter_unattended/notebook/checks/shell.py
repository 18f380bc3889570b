"""Whether shell commands need a person or root."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..finding import Finding, Subject

_BECOME_ROOT = {"sudo", "su", "doas"}
_NEED_ROOT = {"apt", "apt-get", "yum", "dnf", "apk", "pacman", "zypper", "snap", "systemctl",
              "service", "mount", "modprobe", "useradd", "dpkg"}  # fmt: skip
_INTERACTIVE = {"vim", "vi", "nano", "emacs", "htop", "passwd", "watch"}
#: Interactive unless they are told what to do.
_INTERACTIVE_ALONE = {"python", "python3", "ipython", "bash", "sh", "top", "less", "more"}
_CONFIRMS = re.compile(
    r"(?:(?:apt|apt-get|yum|dnf)\s+(?:install|remove|upgrade)"
    r"|(?:conda|mamba)\s+(?:install|remove|create|update)"
    r"|pip3?\s+uninstall)\b"
)
_YES = re.compile(r"-[a-z]*y[a-z]*|--yes|--assume-yes")


def shell(subject: Subject) -> Iterator[Finding]:
    """Find shell commands that need a person or root."""
    for cell in subject.cells:
        for magic in cell.magics:
            lines: list[tuple[int, str]] = []
            if magic.kind == "shell":
                lines = [(magic.line, magic.text)]
            elif magic.kind == "cell" and magic.name in ("bash", "sh", "!", "sx", "system"):
                lines = list(enumerate(magic.body.splitlines(), magic.line + 1))
            for line, text in lines:
                for part in re.split(r"&&|\|\||[;|&]", text):
                    yield from _command(part.split(), cell.index, line)


def _command(words: list[str], cell: int, line: int) -> Iterator[Finding]:
    words = [word for word in words if not re.match(r"\w+=", word)]
    if not words or words[0].startswith("#"):
        return
    program = words[0].rpartition("/")[2]
    if program in _BECOME_ROOT or program in _NEED_ROOT:
        allowed = program not in _BECOME_ROOT and os.geteuid() == 0
        yield Finding("needs-root", "info" if allowed else "warning", cell, line,
                      f"{program} needs root's rights, and nobody is there to give a password",
                      "do it once in the image, or in startup-hook.sh")  # fmt: skip
    command = words[1:] if program in _BECOME_ROOT else words
    if _CONFIRMS.match(" ".join(command)) and not any(_YES.fullmatch(word) for word in words):
        yield Finding("waits-for-input", "warning", cell, line,
                      f"{' '.join(command[:2])} asks for confirmation", "add -y")  # fmt: skip
    if program in _INTERACTIVE or (program in _INTERACTIVE_ALONE and len(words) == 1):
        yield Finding("waits-for-input", "warning", cell, line,
                      f"{program} waits for a person", "remove it")  # fmt: skip
