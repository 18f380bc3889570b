"""What must be installed for a notebook to run: requirements.txt.

The user's own file is used as it is. Without one, the imports are mapped to the packages of the
kernel's environment and pinned to the versions there; what cannot be mapped is reported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

from ..errors import InvalidInputError
from . import environment
from .code import CellCode, read_cells
from .environment import Package
from .imports import Import, Imports, Install, scan
from .kernels import Kernel
from .reader import Notebook, shown

#: Supplied with every job.
_OURS = {"jupyter-unattended"}
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[^\]]*\])?(?P<rest>.*)"
)


@dataclass(frozen=True)
class Unmapped:
    """An import or a package that requirements.txt cannot supply elsewhere.

    Parameters
    ----------
    module
        What is imported, or the package's name.
    reason
        Why not, for a person.
    cell
        Index of the cell, None for a module of the workspace.
    line
        Line in the cell or file.
    optional
        Whether the notebook may do without.
    installed
        Whether it is there now, in this environment.
    """

    module: str
    reason: str
    cell: int | None = None
    line: int = 1
    optional: bool = False
    installed: bool = False


@dataclass(frozen=True)
class Requirements:
    """A requirements.txt and what it leaves open.

    Parameters
    ----------
    text
        Its text.
    source
        ``file``: the user's own; ``imports``: written from the imports.
    path
        The user's own.
    unmapped
        What it cannot supply.
    imports
        What the notebook imports.
    """

    text: str
    source: Literal["file", "imports"]
    path: Path | None = None
    unmapped: list[Unmapped] = field(default_factory=list)
    imports: Imports = field(default_factory=Imports)


def collect(
    notebook: Notebook,
    kernel: Kernel,
    requirements: Path | None = None,
    workspace: Path | None = None,
    cells: Sequence[CellCode] | None = None,
) -> Requirements:
    """Return the requirements of a notebook.

    Parameters
    ----------
    notebook
        The notebook.
    kernel
        Whose environment tells packages and versions.
    requirements
        A requirements.txt; by default the one beside the notebook, if there is one.
    workspace
        Packages installed from here are there in the job too.
    cells
        The notebook's code, where it was read already.

    Raises
    ------
    InvalidInputError
        If `requirements` cannot be read.
    KernelError
        If the kernel's interpreter does not answer.
    """
    is_python = kernel.language == "python"
    imports = Imports()
    if is_python:
        imports = scan(notebook, read_cells(notebook) if cells is None else cells)
    path = requirements
    if path is None and (notebook.directory / "requirements.txt").is_file():
        path = notebook.directory / "requirements.txt"
    if path is not None:
        return Requirements(_own_file(path), "file", path, imports=imports)
    if not is_python or kernel.python is None:
        return Requirements("", "imports", imports=imports)
    return _Writer(notebook, kernel, workspace or notebook.directory, imports).write()


def canonical(name: str) -> str:
    """Return a package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


# -- the user's own file ---------------------------------------------------------------------------


def _own_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"The requirements {shown(path)} cannot be read: {reason}"
        ) from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"The requirements {shown(path)} are not UTF-8 text") from None
    base = path.absolute().parent
    return "".join(_moved(line, base) for line in text.splitlines(keepends=True))


def _moved(line: str, base: Path) -> str:
    """Make what a line refers to relative to its file absolute: the job has a copy elsewhere."""
    option = re.match(r"(\s*(?:-r|--requirement|-c|--constraint|-e|--editable)[\s=]+)(\S.*)", line)
    start, target = option.groups() if option else ("", line.strip())
    is_path = target.startswith((".", "~")) or (option and start.strip()[:2] in ("-r", "-c"))
    is_path = is_path or (option is not None and (base / target.strip()).exists())
    if not target or "://" in target or not is_path:
        return line
    return f"{start}{base / Path(target.strip()).expanduser()}\n"


# -- from the imports ------------------------------------------------------------------------------


