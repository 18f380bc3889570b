from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from jupyter_unattended import options
from jupyter_unattended.backends import registry
from jupyter_unattended.backends.local import LocalBackend
from jupyter_unattended.options import JobOption, job_options
from jupyter_unattended.request import parse
from jupyter_unattended.spec import Duration, JobSpec


def _by_field(found: list[JobOption]) -> dict[str, JobOption]:
    return {option.field: option for option in found}


def test_every_field_of_the_spec_is_an_option_with_help() -> None:
    found = _by_field(job_options())
    expected = set(JobSpec.model_fields) - options._NOT_OPTIONS
    assert expected <= set(found)
    for option in found.values():
        assert option.help.endswith((".", "cell")), option
        assert option.flag.startswith("--")
        assert "_" not in option.flag


def test_names_that_people_know() -> None:
    found = {option.flag: option.short for option in job_options()}
    assert found["--env"] == "-e"
    assert found["--gpus"] == "-g"
    assert found["--image"] == "-i"
    assert {"--name", "--cpus", "--memory", "--priority", "--time-limit", "--grace-period",
            "--max-restarts", "--requirements", "--kernel"} <= set(found)  # fmt: skip


def test_kinds_follow_from_the_types() -> None:
    found = _by_field(job_options())
    assert (found["memory"].kind, found["memory"].metavar) == ("value", "SIZE")
    assert (found["time_limit"].kind, found["time_limit"].metavar) == ("value", "TIME")
    assert found["grace_period"].default == "30"
    assert (found["cpus"].metavar, found["cpus"].default) == ("N", "1")
    assert found["snapshot"].kind == "flag"
    assert found["requirements"].kind == "path"
    assert found["env"].kind == "pairs"


class _Options(BaseModel):
    queue: str | None = Field(None, description="The queue.")
    memory: str | None = Field(None, description="A name that the specification has, too.")
    policy: Literal["requeue", "fail"] = Field("fail", description="What to do.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels.")
    tolerate: list[str] = Field(default_factory=list, description="Taints.")
    volume: Path | None = Field(None, description="A path.")
    patience: Duration = Field(60, description="How long.")
    spot: Annotated[bool, Field(description="Whether it may be taken away.")] = False


class _Backend(LocalBackend):
    def options_model(self) -> type[BaseModel]:
        return _Options


@pytest.fixture
def other_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another backend, as a plugin would bring it."""
    real = registry.get
    monkeypatch.setattr(
        registry,
        "get",
        lambda name, state_dir=None: _Backend() if name == "other" else real(name, state_dir),
    )


@pytest.mark.usefixtures("other_backend")
def test_the_options_of_a_backend_follow_its_name() -> None:
    found = {option.flag: option for option in job_options("other") if option.backend == "other"}
    assert found["--policy"].choices == ("requeue", "fail")
    assert found["--other-memory"].field == "memory"
    assert found["--patience"].metavar == "TIME"
    assert found["--queue"].group == "Backend other"
    assert "--queue" not in {option.flag for option in job_options("local")}


@pytest.mark.usefixtures("other_backend")
def test_the_options_of_a_backend_are_read_into_options() -> None:
    request = parse(
        ["--queue", "long", "--backend", "other", "--other-memory", "x", "--memory", "4G",
         "--labels", "a=b", "--labels", "c=", "--tolerate", "gpu", "--spot", "--no-spot",
         "--policy=requeue"]
    )  # fmt: skip
    assert request.fields == {
        "backend": "other",
        "memory": "4G",
        "options": {
            "queue": "long",
            "memory": "x",
            "labels": {"a": "b", "c": ""},
            "tolerate": ["gpu"],
            "spot": False,
            "policy": "requeue",
        },
    }
    assert request.words == []
