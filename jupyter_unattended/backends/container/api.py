"""An engine through its socket, with PyPI's `docker` client: Docker's, or Podman's that is alike.

Used where there is a socket and no command, as in a notebook server that is a container itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from ...errors import BackendUnavailableError
from . import words
from .engine import Container, EngineAwayError, EngineError, Image, Status

#: Seconds that an answer may take, and that somebody else's removal of a container may.
_ANSWER, _REMOVAL = 300, 30.0
#: HTTP's status where something else is being done to a container.
_BUSY = 409


class ApiEngine:
    """An engine through its socket.

    Parameters
    ----------
    address
        Where it listens, as in ``DOCKER_HOST``.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def recipe(self) -> dict[str, Any]:
        """Return what makes this engine again."""
        return {"socket": self._address}

    def title(self) -> str:
        """Return name and version of the engine."""
        found = self._call(lambda api: api.version())
        name = "Podman" if self._is_podman(found) else "Docker"
        return f"{name} {found['Version']} ({self._address})"

    def limits(self, controller: Literal["cpu", "memory"]) -> bool:
        """Whether it can limit what a container uses, as far as it says."""
        if not self._is_rootless:
            return True
        found = self._call(lambda api: api.info())
        return bool(found.get("CpuCfsQuota" if controller == "cpu" else "MemoryLimit"))

    # -- images ------------------------------------------------------------------------------------

    def image(self, name: str) -> Image | None:
        """Return an image that is here."""
        found = self._unless_missing(lambda api: api.inspect_image(name), name)
        if found is None:
            return None
        variables = (found.get("Config") or {}).get("Env") or ()
        digests = found.get("RepoDigests") or ()
        return Image(
            id=found["Id"],
            digest=digests[0] if digests else None,
            env=dict(variable.split("=", 1) for variable in variables if "=" in variable),
        )

    def pull(self, name: str) -> None:
        """Get an image from its registry."""
        said = self._call(lambda api: list(api.pull(name, stream=True, decode=True)), name)
        for line in said:
            if line.get("error"):
                raise self._error(str(line["error"]), name)

    # -- containers --------------------------------------------------------------------------------

    def start(self, container: Container) -> str:
        """Create a container and start it."""
        # Left by the attempt before this one, or by an agent that died while it was starting.
        self.remove(container.name)
        try:
            made = self._call(lambda api: self._create(api, container), container.image)
            self._call(lambda api: api.start(made["Id"]), container.image)
        except EngineError:
            self.remove(container.name)
            raise
        return str(made["Id"])

    def _create(self, api: Any, container: Container) -> dict[str, Any]:
        from docker.types import DeviceRequest, Mount

        limits: dict[str, Any] = {}
        if container.memory is not None:
            limits.update(mem_limit=container.memory, memswap_limit=container.memory)
        if container.cpus is not None:
            limits["nano_cpus"] = int(container.cpus * 1e9)
        if container.shared_memory is not None:
            limits["shm_size"] = container.shared_memory
        if container.network is not None:
            limits["network_mode"] = container.network
        if container.gpus:
            if self._podman:  # which knows CDI's names everywhere but here
                raise EngineError(
                    f"{self._name}: Podman hands out no GPUs through its socket; use its command "
                    "(--engine podman)."
                )
            limits["device_requests"] = [
                DeviceRequest(device_ids=list(container.gpus), capabilities=[["gpu"]])
            ]
        rootless = self._is_rootless
        # Podman cannot take a mount with a quotation mark in its path, and a bind takes no colon.
        plain = [mount for mount in container.mounts if ":" not in mount.source + mount.target]
        host = api.create_host_config(
            binds=[
                f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'}"
                for mount in plain
            ],
            mounts=[
                Mount(mount.target, mount.source, type="bind", read_only=mount.read_only)
                for mount in container.mounts
                if mount not in plain
            ],
            group_add=[] if rootless else [str(group) for group in container.groups],
            **limits,
        )
        user = container.user
        if rootless and user is not None:
            if self._podman:
                host["UsernsMode"] = "keep-id"
            else:
                user = "0:0"
        made: dict[str, Any] = api.create_container(
            container.image,
            name=container.name,
            entrypoint=[container.command[0]],
            command=list(container.command[1:]),
            environment={**container.env, **container.secrets},
            labels=dict(container.labels),
            user=user,
            working_dir=container.directory,
            stop_signal="SIGTERM",
            detach=True,
            host_config=host,
        )
        return made

    def with_label(self, label: str, value: str) -> list[Status]:
        """Return all containers that have a label with this value."""
        filters = {"label": f"{label}={value}"}
        found = self._call(lambda api: api.containers(all=True, quiet=True, filters=filters))
        statuses = [self.status(one["Id"]) for one in found]
        return [status for status in statuses if status is not None]

    def status(self, container: str) -> Status | None:
        """Return a container by id or name."""
        found = self._unless_missing(lambda api: api.inspect_container(container))
        return None if found is None else Status.of(found)

    def words(self, container: str) -> str:
        """Return what it wrote last, as one line."""
        said = self._unless_missing(lambda api: api.logs(container, tail=5)) or b""
        return " ".join(said.decode(errors="replace").split())[-500:]

    def send(self, container: str, signal: str) -> None:
        """Send a signal to its first process."""
        try:
            self._call(lambda api: api.kill(container, signal))
        except EngineError:
            if (status := self.status(container)) is not None and status.running:
                raise

    def remove(self, container: str, secrets: Mapping[str, str] | None = None) -> None:
        """Kill a container and remove it."""
        try:
            self._unless_missing(lambda api: api.remove_container(container, force=True, v=True))
        except _AnsweredError as error:
            if error.status != _BUSY:
                raise
            # Somebody else is removing it, and Docker refuses to do it twice.
            deadline = time.monotonic() + _REMOVAL
            while self.status(container) is not None and time.monotonic() < deadline:
                time.sleep(0.1)

    def command_line(self, container: Container) -> list[str]:
        """Return the command that does the same; for people, there is none here."""
        from .command import CommandEngine

        flavour = "docker"
        return CommandEngine(flavour, "docker").command_line(container)

    # -- calling -----------------------------------------------------------------------------------

    @cached_property
    def _api(self) -> Any:
        try:
            import docker
        except ImportError:
            raise BackendUnavailableError(
                f"There is an engine's socket ({self._address}) and no podman or docker command; "
                "to use the socket: pip install docker."
            ) from None
        try:
            return docker.APIClient(base_url=self._address, version="auto", timeout=_ANSWER)
        except Exception as error:
            raise self._error(str(error)) from error

    @cached_property
    def _podman(self) -> bool:
        return self._is_podman(self._call(lambda api: api.version()))

    @cached_property
    def _is_rootless(self) -> bool:
        found = self._call(lambda api: api.info())
        return bool(found.get("Rootless")) or any(
            "rootless" in option for option in found.get("SecurityOptions") or ()
        )

    @staticmethod
    def _is_podman(version: Mapping[str, Any]) -> bool:
        return any("Podman" in part.get("Name", "") for part in version.get("Components") or ())

    def _call(self, ask: Any, image: str = "") -> Any:
        api = self._api
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            return ask(api)
        except APIError as error:
            raise _AnsweredError(
                f"{self._name}: {words.plain(str(error.explanation or error), image)}.",
                error.status_code,
            ) from error
        except (DockerException, RequestException, OSError) as error:
            raise self._error(str(error), image) from error

    def _unless_missing(self, ask: Any, image: str = "") -> Any:
        try:
            return self._call(ask, image)
        except _AnsweredError as error:
            if error.status == 404:
                return None
            raise

    @property
    def _name(self) -> str:
        return f"The engine at {self._address}"

    def _error(self, said: str, image: str = "") -> EngineError:
        kind = EngineAwayError if words.is_away(said) else EngineError
        return kind(f"{self._name}: {words.plain(said, image)}.")


class _AnsweredError(EngineError):
    """The engine's refusal; `status` is HTTP's."""

    def __init__(self, text: str, status: int | None) -> None:
        super().__init__(text)
        self.status = status
