"""Podman and Docker through their commands, which differ in little of what is needed here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from . import words
from .engine import Container, EngineAwayError, EngineError, Image, Mount, Status

Flavour = Literal["podman", "docker"]

#: Seconds that an answer may take, and the making of a container (on a slow disk).
_ANSWER, _START = 30.0, 300.0
_PULL = 6 * 3600.0
#: Variables that decide which engine a command talks to and where it keeps its things.
_OWN_VARIABLES = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|XDG_(RUNTIME_DIR|CONFIG_HOME|DATA_HOME)|REGISTRY_AUTH_FILE"
    r"|DBUS_SESSION_BUS_ADDRESS|(CONTAINERS?|DOCKER|STORAGE|PODMAN|BUILDAH)_[A-Z_]+|SSL_CERT_\w+"
    r"|(HTTP|HTTPS|NO|ALL)_PROXY|(http|https|no|all)_proxy"
)


def own_variables() -> dict[str, str]:
    """Return those of this process's variables on which the engine's command depends."""
    return {name: value for name, value in os.environ.items() if _OWN_VARIABLES.fullmatch(name)}


class CommandEngine:
    """An engine through its command.

    Parameters
    ----------
    program
        Path of ``podman`` or ``docker``.
    flavour
        Which of the two it is.
    environ
        The command's environment. Default: what of this process's it depends on.
    facts
        What another process found out about the engine; asking takes as long as starting.
    """

    def __init__(
        self,
        program: str,
        flavour: Flavour,
        environ: Mapping[str, str] | None = None,
        facts: Mapping[str, bool] | None = None,
    ) -> None:
        self._program = program
        self.flavour = flavour
        self._environ = own_variables() if environ is None else dict(environ)
        self._facts = dict(facts or {})

    def recipe(self) -> dict[str, Any]:
        """Return what makes this engine again."""
        facts = {"rootless": self._is_rootless, "crun": self._has_crun, "cpu": self.limits("cpu")}
        return {
            "program": self._program,
            "flavour": self.flavour,
            "environ": self._environ,
            "facts": facts,
        }

    def title(self) -> str:
        """Return name and version of the engine."""
        found = self._info
        if self.flavour == "podman":
            return f"Podman {found['version']['Version']}"
        return f"Docker {found['ServerVersion']}"

    # -- images ------------------------------------------------------------------------------------

    def image(self, name: str) -> Image | None:
        """Return an image that is here."""
        done = self._run("image", "inspect", name)
        if done.returncode:
            if re.search(r"no such image|not known|no such object", done.stderr, re.IGNORECASE):
                return None
            raise self._error(done.stderr, name)
        found = json.loads(done.stdout)[0]
        variables = (found.get("Config") or {}).get("Env") or ()
        digests = found.get("RepoDigests") or ()
        return Image(
            id=found["Id"],
            digest=digests[0] if digests else None,
            env=dict(variable.split("=", 1) for variable in variables if "=" in variable),
        )

    def pull(self, name: str) -> None:
        """Get an image from its registry."""
        done = self._run("pull", "--quiet", name, timeout=_PULL)
        if done.returncode:
            raise self._error(done.stderr, name)

    # -- containers --------------------------------------------------------------------------------

    def start(self, container: Container) -> str:
        """Create a container and start it."""
        self._make_secrets(container)
        # Docker has no secrets for single containers: their values go by the command's environment,
        # not by its words, which everybody on this machine can read.
        hidden = container.secrets if self.flavour == "docker" else {}
        try:
            done = self._run(
                *self.command_line(container)[1:], timeout=_START, environ=dict(hidden)
            )
        except EngineError:
            self.remove(container.name, container.secrets)
            raise
        if done.returncode and re.search(r"already in use", done.stderr):
            # Left by the attempt before this one, or by an agent that died while it was starting.
            self.remove(container.name)
            done = self._run(
                *self.command_line(container)[1:], timeout=_START, environ=dict(hidden)
            )
        if done.returncode:
            # It may have been created and not started; then its name is taken.
            self.remove(container.name, container.secrets)
            raise self._error(done.stderr, container.image)
        return done.stdout.split()[-1]

    def with_label(self, label: str, value: str) -> list[Status]:
        """Return all containers that have a label with this value."""
        done = self._run(
            "ps", "--all", "--no-trunc", "--quiet", "--filter", f"label={label}={value}"
        )
        if done.returncode:
            raise self._error(done.stderr)
        found = [self.status(name) for name in done.stdout.split()]
        return [status for status in found if status is not None]

    def status(self, container: str) -> Status | None:
        """Return a container by id or name."""
        done = self._run("container", "inspect", container)
        if done.returncode:
            if re.search(r"no such (container|object)", done.stderr, re.IGNORECASE):
                return None
            raise self._error(done.stderr)
        return Status.of(json.loads(done.stdout)[0])

    def words(self, container: str) -> str:
        """Return what it wrote last, as one line."""
        done = self._run("logs", "--tail", "5", container)
        return " ".join(f"{done.stdout} {done.stderr}".split())[-500:]

    def send(self, container: str, signal: str) -> None:
        """Send a signal to its first process."""
        self._run("kill", "--signal", signal, container)

    def remove(self, container: str, secrets: Mapping[str, str] | None = None) -> None:
        """Kill a container and remove it and its secrets."""
        done = self._run("rm", "--force", "--volumes", *self._at_once(), container)
        if self.flavour == "podman":
            for name in secrets or ():
                self._run("secret", "rm", secret_name(container, name))
        if done.returncode and re.search(r"already in progress", done.stderr):
            self._wait_until_gone(container)
        elif done.returncode and not re.search(r"no such|no container", done.stderr, re.IGNORECASE):
            raise self._error(done.stderr)

    def _wait_until_gone(self, container: str) -> None:
        """Wait for somebody else who removes a container; Docker refuses to do it twice."""
        deadline = time.monotonic() + _ANSWER
        while self.status(container) is not None and time.monotonic() < deadline:
            time.sleep(0.1)

    def _at_once(self) -> Sequence[str]:
        return ("--time", "0") if self.flavour == "podman" else ()

    # -- the command line --------------------------------------------------------------------------

    def command_line(self, container: Container) -> list[str]:
        """Return the command that starts a container."""
        line = [self._program, "run", "--detach", "--name", container.name, "--pull", "never"]
        for label, value in container.labels.items():
            line += ["--label", f"{label}={value}"]
        line += self._as_user(container)
        if container.cpus is not None:
            line += ["--cpus", f"{container.cpus:g}"]
        if container.memory is not None:
            # The same with swap: no more of it than memory.
            line += ["--memory", f"{container.memory}b", "--memory-swap", f"{container.memory}b"]
        if container.shared_memory is not None:
            line += ["--shm-size", f"{container.shared_memory}b"]
        if container.network is not None:
            line += ["--network", container.network]
        line += self._gpus(container.gpus)
        for mount in container.mounts:
            line += _mount(mount)
        if Path("/sys/fs/selinux/enforce").exists():
            # Else the workspace would have to be relabelled, which the rest of the machine minds.
            line += ["--security-opt", "label=disable"]
        for name, value in container.env.items():
            line += ["--env", f"{name}={value}"]
        for name in container.secrets:
            if self.flavour == "podman":
                source = secret_name(container.name, name)
                line += ["--secret", f"{source},type=env,target={name}"]
            else:
                line += ["--env", name]
        if self.flavour == "podman":
            # The default, the journal, cannot be read by everybody everywhere.
            line += ["--log-driver", "k8s-file"]
        line += [
            "--stop-timeout",
            f"{container.grace_period:.0f}",
            "--workdir",
            container.directory,
        ]
        line += ["--entrypoint", container.command[0], container.image, *container.command[1:]]
        return line

    def _as_user(self, container: Container) -> list[str]:
        if container.user is None:
            return []
        if self.flavour == "podman" and self._is_rootless:
            line = ["--userns", "keep-id", "--user", container.user]
            return [*line, "--group-add", "keep-groups"] if self._has_crun else line
        if self.flavour == "docker" and self._is_rootless:
            return ["--user", "0:0"]  # which is the user who runs Docker
        line = ["--user", container.user]
        for group in container.groups:
            line += ["--group-add", str(group)]
        return line

    def _gpus(self, gpus: Sequence[str]) -> list[str]:
        if not gpus:
            return []
        if self.flavour == "docker":
            return ["--gpus", '"device={}"'.format(",".join(gpus))]
        # Podman's --gpus says yes to everything.
        return [word for gpu in gpus for word in ("--device", f"nvidia.com/gpu={gpu}")]

    # -- running the command -----------------------------------------------------------------------

    @cached_property
    def _info(self) -> dict[str, Any]:
        done = self._run("info", "--format", "json" if self.flavour == "podman" else "{{json .}}")
        if done.returncode:
            raise self._error(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        if self.flavour == "docker" and found.get("ServerErrors"):
            raise self._error("\n".join(found["ServerErrors"]))
        return found

    @cached_property
    def _is_rootless(self) -> bool:
        if "rootless" in self._facts:
            return self._facts["rootless"]
        if self.flavour == "podman" and os.getuid() == 0 and "CONTAINER_HOST" not in self._environ:
            return False
        try:
            if self.flavour == "podman":
                return bool(self._info["host"]["security"]["rootless"])
            return any("rootless" in one for one in self._info.get("SecurityOptions") or ())
        except EngineError:
            # To show a command, the engine need not be here.
            return self.flavour == "podman"

    @cached_property
    def _has_crun(self) -> bool:
        """Whether the user's further groups can be kept, which only crun does for rootless ones."""
        if "crun" in self._facts or self.flavour == "docker" or not self._is_rootless:
            return self._facts.get("crun", False)
        with contextlib.suppress(EngineError):
            return bool(self._info["host"].get("ociRuntime", {}).get("name") == "crun")
        return False

    def limits(self, controller: Literal["cpu", "memory"]) -> bool:
        """Whether it can limit what a container uses; rootless ones only what was delegated."""
        if controller in self._facts:
            return self._facts[controller]
        if self.flavour == "docker" or not self._is_rootless:
            return True
        with contextlib.suppress(EngineError):
            return controller in (self._info["host"].get("cgroupControllers") or ())
        return True

    def _make_secrets(self, container: Container) -> None:
        if self.flavour != "podman":
            return
        for name, value in container.secrets.items():
            secret = secret_name(container.name, name)
            self._run("secret", "rm", secret)
            done = self._run("secret", "create", secret, "-", given=value)
            if done.returncode:
                raise self._error(done.stderr)

    def _run(
        self,
        *words_: str,
        timeout: float = _ANSWER,
        given: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self._program, *words_],
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                env={**self._environ, **(environ or {})},
                # Not in the terminal's or the agent's group: their signals are not for it.
                start_new_session=True,
                cwd="/",
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"{self.flavour.title()} has not answered for {timeout:.0f} seconds ({words_[0]})."
            ) from None
        except OSError as error:
            raise EngineError(f"{self._program} cannot be run ({error.strerror}).") from error

    def _error(self, said: str, image: str = "") -> EngineError:
        kind = EngineAwayError if words.is_away(said) else EngineError
        return kind(f"{self.flavour.title()}: {words.plain(said, image)}.")


def secret_name(container: str, variable: str) -> str:
    """Return how the engine calls the secret with a container's variable."""
    return f"{container}.{variable}"


def _mount(mount: Mount) -> list[str]:
    if ":" in mount.source or ":" in mount.target:
        option = f"type=bind,source={mount.source},target={mount.target}"
        return ["--mount", f"{option},readonly" if mount.read_only else option]
    mode = ":ro" if mount.read_only else ""
    return ["--volume", f"{mount.source}:{mount.target}{mode}"]
