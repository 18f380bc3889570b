"""The text of a Containerfile that people would be glad to have written, and its ignore file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .bases import Base
from .system import SystemPackage

#: Comes before every job's packages: what runs the cells.
_RUNNER = "ipython"

#: Never in an image: what is private, what is big, what is made anew.
_IGNORED = """\
# What does not go into the image. Docker, Podman and Buildah read this file.
# Secrets: an image is given away more easily than one thinks.
.env
.env.*
.netrc
.pypirc
.aws
.ssh
.config
*.pem
*.key
id_rsa*
id_ed25519*
*credentials*.json
*service-account*.json
# Data is mounted, not packed.
{data}# History, jobs, environments and caches.
.git
.unattended
.ipynb_checkpoints
.venv
venv
node_modules
__pycache__
*.pyc
.mypy_cache
.pytest_cache
.ruff_cache
"""
_NOTHING = """\
# Only this goes to the build: the notebook and its code stay on the workspace, which jobs mount.
*
!{requirements}
"""


@dataclass(frozen=True)
class Recipe:
    """What a Containerfile is written from.

    Parameters
    ----------
    notebook
        The notebook.
    base
        The base image.
    python_version
        The kernel's Python.
    requirements
        Name of requirements.txt, beside the Containerfile; None where there is nothing to install.
    system
        Packages of the distribution.
    runner_version
        The version of IPython in the kernel's environment, if it is there.
    code
        Whether the notebook's directory is in the image or stays on the workspace.
    user_id
        The user that the image runs as, where nobody says otherwise.
    tag
        What the comment with the build command calls the image.
    """

    notebook: Path
    base: Base
    python_version: str
    requirements: str | None
    system: Sequence[SystemPackage]
    runner_version: str | None
    code: Literal["workspace", "image"]
    user_id: int
    tag: str


def render(recipe: Recipe) -> str:
    """Return the Containerfile."""
    return "\n".join(
        part
        for part in (
            _head(recipe),
            _base(recipe),
            _system(recipe),
            _user(recipe),
            _packages(recipe),
            _code(recipe),
        )
        if part
    )


def render_ignore(recipe: Recipe, data: Sequence[str] = ()) -> str:
    """Return the ignore file; `data` are big things in the notebook's directory."""
    if recipe.code == "workspace":
        return _NOTHING.format(requirements=recipe.requirements or "Containerfile")
    return _IGNORED.format(data="".join(f"{_pattern(name)}\n" for name in data))


def _head(recipe: Recipe) -> str:
    name = _comment(recipe.notebook.name)
    return f"""\
# The image in which {name} runs.
# Made by jupyter unattended image; change it as you like.
#
#     podman build --tag {recipe.tag} .        (or docker, or buildah)
#     jupyter unattended submit {name} --backend container --image {recipe.tag}
#
# In the order from what changes seldom to what changes often: a change rebuilds what follows it.
"""


def _base(recipe: Recipe) -> str:
    pin = (
        "# Pinned by digest, so that it is the same image on the day it is rebuilt."
        if recipe.base.pinned
        else "# Its name may mean another image tomorrow. To pin it, write FROM NAME@sha256:…\n"
        "# with the digest that podman image inspect shows under RepoDigests once it was pulled."
    )
    return f"# {_comment(recipe.base.reason)}\n{pin}\nFROM {recipe.base.image}\n"


def _system(recipe: Recipe) -> str:
    if not recipe.system:
        return ""
    reasons = "".join(
        f"#   {package.name}: {_comment(package.reason)}\n" for package in recipe.system
    )
    names = "".join(f"        {package.name} \\\n" for package in recipe.system)
    return f"""\
# From the distribution, because pip cannot bring them:
{reasons}# In one step with the lists of packages, which are removed again: they age.
RUN apt-get update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \\
{names}    && rm -rf /var/lib/apt/lists/*
"""


def _user(recipe: Recipe) -> str:
    return f"""\
# Not root: what a notebook does by mistake then does less. Jobs run as whoever submits them,
# whatever the number here; its home is open to all, so that caches find a place.
RUN useradd --create-home --uid {recipe.user_id} notebook && chmod 0777 /home/notebook
ENV HOME=/home/notebook
"""


def _packages(recipe: Recipe) -> str:
    pinned = f"=={recipe.runner_version}" if recipe.runner_version else ""
    text = f"""\
# What runs the cells, in a layer of its own: it hardly ever changes. The cache belongs to the
# machine that builds, not to the image; a changed requirement does not download the others again.
RUN --mount=type=cache,target=/root/.cache/pip \\
    python3 -m pip install --root-user-action=ignore --cache-dir /root/.cache/pip {_RUNNER}{pinned}
"""
    if recipe.requirements is None:
        return text
    name = recipe.requirements
    copied = json.dumps([name, "/tmp/requirements.txt"])  # noqa: S108 - in the image
    return f"""{text}
# The notebook's own packages. Only this file is copied before them, so that a change of the code
# does not install them again.
COPY {copied}
RUN --mount=type=cache,target=/root/.cache/pip \\
    python3 -m pip install --root-user-action=ignore --cache-dir /root/.cache/pip \\
        --requirement /tmp/requirements.txt
"""


def _code(recipe: Recipe) -> str:
    place = _unquoted(str(recipe.notebook.parent))
    name = _comment(recipe.notebook.name)
    if recipe.code == "image":
        copied = json.dumps([".", place + "/"])
        where = f"""\
# The code, at the path where it is here; submit with --code image. What .dockerignore names stays
# out: secrets, data, caches.
COPY --chown=notebook {copied}
"""
    else:
        where = """\
# The code stays on the workspace, which a job mounts at the same path: a change of the notebook
# needs no new image. (jupyter unattended image --code image packs it.) Data is mounted as well.
"""
    return f"""\
{where}USER notebook
# On this machine, the kernel's Python is somewhere else.
ENV UNATTENDED_PYTHON=python3 PYTHONUNBUFFERED=1
WORKDIR {place}
# A job brings its own start.sh. To run without one, make one that needs nothing but the image:
#     jupyter unattended convert {name} --to script
CMD ["./start.sh"]
"""


def _comment(text: str) -> str:
    """Return text for a comment, which ends with its line."""
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", "?", text)


def _unquoted(path: str) -> str:
    """Return a path as an instruction takes it: a dollar sign would begin a variable."""
    return path.replace("\\", "\\\\").replace("$", "\\$")


def _pattern(name: str) -> str:
    """Return the pattern that matches a name, whatever characters it has."""
    return re.sub(r"([\\*?\[\]!#])", r"\\\1", name)
