"""What is Slurm's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.errors import BackendError, SpecError

from ..jobs import Submit
from .cluster import SlurmCluster


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"options": {"queue": "nosuch"}}, "nosuch|partition"),
        ({"options": {"gpu_type": "h9000"}, "gpus": 1}, "gpu"),
        ({"gpus": 5}, "gpu"),
        ({"options": {"constraint": "nosuch"}}, "constraint|feature"),
        ({"options": {"reservation": "nosuch"}}, "reservation"),
        ({"options": {"extra": ["--nonsense"]}}, "nonsense"),
    ],
)
def test_what_does_not_exist_is_refused_with_slurms_words(
    submit: Submit, fields: dict[str, Any], names: str, workspace: Path, cluster: SlurmCluster
) -> None:
    with pytest.raises(BackendError, match=f"(?i){names}") as caught:
        submit("echo never", **fields)
    assert "\n" not in str(caught.value)
    assert not list(workspace.glob(".unattended/*/batch"))
    assert cluster.client("squeue", "-h").stdout == ""


def test_a_limit_that_the_profile_knows_is_checked_first(submit: Submit, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[slurm.queues.main]\ntime_limit = "12h"\n')
    with pytest.raises(SpecError, match="queue main allows 12 h at once, not 13 h"):
        submit("true", options={"queue": "main", "link_time": "13h"})


def test_gpus_are_given(submit: Submit) -> None:
    run = submit("echo gpus $CUDA_VISIBLE_DEVICES", gpus=1, options={"gpu_type": "a100"})
    run.wait()
    assert run.log() == "gpus 0\n"
