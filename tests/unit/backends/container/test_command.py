from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jupyter_unattended.backends.container import plan
from jupyter_unattended.backends.container.command import CommandEngine
from jupyter_unattended.backends.container.engine import Container, Image, Mount
from jupyter_unattended.backends.container.options import ContainerOptions
from jupyter_unattended.paths import JobPaths
from jupyter_unattended.spec import JobSpec

CONTAINER = Container(
    name="unattended-a",
    image="image:1",
    command=("bash", "-c", "true"),
    directory="/w",
    mounts=(Mount("/w", "/w"), Mount("/data", "/data", read_only=True)),
    secrets={"TOKEN": "s3cret"},
    user="1000:100",
    groups=(44,),
    gpus=("0", "2"),
)
ROOTLESS = {"rootless": True, "crun": True, "cpu": False}


def line(flavour: str, facts: dict[str, bool] | None = None, **changes: object) -> str:
    """The command, in one line."""
    engine = CommandEngine(flavour, "podman" if flavour == "podman" else "docker", {}, facts)
    return " ".join(engine.command_line(replace(CONTAINER, **changes)))  # type: ignore[arg-type]


def test_podman_as_an_ordinary_user_keeps_who_one_is() -> None:
    text = line("podman", ROOTLESS)
    assert "--userns keep-id --user 1000:100 --group-add keep-groups" in text
    assert "--device nvidia.com/gpu=0 --device nvidia.com/gpu=2" in text
    assert "--secret unattended-a.TOKEN,type=env,target=TOKEN" in text
    assert "--volume /data:/data:ro" in text


def test_docker() -> None:
    text = line("docker", {"rootless": False})
    assert "--user 1000:100 --group-add 44" in text
    assert '--gpus "device=0,2"' in text
    assert "--env TOKEN " in text
    assert "--user 0:0" in line("docker", {"rootless": True})


def test_secrets_are_not_among_the_words() -> None:
    for flavour in ("podman", "docker"):
        assert "s3cret" not in line(flavour, {"rootless": False})


def test_a_colon_in_a_path() -> None:
    text = line("docker", {"rootless": False}, mounts=(Mount("/a:b", "/a:b", read_only=True),))
    assert "--mount type=bind,source=/a:b,target=/a:b,readonly" in text


def test_what_a_job_becomes() -> None:
    spec = JobSpec(
        notebook=Path("/w/n.ipynb"), workspace=Path("/w"), cpus=2, memory="1G", arguments=["a b"]
    )  # type: ignore[arg-type]
    paths = JobPaths.in_workspace("/w", "job-1")
    place = plan.Place("image:1", Image("sha256:1"))
    options = ContainerOptions(data=["/d:ro"], volume=["/h:/t"])
    made = plan.build(spec, paths, options, place, environment={"TZ": "UTC"})
    assert made.image == "sha256:1"
    assert made.command[-2:] == (str(paths.start_script), "a b")
    assert {(m.source, m.target, m.read_only) for m in made.mounts} == {
        ("/w", "/w", False), ("/d", "/d", True), ("/h", "/t", False),
    }  # fmt: skip
    assert made.env["UNATTENDED_PYTHON"] == "python3"
    assert (made.cpus, made.memory) == (2, 10**9)
    assert made.labels == {"jupyter-unattended.job": "job-1"}
    packed = ContainerOptions(code="image")
    made = plan.build(spec, paths, packed, place, environment={}, limits_cpus=False)
    assert [mount.target for mount in made.mounts] == [str(paths.root)]
    assert made.cpus is None
    assert plan.container_name(paths) != plan.container_name(JobPaths.in_workspace("/v", "job-1"))


def test_what_is_inherited() -> None:
    environ = {"TZ": "UTC", "PATH": "/x", "TOKEN": "s", "OMP_NUM_THREADS": "2", "HOME": "/h"}
    assert plan.inherited(environ, twin=False) == {"TZ": "UTC", "OMP_NUM_THREADS": "2"}
    assert set(plan.inherited(environ, twin=True)) == {"TZ", "OMP_NUM_THREADS", "PATH", "HOME"}
