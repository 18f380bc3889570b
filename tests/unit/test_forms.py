from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended import form_values, forms
from jupyter_unattended.errors import SpecError
from jupyter_unattended.runtime.parameters import read
from jupyter_unattended.spec import JobSpec

LOCAL = forms.BackendChoice(
    "local", "This machine", usable=True, reason="", disabled={"image": "no images"}, options={}
)
AWAY = forms.BackendChoice(
    "slurm",
    "Slurm",
    usable=False,
    reason="sbatch is missing",
    disabled={},
    options={"type": "object", "properties": {"partition": {"type": "string"}}},
)


def build(source: str = "", **fields: Any) -> forms.Form:
    spec = JobSpec(notebook=Path("/w/train.ipynb"), workspace=Path("/w"), **fields)
    return forms.build(spec, read(source), [LOCAL, AWAY], requirements="numpy\n")


def test_every_field_of_the_spec_is_in_the_form_or_left_out_on_purpose() -> None:
    properties = build().schema["properties"]
    groups = {group["id"] for group in build().schema["x-groups"]}
    for name in JobSpec.model_fields:
        special = name in ("schema_version", "notebook", "secret_env", "options", "parameters")
        assert special or name == "requirements_text" or name in properties, name
    assert {schema["x-group"] for schema in properties.values()} <= groups
    assert all(schema.get("description") or schema["title"] for schema in properties.values())


def test_parameters_have_types_and_todays_values() -> None:
    form = build('epochs = 5  # passes\nrate: float = 0.1\nlayers = [1, 2]\nlabel: str = ""')
    schema = form.schema["properties"]["parameters"]["properties"]
    assert schema["epochs"] == {
        "title": "epochs",
        "description": "passes",
        "type": "integer",
        "default": 5,
    }
    assert schema["layers"]["x-widget"] == "json"
    assert form.data["parameters"] == {"epochs": 5, "rate": 0.1, "layers": [1, 2], "label": ""}
    assert "arguments" not in form.schema["properties"]


def test_values_of_the_spec_win_over_the_notebooks() -> None:
    form = build("epochs = 5", parameters={"epochs": 7})
    assert form.data["parameters"] == {"epochs": 7}


def test_without_parameters_arguments_are_text() -> None:
    form = build(arguments=["--name", "a b"])
    assert form.data["arguments"] == "--name 'a b'"
    fields, _ = form_values.to_fields(form.data)
    assert fields["arguments"] == ["--name", "a b"]


def test_required_parameters_are_required() -> None:
    form = build("epochs: int")
    assert form.schema["properties"]["parameters"]["required"] == ["epochs"]


def test_backends_that_do_not_work_are_there_with_the_reason() -> None:
    form = build()
    assert form.schema["properties"]["backend"]["oneOf"] == [
        {"const": "local", "title": "This machine"},
        {"const": "slurm", "title": "Slurm", "x-disabled": "sbatch is missing"},
    ]
    assert form.schema["properties"]["image"]["x-disabled"] == "no images"
    assert "options" not in form.schema["properties"]
    assert "partition" in build(backend="slurm").schema["properties"]["options"]["properties"]


def test_what_a_backend_knows_of_a_field_is_in_its_form_alone() -> None:
    image = {"x-widget": "image", "x-placeholder": "as the last time: a:1"}
    there = replace(LOCAL, name="container", disabled={}, fields={"image": image})
    schema = build().schema
    assert "x-widget" not in forms.for_backend(schema, LOCAL)["properties"]["image"]
    found = forms.for_backend(schema, there)["properties"]["image"]
    assert found == {**schema["properties"]["image"], **image}
    assert there.to_dict()["fields"] == {"image": image}