class _Writer:
    def __init__(
        self, notebook: Notebook, kernel: Kernel, workspace: Path, imports: Imports
    ) -> None:
        self.notebook = notebook
        self.kernel = kernel
        self.workspace = workspace
        self.imports = imports
        modules = {one.module for one in imports.outside} | {"IPython"}
        self.environment = environment.inspect(kernel, modules, notebook.directory)
        self.lines: dict[str, str] = {}
        self.options: list[str] = []
        self.unmapped: dict[str, Unmapped] = {}

    def write(self) -> Requirements:
        for install in self.imports.installs:
            self._install(install)
        # The job's cells run in IPython, whether the notebook imports it or not.
        for one in [*self.imports.outside, Import("IPython", None, 1, "try")]:
            self._import(one)
        heading = [
            f"# Written from the imports of {shown(self.notebook.path.name)}, with the versions of",
            f"# the kernel {shown(self.kernel.name)} (Python {self.environment.python_version}).",
        ]
        body = [self.lines[name] for name in sorted(self.lines)]
        unmapped = sorted(self.unmapped.values(), key=lambda one: (one.cell or 0, one.module))
        notes = [f"# not here: {one.module}: {one.reason}" for one in unmapped]
        text = "\n".join([*heading, *dict.fromkeys(self.options), *body, *notes]) + "\n"
        return Requirements(text, "imports", None, unmapped, self.imports)

    def _import(self, one: Import) -> None:
        module = self.environment.modules[one.module]
        if module.standard or one.top == "jupyter_unattended":
            return
        if module.packages:
            for package in module.packages:
                self._package(package, one)
            return
        if self._installed_by_a_cell(one.top):
            return
        optional = one.condition == "try"
        if not module.found:
            self._report(one, f"no module of that name in the kernel {self.kernel.name}", optional)
        elif module.origin is None or not module.origin.is_relative_to(self.workspace):
            reason = f"no installed package has it; it is at {module.origin}"
            self._report(one, reason, optional, installed=True)

    def _installed_by_a_cell(self, top: str) -> bool:
        names = {canonical(match[1]) for match in map(_name_of, self.imports.installs) if match}
        return bool(names & {canonical(top), canonical(KNOWN_NAMES.get(top, top))})

    def _package(self, package: Package, one: Import) -> None:
        name = canonical(package.name)
        if name in _OURS or name in self.lines:
            return
        line, reason = requirement(package, self.workspace)
        if line is not None:
            self.lines[name] = line
        else:
            self._report(one, reason, one.condition == "try", name=package.name, installed=True)

    def _report(
        self, one: Import, reason: str, optional: bool, name: str = "", installed: bool = False
    ) -> None:
        key = name or one.top
        earlier = self.unmapped.get(key)
        if earlier is None or (earlier.optional and not optional):
            self.unmapped[key] = Unmapped(key, reason, one.cell, one.line, optional, installed)

    def _install(self, install: Install) -> None:
        if install.option in ("-r", "--requirement"):
            self.options.append(f"-r {self.notebook.directory / install.text}")
        elif install.option in ("-e", "--editable"):
            reason = "an editable install of a directory; the job installs it when the cell runs"
            self.unmapped[install.text] = Unmapped(install.text, reason, install.cell, install.line)
        elif install.option:
            self.options.append(f"{install.option} {install.text}")
        else:
            self._installed_package(install)

    def _installed_package(self, install: Install) -> None:
        match = _REQUIREMENT.fullmatch(install.text)
        if match is None or install.text.endswith((".whl", ".gz", ".zip")) or "{" in install.text:
            if install.text.startswith(("git+", "http://", "https://")):
                self.lines[install.text] = install.text
            return
        name = canonical(match["name"])
        version = self.environment.packages.get(name)
        exact = f"{match['name']}{match['extras'] or ''}"
        if match["rest"].strip() or version is None:
            self.lines[name] = install.text
        else:
            self.lines[name] = f"{exact}=={_public(version)}"


def _name_of(install: Install) -> re.Match[str] | None:
    return None if install.option else _REQUIREMENT.match(install.text)


def requirement(package: Package, workspace: Path) -> tuple[str | None, str]:
    """Return the line for an installed package, or None and the reason why there is none."""
    pinned = f"{package.name}=={_public(package.version)}"
    direct = package.direct_url
    if direct is None:
        return pinned, ""
    url = str(direct.get("url", ""))
    inside = f"#subdirectory={direct['subdirectory']}" if direct.get("subdirectory") else ""
    vcs = direct.get("vcs_info")
    if isinstance(vcs, dict) and vcs.get("commit_id"):
        return f"{package.name} @ {vcs.get('vcs', 'git')}+{url}@{vcs['commit_id']}{inside}", ""
    if not url.startswith("file://"):
        return f"{package.name} @ {url}{inside}", ""
    place = Path(unquote(urlparse(url).path))
    if not place.exists():
        return pinned, ""  # built elsewhere, as conda's packages are
    if direct.get("dir_info", {}).get("editable"):
        return None, f"an editable install of {shown(place)}; it is not in any index"
    if place.is_relative_to(workspace):
        return f"{package.name} @ {url}", ""
    return None, f"installed from {shown(place)}; it is not in any index"


def _public(version: str) -> str:
    """Drop a local label: ``2.3.0+cu121`` satisfies ``==2.3.0``, and indexes have only that."""
    return version.partition("+")[0]


#: Where the name of a package is not that of its module; for packages that are not installed here.
KNOWN_NAMES = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "igraph": "python-igraph",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "osgeo": "gdal",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
