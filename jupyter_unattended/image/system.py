"""System packages that an image needs: what the notebook installs, and what wheels leave out."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..notebook import environment
from ..notebook.code import CellCode
from ..notebook.kernels import Kernel
from ..notebook.requirements import canonical
from . import elf

#: Programs and libraries that Python packages call and cannot bring along: package -> Debian's.
_CALLED: Mapping[str, tuple[str, ...]] = {
    "gitpython": ("git",),
    "graphviz": ("graphviz",),
    "pydot": ("graphviz",),
    "pytesseract": ("tesseract-ocr",),
    "pdf2image": ("poppler-utils",),
    "ffmpeg-python": ("ffmpeg",),
    "moviepy": ("ffmpeg",),
    "pydub": ("ffmpeg",),
    "soundfile": ("libsndfile1",),
    "pyaudio": ("libportaudio2",),
    "weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0"),
    "opencv-python": ("libgl1", "libglib2.0-0"),
    "python-magic": ("libmagic1",),
}
#: Where to find a library when nobody on this machine can say which package it belongs to.
_LIBRARIES: Mapping[str, str] = {
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
    "libSM.so.6": "libsm6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libsndfile.so.1": "libsndfile1",
    "libportaudio.so.2": "libportaudio2",
    "libmagic.so.1": "libmagic1",
    "libpq.so.5": "libpq5",
    "libcairo.so.2": "libcairo2",
    "libgdal.so.32": "libgdal32",
    "libspatialindex_c.so.6": "libspatialindex6",
}
#: Programs that are not called as their package is.
_PROGRAMS: Mapping[str, str] = {
    "c++": "g++",
    "cc": "gcc",
    "convert": "imagemagick",
    "dot": "graphviz",
    "gs": "ghostscript",
    "java": "default-jre-headless",
    "node": "nodejs",
    "pdflatex": "texlive-latex-base",
    "pdftoppm": "poppler-utils",
    "pdftotext": "poppler-utils",
    "ps": "procps",
    "tesseract": "tesseract-ocr",
    "xelatex": "texlive-xetex",
}
#: Libraries that every image with Python has, or that come with the GPU's driver.
_EVERYWHERE = re.compile(
    r"(ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|nsl|crypt|gcc_s|stdc\+\+|z|ffi|ssl|crypto"
    r"|sqlite3|bz2|lzma|expat|uuid|ncursesw|tinfo|readline|atomic|python3[\d.]*m?|cuda|nvidia-.*"
    r"))\.so(\.\d+)*|linux-vdso.*|ld-.*|libpython3.*"
)
_INSTALL = re.compile(r"(?:sudo\s+)?(?:\S+=\S+\s+)*(?:apt-get|apt|aptitude)\s+(.*)")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?:[:=].*)?")
_FILES = 3000


@dataclass(frozen=True)
class SystemPackage:
    """A package of the distribution, and why the image has it."""

    name: str
    reason: str


def collect(
    cells: Sequence[CellCode], kernel: Kernel, requirements: str
) -> tuple[list[SystemPackage], list[str]]:
    """Return the system packages that an image needs, and libraries that nobody could place.

    Parameters
    ----------
    cells
        The notebook's code.
    kernel
        Its kernel, whose environment is looked at.
    requirements
        The text of requirements.txt.
    """
    names = _names(requirements)
    found = [*_installed_by_notebook(cells)]
    if re.search(r"(?:^|[\s@])git\+|\.git(?:@|\s|$)", requirements):
        found.append(SystemPackage("git", "requirements.txt has a package in a git repository"))
    for name in names:
        found += [SystemPackage(package, f"{name} calls it") for package in _CALLED.get(name, ())]
    missing, unknown = _libraries(kernel, names)
    found += missing
    unique: dict[str, SystemPackage] = {}
    for package in found:
        unique.setdefault(package.name, package)
    return sorted(unique.values(), key=lambda package: package.name), unknown


def package_of(library: str) -> str | None:
    """Return the Debian package that has a library, as far as that can be told here."""
    if library in _LIBRARIES:
        return _LIBRARIES[library]
    return _owner(f"*/{library}")


def package_of_program(program: str) -> str:
    """Return the Debian package that has a program; the program's own name if nobody knows."""
    return _PROGRAMS.get(program) or _owner(f"/usr/bin/{program}") or program


def _owner(pattern: str) -> str | None:
    """Return the package that a file of this machine belongs to."""
    try:
        done = subprocess.run(
            ["dpkg", "--search", pattern],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    line = done.stdout.partition("\n")[0]
    return line.partition(":")[0] or None


def _installed_by_notebook(cells: Sequence[CellCode]) -> Iterator[SystemPackage]:
    for cell in cells:
        for magic in cell.magics:
            text = ""
            if magic.kind == "shell":
                text = magic.text
            elif magic.kind == "cell" and magic.name in ("bash", "sh", "system", "sx", "!"):
                text = magic.body
            for part in re.split(r"&&|\|\||[;|\n]", text):
                for name in _apt_packages(part.strip()):
                    yield SystemPackage(name, f"cell {cell.index + 1} installs it")


def _apt_packages(command: str) -> list[str]:
    found = _INSTALL.fullmatch(command)
    if found is None:
        return []
    try:
        words = shlex.split(found[1], comments=True)
    except ValueError:
        return []
    plain = [word for word in words if not word.startswith("-")]
    if not plain or plain[0] != "install":
        return []
    return [word for word in plain[1:] if _PACKAGE.fullmatch(word)]


def _names(requirements: str) -> list[str]:
    names = []
    for line in requirements.splitlines():
        found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip())
        if found:
            names.append(canonical(found[0]))
    return names


def _libraries(kernel: Kernel, names: Iterable[str]) -> tuple[list[SystemPackage], list[str]]:
    """Find libraries that compiled modules ask for and that no wheel of the environment has."""
    if kernel.python is None:
        return [], []
    packages = environment.inspect(kernel).packages
    place = environment.inspect(kernel).prefix
    directories = [path for path in place.glob("lib/python3*/site-packages") if path.is_dir()]
    wanted = {name for name in names if canonical(name) in {canonical(p) for p in packages}}
    bundled = {file.name for directory in directories for file in directory.rglob("*.so*")} | {
        file.name for file in (place / "lib").glob("*.so*")
    }
    asked: dict[str, str] = {}
    for directory in directories:
        for name in wanted:
            for folder in _folders(directory, name):
                for file in list(folder.rglob("*.so*"))[:_FILES]:
                    for library in elf.needed(file):
                        if library not in bundled and not _EVERYWHERE.fullmatch(library):
                            asked.setdefault(library, name)
    found, unknown = [], []
    for library, name in sorted(asked.items()):
        package = package_of(library)
        if package is None:
            unknown.append(library)
        else:
            found.append(SystemPackage(package, f"{name} needs {library}, which its wheel lacks"))
    return found, unknown


def _folders(directory: Path, name: str) -> Iterator[Path]:
    """Yield the top directories of a package, from what it recorded when it was installed."""
    pattern = re.sub(r"[-_.]", "[-_.]", name)
    for info in directory.glob("*.dist-info"):
        if re.fullmatch(rf"{pattern}-[^-]*\.dist-info", info.name, re.IGNORECASE):
            tops: set[str] = set()
            try:
                for line in (info / "RECORD").read_text(encoding="utf-8").splitlines():
                    top = line.partition("/")[0]
                    if ".so" in line and "/" in line and not top.startswith((".", '"')):
                        tops.add(top)
            except OSError:
                continue
            for top in tops:
                yield directory / top