def test_what_a_form_opens_with_is_the_same_spec_again() -> None:
    spec = JobSpec(
        notebook=Path("/w/train.ipynb"),
        workspace=Path("/w"),
        name="run",
        parameters={"epochs": 7},
        env={"A": "1"},
        memory=4 * 2**30,
        time_limit=5400,
        grace_period=45,
        priority=3,
    )
    form = forms.build(spec, read("epochs = 5"), [LOCAL], requirements="numpy\n")
    assert form.data["memory"] == "4Gi"
    assert form.data["time_limit"] == "1h30m"
    fields, secrets = form_values.to_fields(
        {k: v for k, v in form.data.items() if k != "requirements"}
    )
    assert JobSpec(**{**fields, "notebook": spec.notebook}) == spec
    assert secrets == {}


def test_secrets_are_apart() -> None:
    rows = [
        {"name": "A", "value": "1"},
        {"name": "TOKEN", "value": "hidden", "secret": True},
        {"name": "ELSEWHERE", "value": "", "secret": True},
        {"name": "", "value": ""},
    ]
    fields, secrets = form_values.to_fields({"env": rows})
    assert fields["env"] == {"A": "1"}
    assert fields["secret_env"] == ["ELSEWHERE", "TOKEN"]
    assert secrets == {"TOKEN": "hidden"}


def test_requirements_are_only_passed_on_when_given() -> None:
    assert "requirements_text" not in form_values.to_fields({})[0]
    assert form_values.to_fields({"requirements": ""})[0]["requirements_text"] == ""


@pytest.mark.parametrize("env", ["A=1", [1], [{"name": "A"}, {"name": "A"}]])
def test_environments_that_cannot_be_read(env: object) -> None:
    with pytest.raises(SpecError, match="env"):
        form_values.to_fields({"env": env})


def test_open_quotation_marks() -> None:
    with pytest.raises(SpecError, match="quotation"):
        form_values.to_fields({"arguments": "--name 'a"})


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("memory", ["4G", "512Mi", "1.5 g", "1000"], ["lots", "4X", "-1G"]),
        ("time_limit", ["90s", "1h30m", "36:00:00", "2-00:00:00", "60", "1h 30m"], ["soon", "h"]),
        ("checkpoint_interval", ["0", "10m", "off"], ["never"]),
    ],
)
def test_patterns_agree_with_the_spec(field: str, good: list[str], bad: list[str]) -> None:
    import re

    pattern = build().schema["properties"][field]["pattern"]
    for text in good:
        assert re.search(pattern, text), text
        JobSpec(notebook=Path("/n"), **{field: text})
    for text in bad:
        assert not re.search(pattern, text), text
        with pytest.raises(ValueError, match=field):
            JobSpec(notebook=Path("/n"), **{field: text})


def test_several_runs_take_the_place_of_the_values_above() -> None:
    data = {
        "parameters": {"learning_rate": 0.1, "epochs": 3},
        "sweep": "learning_rate=0.2,0.3\n\n env MODE=a,b \n",
        "name": "mine",
    }
    specs, _ = form_values.to_specs(Path("/w/train.ipynb"), data)
    assert [(spec.arguments, spec.env) for spec in specs] == [
        ([f"--learning_rate={rate}"], {"MODE": mode}) for rate in (0.2, 0.3) for mode in ("a", "b")
    ]
    assert all(spec.parameters == {"epochs": 3} for spec in specs)


def test_a_form_without_values_to_try_is_one_run() -> None:
    specs, _ = form_values.to_specs(Path("/w/train.ipynb"), {"sweep": " \n", "cpus": 2})
    assert [spec.cpus for spec in specs] == [2]


@pytest.mark.parametrize("sweep", ["epochs", "env A", ["a"]])
def test_values_to_try_that_cannot_be_read(sweep: object) -> None:
    with pytest.raises(SpecError, match="sweep"):
        form_values.to_specs(Path("/w/train.ipynb"), {"sweep": sweep})


def test_a_clone_is_one_run() -> None:
    spec = JobSpec(notebook=Path("/w/train.ipynb"), workspace=Path("/w"))
    assert "sweep" in forms.build(spec, [], [LOCAL]).schema["properties"]
    assert "sweep" not in forms.build(spec, [], [LOCAL], sweeps=False).schema["properties"]
