"""Finding the engine: Podman's command, Docker's, or a socket that answers as Docker's does."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from ...errors import BackendUnavailableError
from .command import CommandEngine, Flavour
from .engine import Engine, EngineError

T = TypeVar("T")
Choice = Literal["auto", "podman", "docker", "socket"]


def find(choice: Choice = "auto") -> Engine:
    """Return the engine to use; that it answers is not checked.

    Raises
    ------
    BackendUnavailableError
        If there is none.
    """
    flavours: dict[Choice, tuple[Flavour, ...]] = {
        "auto": ("podman", "docker"),
        "podman": ("podman",),
        "docker": ("docker",),
    }
    for flavour in flavours.get(choice, ()):
        program = shutil.which(flavour)
        if program is not None:
            return CommandEngine(program, flavour)
    address = socket_address() if choice in ("auto", "socket") else None
    if address is not None:
        from .api import ApiEngine

        return ApiEngine(address)
    wanted = {
        "auto": "neither podman nor docker on PATH, nor a socket of theirs",
        "socket": "no socket of Podman or Docker",
    }.get(choice, f"no {choice} on PATH")
    raise BackendUnavailableError(f"There is {wanted}; install Podman, or set DOCKER_HOST.")


def working(choice: Choice = "auto") -> tuple[Engine, str]:
    """Return an engine that answers, and its title; Docker where Podman does not.

    Raises
    ------
    BackendUnavailableError
        If none does; the text says why.
    """
    return first(choice, lambda engine: (engine, engine.title()))


def first(choice: Choice, ask: Callable[[Engine], T]) -> T:
    """Return what the engine answers; what Docker answers where Podman is here and does not work.

    Raises
    ------
    BackendUnavailableError
        If none does; the text says why.
    """
    try:
        return ask(find(choice))
    except EngineError as error:
        if choice == "auto" and shutil.which("docker") and shutil.which("podman"):
            with contextlib.suppress(EngineError):
                return ask(find("docker"))
        raise BackendUnavailableError(str(error)) from error


def builder() -> str:
    """Return the program that builds images here, or raise `BackendUnavailableError`."""
    for name in ("podman", "docker", "buildah"):
        program = shutil.which(name)
        if program is not None:
            return program
    raise BackendUnavailableError(
        "There is no podman, docker or buildah on PATH to build an image with; install Podman."
    )


def again(recipe: Mapping[str, Any]) -> Engine:
    """Return the engine that another process used, from its `Engine.recipe`."""
    if "socket" in recipe:
        from .api import ApiEngine

        return ApiEngine(str(recipe["socket"]))
    return CommandEngine(
        recipe["program"], recipe["flavour"], recipe["environ"], recipe.get("facts")
    )


def socket_address() -> str | None:
    """Return the address of an engine's socket, as in ``DOCKER_HOST``; None if there is none."""
    for variable in ("DOCKER_HOST", "CONTAINER_HOST"):
        if os.environ.get(variable):
            return os.environ[variable]
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    places = (f"{runtime}/podman/podman.sock", f"{runtime}/docker.sock")
    for place in (*places, "/run/podman/podman.sock", "/var/run/docker.sock"):
        path = Path(place)
        try:
            if path.is_socket() and os.access(path, os.W_OK):
                return f"unix://{place}"
        except OSError:
            continue
    return None
