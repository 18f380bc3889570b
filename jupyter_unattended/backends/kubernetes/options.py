"""What a person can choose for a job on Kubernetes, beyond what every job has."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ...spec import Duration, Memory

_CLAIM = re.compile(
    r"pvc:(?P<claim>[a-z0-9]([a-z0-9.-]*[a-z0-9])?):(?P<path>/[^:]*)(:(?P<mode>r[ow]))?"
)
_SECRET = re.compile(
    r"(?P<name>[a-z0-9]([a-z0-9.-]*[a-z0-9])?)"
    r"(?::(?P<path>/.+)|/(?P<key>[A-Za-z0-9._-]+)=(?P<variable>[A-Za-z_][A-Za-z0-9_]*))?"
)
_TOLERATION = re.compile(
    r"(?P<key>[^=:]+)(=(?P<value>[^:]*))?(:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute))?"
)


@dataclass(frozen=True)
class Claim:
    """A persistent volume claim and where it is mounted: ``pvc:CLAIM:/path[:ro]``."""

    name: str
    path: str
    read_only: bool

    @classmethod
    def parse(cls, text: str) -> Claim:
        """Read one, or raise `ValueError` with the form that is expected."""
        found = _CLAIM.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is not a volume; write pvc:CLAIM:/path or pvc:CLAIM:/path:ro"
            )
        return cls(found["claim"], found["path"].rstrip("/") or "/", found["mode"] == "ro")


@dataclass(frozen=True)
class SecretUse:
    """A Secret of the cluster as variables (all or one of its keys) or as files."""

    name: str
    path: str | None
    key: str | None
    variable: str | None

    @classmethod
    def parse(cls, text: str) -> SecretUse:
        """Read one, or raise `ValueError` with the forms that are expected."""
        found = _SECRET.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no use of a Secret; write NAME (all its keys as environment "
                "variables), NAME/KEY=VARIABLE (one of them) or NAME:/path (as files)"
            )
        return cls(found["name"], found["path"], found["key"], found["variable"])


def parse_toleration(text: str) -> dict[str, str]:
    """Read ``KEY[=VALUE][:EFFECT]``, as in `kubectl taint`; ``*`` tolerates everything."""
    if text == "*":
        return {"operator": "Exists"}
    found = _TOLERATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a toleration; write KEY, KEY=VALUE or KEY=VALUE:EFFECT")
    toleration = {"key": found["key"], "operator": "Exists"}
    if found["value"] is not None:
        toleration.update(operator="Equal", value=found["value"])
    if found["effect"]:
        toleration["effect"] = found["effect"]
    return toleration


def _volumes(values: list[str]) -> list[str]:
    paths = [Claim.parse(value).path for value in values]
    for path in paths:
        if paths.count(path) > 1:
            raise ValueError(f"two volumes cannot both be mounted at {path}")
    return values


def _secrets(values: list[str]) -> list[str]:
    for value in values:
        SecretUse.parse(value)
    return values


def _tolerations(values: list[str]) -> list[str]:
    for value in values:
        parse_toleration(value)
    return values


def _patch_text(value: object) -> object:
    """Take a patch as text (JSON or YAML) or as an object; keep it as JSON."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            import yaml

            try:
                value = yaml.safe_load(str(value))
            except yaml.YAMLError as error:
                raise ValueError("the patch is neither JSON nor YAML") from error
    if not isinstance(value, dict):
        raise ValueError("a patch is an object, for example spec: {template: {spec: {…}}}")
    return json.dumps(value)


