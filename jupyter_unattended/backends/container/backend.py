"""The backend ``container`` as the service sees it: the local queue, with containers in it."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from ...errors import BackendUnavailableError, SpecError, UnattendedError
from ...spec import JobSpec, describe
from ..base import Availability, Bundle, Capabilities, JobRef, Rendering
from ..local import LocalBackend, machine
from . import find, inside, plan, record, words
from .command import CommandEngine
from .engine import Engine, EngineError
from .options import ContainerOptions

if TYPE_CHECKING:
    from pydantic import BaseModel

#: Stands in a rendering for the image that is still to be named.
_UNKNOWN = "IMAGE"


class ContainerBackend(LocalBackend):
    """Runs jobs in containers on this machine, in one queue with the local backend's jobs."""

    name: ClassVar[str] = "container"
    title: ClassVar[str] = "A container on this machine"

    def options_model(self) -> type[BaseModel]:
        """Return the model of ``spec.options``."""
        return ContainerOptions

    def capabilities(self) -> Capabilities:
        """Return what the local queue can do with containers."""
        return Capabilities(
            gpus=None if machine.devices() else "this machine has no GPU that nvidia-smi knows of"
        )

    def availability(self) -> Availability:
        """Say whether there is an engine that answers."""
        queue = super().availability()
        if not queue.usable:
            return queue
        try:
            _, title = find.working()
        except BackendUnavailableError as error:
            return Availability(False, str(error))
        return Availability(True, f"{title}.")

    def described(self) -> Mapping[str, Mapping[str, Any]]:
        """Say which image a job gets that names none, and whether one can be made here."""
        remembered = self._remembered()
        if inside.container_id() is not None:
            placeholder = "the same as this server's"
        else:
            placeholder = f"as the last time: {remembered}" if remembered else ""
        keywords = {"x-group": "where", "x-widget": "image", "x-placeholder": placeholder}
        try:
            find.builder()
        except BackendUnavailableError as error:
            keywords["x-cannot-make"] = str(error)
        return {"image": keywords}

    def render(self, bundle: Bundle) -> Rendering:
        """Show the command that starts the container."""
        options = _options(bundle.spec)
        engine: Engine
        place = plan.Place(bundle.spec.image or self._remembered() or _UNKNOWN)
        try:
            engine = find.find(options.engine)
            place = self._place(engine, bundle.spec, options, pin=False)
        except (BackendUnavailableError, EngineError):
            engine = CommandEngine("podman", "podman")
        except SpecError:
            if bundle.spec.image is not None:
                raise
        container = plan.build(
            bundle.spec,
            bundle.paths,
            options,
            place,
            environment=plan.inherited(os.environ, twin=place.is_twin),
            limits_cpus=engine.limits("cpu"),
            secrets=dict.fromkeys(bundle.spec.secret_env, ""),
        )
        text = " \\\n  ".join(_lines(engine.command_line(container)))
        return Rendering(f"{text}\n", "container.sh", "bash")

    def submit_many(self, bundles: Sequence[Bundle]) -> list[str]:
        """Note which image and engine it is, and put the jobs into the queue of this host."""
        spec = bundles[0].spec  # they all run in the same place
        options = _options(spec)
        engine, place = find.first(
            options.engine,
            lambda engine: (engine, self._place(engine, spec, options, pin=True)),
        )
        environment = plan.inherited(os.environ, twin=place.is_twin)
        if spec.memory is not None and not engine.limits("memory"):
            raise SpecError(
                "memory: this engine cannot limit memory, because it is rootless and was not given "
                "the right to (control group controller memory); leave --memory out."
            )
        # What cannot be mounted is said now and not when its turn has come.
        plan.mounts(spec, bundles[0].paths, options, place.own)
        if place.own is None:
            _check_sources(options)
        for bundle in bundles:
            record.write(bundle.paths, record.Record(engine.recipe(), place, environment))
        handles = super().submit_many(bundles)
        if spec.image is not None:
            self._remember(spec.image)
        return handles

    def forget(self, job: JobRef) -> None:
        """Remove the job from the queue, and what the engine still has of it."""
        super().forget(job)
        with contextlib.suppress(ValueError):
            engine = find.again(record.read(job.paths).engine)
            try:
                engine.remove(plan.container_name(job.paths), _secret_names(job))
            except EngineError:
                # An engine that is gone must not keep its jobs from being deleted.
                with contextlib.suppress(EngineError):
                    engine.title()
                    raise

    def _inherited(self) -> dict[str, str]:
        """Return nothing: what a container inherits is in its record."""
        return {}

    def _place(
        self, engine: Engine, spec: JobSpec, options: ContainerOptions, *, pin: bool
    ) -> plan.Place:
        """Find the image: the one asked for, the one we are in, or the one of last time."""
        own = inside.own_container(engine)
        name = spec.image or (own.image if own is not None else None) or self._remembered()
        if name is None:
            raise SpecError(
                "image: say which image the job runs in, with --image; jupyter unattended image "
                "NOTEBOOK makes one. It is remembered for the next time."
            )
        if not pin:
            return plan.Place(name, own=own)
        found = engine.image(name) if options.pull != "always" else None
        if found is None and (options.pull == "never" or name.startswith("localhost/")):
            raise SpecError(f"image: {words.plain('no such image', name)}.")
        return plan.Place(name, found, own)

    def _remembered(self) -> str | None:
        try:
            return self._memory.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    def _remember(self, image: str) -> None:
        fresh = self._memory.with_name(f".{self._memory.name}-{os.getpid()}")
        with contextlib.suppress(OSError):
            fresh.write_text(f"{image}\n", encoding="utf-8")
            fresh.replace(self._memory)

    @property
    def _memory(self) -> Path:
        return self.state_dir / "container-image"


def _options(spec: JobSpec) -> ContainerOptions:
    try:
        return ContainerOptions.model_validate(spec.options)
    except ValidationError as error:
        raise SpecError(describe(error)) from error


def _check_sources(options: ContainerOptions) -> None:
    for mount in options.mounts():
        if not Path(mount.source).exists():
            raise SpecError(f"{mount.source} cannot be mounted: there is no such directory.")


def _secret_names(job: JobRef) -> dict[str, str]:
    import json

    try:
        found = json.loads(job.paths.spec.read_bytes())["spec"].get("secret_env") or ()
    except (OSError, ValueError, KeyError, UnattendedError):
        found = ()
    return dict.fromkeys(found, "")


def _lines(command: list[str]) -> list[str]:
    """Put an option and its value on a line, and what the container runs on the last one."""
    lines = [shlex.join(command[:2])]
    rest = command[2:]
    while rest and rest[0].startswith("--"):
        step = 1 if rest[0] == "--detach" else 2
        lines.append(shlex.join(rest[:step]))
        rest = rest[step:]
    return [*lines, shlex.join(rest)]
