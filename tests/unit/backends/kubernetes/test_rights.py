from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from jupyter_unattended.backends.kubernetes.rights import NEEDED, PODS, ROLE, SECRETS, Right

PAGE = Path(__file__).resolve().parents[4] / "docs" / "kubernetes.md"


def rules() -> list[dict[str, Any]]:
    role, _ = yaml.safe_load_all(ROLE.format(namespace="n", subject="{kind: User, name: me}"))
    found: list[dict[str, Any]] = role["rules"]
    return found


def test_the_role_that_is_printed_is_the_one_of_the_page_and_enough() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    documents = [yaml.safe_load(block) for block in blocks]
    (role,) = (one for one in documents if one.get("kind") == "Role")
    assert role["rules"] == rules()
    for right in (*NEEDED, *SECRETS, *PODS, Right("get", "pods", subresource="log")):
        resource = str(right).partition(" ")[2]
        assert any(
            right.group in rule["apiGroups"]
            and resource in rule["resources"]
            and right.verb in rule["verbs"]
            for rule in role["rules"]
        ), right
