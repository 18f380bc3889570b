from __future__ import annotations

import pytest
from pydantic import ValidationError

from jupyter_unattended.backends.kubernetes.options import (
    Claim,
    KubernetesOptions,
    SecretUse,
    parse_toleration,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pvc:home:/home/me", Claim("home", "/home/me", False)),
        ("pvc:home:/home/me/", Claim("home", "/home/me", False)),
        ("pvc:train.v2:/data:ro", Claim("train.v2", "/data", True)),
        ("pvc:train:/data:rw", Claim("train", "/data", False)),
    ],
)
def test_claims(text: str, expected: Claim) -> None:
    assert Claim.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["home:/home", "pvc:home", "pvc:home:home", "pvc:Home:/x", "pvc:home:/x:ro:rw", ""]
)
def test_what_is_no_claim_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="write pvc:CLAIM:/path"):
        Claim.parse(text)


def test_data_is_read_only() -> None:
    options = KubernetesOptions(volume=["pvc:a:/a"], data=["pvc:b:/b", "pvc:c:/c:rw"])
    assert [claim.read_only for claim in options.claims()] == [False, True, True]


def test_two_volumes_in_one_place_are_refused() -> None:
    with pytest.raises(ValidationError, match="two volumes cannot both be mounted at /a"):
        KubernetesOptions(volume=["pvc:a:/a", "pvc:b:/a/"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aws", SecretUse("aws", None, None, None)),
        ("aws:/etc/aws", SecretUse("aws", "/etc/aws", None, None)),
        ("hub/token.txt=HF_TOKEN", SecretUse("hub", None, "token.txt", "HF_TOKEN")),
    ],
)
def test_secrets(text: str, expected: SecretUse) -> None:
    assert SecretUse.parse(text) == expected


@pytest.mark.parametrize("text", ["AWS", "aws:relative", "aws/key", "aws/key=1X"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is no use of a Secret"):
        KubernetesOptions(secret=[text])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", {"operator": "Exists"}),
        ("gpu", {"key": "gpu", "operator": "Exists"}),
        ("gpu=a100", {"key": "gpu", "operator": "Equal", "value": "a100"}),
        (
            "nvidia.com/gpu:NoSchedule",
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        ),
    ],
)
def test_tolerations(text: str, expected: dict[str, str]) -> None:
    assert parse_toleration(text) == expected


def test_a_patch_may_be_json_yaml_or_an_object() -> None:
    expected = {"spec": {"suspend": True}}
    for patch in ('{"spec": {"suspend": true}}', "spec:\n  suspend: true\n", expected):
        options = KubernetesOptions.model_validate({"patch": patch})
        assert options.patch_object() == expected
        again = KubernetesOptions.model_validate(options.model_dump(mode="json"))
        assert again.patch_object() == expected


@pytest.mark.parametrize("patch", ["[1]", "- a\n- b", "{unclosed", 5])
def test_what_is_no_patch_is_refused(patch: object) -> None:
    with pytest.raises(ValidationError):
        KubernetesOptions.model_validate({"patch": patch})


def test_every_option_says_what_it_does() -> None:
    for name, field in KubernetesOptions.model_fields.items():
        assert (field.description or "").rstrip(")").endswith("."), name