class KubernetesOptions(BaseModel):
    """Options of jobs on Kubernetes."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    namespace: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="Namespace. Default: this pod's, or the one that the kubeconfig names.",
    )
    context: str | None = Field(
        None,
        description="Context of the kubeconfig. Default: this pod's cluster, else the current.",
    )
    volume: Annotated[list[str], AfterValidator(_volumes)] = Field(
        default_factory=list,
        description="A claim to mount, as pvc:CLAIM:/path or pvc:CLAIM:/path:ro; in a pod, in "
        "addition to the volumes that this server has. May be repeated.",
    )
    data: Annotated[list[str], AfterValidator(_volumes)] = Field(
        default_factory=list,
        description="A claim with data to mount read-only, as pvc:CLAIM:/path. May be repeated.",
    )
    gpu_resource: str | None = Field(
        None,
        description="Name of the resource that --gpus counts. Default: what this server's own "
        "container has, else nvidia.com/gpu.",
    )
    shared_memory: Memory | None = Field(
        None,
        description="Size of /dev/shm for data loaders, e.g. 8G; counts as memory. Default: as "
        "much as the memory limit allows where the job has GPUs.",
    )
    queue: str | None = Field(
        None, description="Queue to wait in: a Kueue LocalQueue, a KAI queue or a Run:ai project."
    )
    queue_system: Literal["auto", "kueue", "kai", "runai", "none"] = Field(
        "auto", description="Whose queue it is; auto asks the cluster what it has."
    )
    workload_priority: str | None = Field(
        None, description="Kueue's WorkloadPriorityClass; can be changed while the job waits."
    )
    priority_class: str | None = Field(
        None, description="PriorityClass of the job's pod; fixed once the job is submitted."
    )
    scheduler: str | None = Field(None, description="Name of the scheduler of the job's pod.")
    runtime_class: str | None = Field(None, description="RuntimeClass of the job's pod.")
    service_account: str | None = Field(
        None,
        description="Service account that the job may act as; without one it gets no token.",
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels that the node must have."
    )
    toleration: Annotated[list[str], AfterValidator(_tolerations)] = Field(
        default_factory=list,
        description="A taint to tolerate, as KEY, KEY=VALUE or KEY=VALUE:EFFECT. May be repeated.",
    )
    secret: Annotated[list[str], AfterValidator(_secrets)] = Field(
        default_factory=list,
        description="A Secret of the cluster: NAME gives all its keys as environment variables, "
        "NAME/KEY=VARIABLE one of them, NAME:/path gives files. May be repeated.",
    )
    label: dict[str, str] = Field(default_factory=dict, description="More labels for Job and pod.")
    annotation: dict[str, str] = Field(
        default_factory=dict, description="Annotations for Job and pod."
    )
    image_pull_secret: list[str] = Field(
        default_factory=list, description="Secret with the registry's password. May be repeated."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When the image is pulled. Default: as for this server's image."
    )
    code: Literal["workspace", "image"] = Field(
        "workspace",
        description="Where the notebook's directory comes from: the workspace's volume, or the "
        "image, in which case of the volume only the job directory is mounted.",
    )
    git: str | None = Field(
        None,
        pattern=r"^.+@[^@]+$",
        description="Clone REPOSITORY@REF (branch, tag or commit) in the place of the workspace; "
        "pinned to the commit that REF means at submit.",
    )
    git_secret: str | None = Field(
        None, description="Secret with `username` and `password` for --git."
    )
    at_once: int | None = Field(
        None,
        ge=1,
        description="When many runs of one notebook are submitted together: at most so many at the "
        "same time.",
    )
    keep_for: Duration = Field(
        7 * 86400, description="How long Kubernetes keeps the Job after its end, e.g. 2d."
    )
    patch: Annotated[str | None, BeforeValidator(_patch_text)] = Field(
        None,
        description="A strategic merge patch for the Job, as JSON or YAML, for everything else.",
    )

    def claims(self) -> list[Claim]:
        """Return the volumes asked for; those with data are read-only."""
        data = [Claim.parse(text) for text in self.data]
        return [
            *(Claim.parse(text) for text in self.volume),
            *(Claim(claim.name, claim.path, read_only=True) for claim in data),
        ]

    def secrets(self) -> list[SecretUse]:
        """Return the Secrets asked for."""
        return [SecretUse.parse(text) for text in self.secret]

    def patch_object(self) -> dict[str, Any]:
        """Return the patch, empty if there is none."""
        return json.loads(self.patch) if self.patch else {}
