"""What an administrator's policy fills in, refuses, and shows in forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended import forms
from jupyter_unattended.backends import registry
from jupyter_unattended.errors import PolicyError, PolicyFileError
from jupyter_unattended.policy import FILE, Policy
from jupyter_unattended.runtime.parameters import read
from jupyter_unattended.spec import JobSpec

LOCAL = registry.get("local").options_model()
SLURM = registry.get("slurm").options_model()


def policy(*texts: str, at: Path) -> Policy:
    directories = []
    for number, text in enumerate(texts):
        directories.append(at / str(number))
        directories[-1].mkdir()
        (directories[-1] / FILE).write_text(text)
    return Policy.load(directories)


def spec(**fields: Any) -> JobSpec:
    return JobSpec.checked(notebook=Path("/work/train.ipynb"), **fields)


def test_without_a_file_nothing_is_changed(tmp_path: Path) -> None:
    none = Policy.load([tmp_path])
    given = spec(cpus=64)
    assert none.apply(given, LOCAL) == given
    assert none.problems(given, LOCAL) == []
    assert none.backend() == "local"


@pytest.mark.parametrize(
    ("rule", "fields", "says"),
    [
        ("[fields.cpus]\nmaximum = 16", {"cpus": 32}, "cpus: 32 is more than the 16"),
        ("[fields.cpus]\nminimum = 2", {"cpus": 1}, "cpus: 1 is less than the 2"),
        ("[fields.memory]\nmaximum = '64G'", {"memory": "65G"}, "65G is more than the 64G"),
        ("[fields.memory]\nmaximum = '64G'", {}, "memory: a value is needed, at most 64G"),
        ("[fields.time_limit]\nmaximum = '1d'", {"time_limit": "36h"}, "time-limit: 1d12h is more"),
        ("[fields.gpus]\nfixed = 0", {"gpus": 2}, "gpus: 2 is not 0, as is fixed"),
        ("[fields.kernel]\nrequired = true", {}, "kernel: a value is needed"),
        ("[fields.backend]\nchoices = ['slurm']", {"backend": "local"}, "local is not allowed"),
        ("[fields.image]\nchoices = ['lab/*']", {"image": "other/x"}, "only lab/*"),
        ("[options.local.nonesuch]\nfixed = 1", {}, "options.local.nonesuch: there is no such"),
    ],
)
def test_what_is_refused(rule: str, fields: dict[str, Any], says: str, tmp_path: Path) -> None:
    found = policy(rule, at=tmp_path)
    with pytest.raises((PolicyError, PolicyFileError)) as caught:
        found.check(found.apply(spec(**fields), LOCAL), LOCAL)
    assert says in str(caught.value)
    assert str(tmp_path / "0" / FILE) in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "fields", "name", "value"),
    [
        ("[fields.cpus]\ndefault = 4", {}, "cpus", 4),
        ("[fields.cpus]\ndefault = 4", {"cpus": 1}, "cpus", 1),
        ("[fields.cpus]\nminimum = 2", {}, "cpus", 2),
        ("[fields.gpus]\nfixed = 1", {}, "gpus", 1),
        ("[fields.memory]\nmaximum = '64G'\ndefault = '8G'", {}, "memory", 8 * 10**9),
        ("[fields.memory]\nmaximum = '64G'\ndefault = '8G'", {"memory": None}, "memory", 8 * 10**9),
        ("[fields.time_limit]\ndefault = '12h'", {}, "time_limit", 43200),
        ("[fields.image]\nchoices = ['lab/*', 'old']", {"image": "lab/1"}, "image", "lab/1"),
        ("[fields.image]\nchoices = ['lab/*', 'old']", {}, "image", None),
    ],
)
def test_what_nobody_set_is_filled_in(
    rule: str, fields: dict[str, Any], name: str, value: object, tmp_path: Path
) -> None:
    found = policy(rule, at=tmp_path)
    made = found.apply(spec(**fields), LOCAL)
    assert getattr(made, name) == value
    assert found.problems(made, LOCAL) == []


def test_a_backend_and_its_options(tmp_path: Path) -> None:
    found = policy(
        "[fields.backend]\nchoices = ['slurm', 'kubernetes']\n"
        "[options.slurm.queue]\nchoices = ['short', 'long']\ndefault = 'short'\n",
        at=tmp_path,
    )
    assert found.backend() == "slurm"
    made = found.apply(found.apply(spec()), SLURM)
    assert (made.backend, made.options) == ("slurm", {"queue": "short"})
    found.check(made, SLURM)
    with pytest.raises(PolicyError, match=r"queue: gpu is not allowed, only short, long"):
        found.check(spec(backend="slurm", options={"queue": "gpu"}), SLURM)


def test_all_files_hold_and_the_systems_default_wins(tmp_path: Path) -> None:
    found = policy(
        "[fields.cpus]\nmaximum = 16\ndefault = 8",
        "[fields.cpus]\nmaximum = 32\ndefault = 2\n[fields.gpus]\nmaximum = 1",
        at=tmp_path,
    )
    assert found.apply(spec()).cpus == 8
    assert len(found.problems(spec(cpus=20, gpus=2), LOCAL)) == 2


@pytest.mark.parametrize(
    "text",
    ["cpus = ", "[fields.cpuz]\nmaximum = 1", "[fields.cpus]\nmost = 1", "[fields.env]\nfixed = 1",
     "[fields.memory]\nmaximum = 'much'", "[colours]\n"],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_stops_every_submit(text: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match=FILE):
        policy(text, at=tmp_path).apply(spec())


def test_forms_are_narrowed(tmp_path: Path) -> None:
    found = policy(
        "[fields.backend]\nchoices = ['slurm']\nreason = 'The cluster has room.'\n"
        "[fields.cpus]\nmaximum = 16\n[fields.gpus]\nfixed = 0\n[fields.workspace]\nhidden = true\n"
        "[fields.memory]\nmaximum = '64G'\n[fields.kernel]\nchoices = ['python3', 'r']\n"
        "[fields.image]\nchoices = ['lab/*']\n"
        "[options.slurm.queue]\nchoices = ['short']\n",
        at=tmp_path,
    )
    backends = [
        forms.BackendChoice.of(registry.get(name), registry.get(name).availability(), found)
        for name in ("local", "slurm")
    ]
    opened = forms.build(found.apply(spec()), read("n = 1"), backends, policy=found)
    properties = opened.schema["properties"]
    local, slurm = properties["backend"]["oneOf"]
    assert local["x-disabled"] == "The cluster has room."
    assert slurm.get("x-disabled") in (None, backends[1].reason)
    assert properties["cpus"]["maximum"] == 16
    assert "At most 16 here." in properties["cpus"]["description"]
    assert properties["gpus"]["readOnly"] is True
    assert "workspace" not in properties
    assert "workspace" not in opened.data
    assert properties["kernel"]["enum"] == ["python3", "r"]
    assert properties["image"]["pattern"] == "^lab/.*$"
    assert "At most 64G here." in properties["memory"]["description"]
    assert "memory" in opened.schema["required"]
    assert properties["options"]["properties"]["queue"]["enum"] == ["short"]
    assert opened.data["backend"] == "slurm"


def test_the_example_in_the_guide_is_a_policy(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "policy.md"
    example = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    found = policy(example, at=tmp_path)
    made = found.apply(found.apply(spec(image="lab/2026")), SLURM)
    assert made.backend == "slurm"
    assert found.problems(made, SLURM) == []
