"""The script that is handed to qsub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.gridengine import GridEngineBackend
from jupyter_unattended.backends.gridengine.backend import asked_time
from jupyter_unattended.errors import SpecError

from ..conftest import MakeBundle


@pytest.fixture
def directives(make_bundle: MakeBundle, tmp_path: Path) -> Any:
    """Return a function that renders a job and returns its directives."""

    def made(profile: str = "", **fields: Any) -> list[str]:
        (tmp_path / "site.toml").write_text(f"[gridengine]\n{profile}")
        text = GridEngineBackend().render(make_bundle("gridengine", **fields)).text
        return [line[3:] for line in text.splitlines() if line.startswith("#$ ")]

    return made


def test_every_option_has_its_directive(directives: Any) -> None:
    lines = directives(
        'memory_option = "mem_per_core"\n',
        cpus=4, gpus=1, memory="32Gi", priority=-5, name="3 runs",
        options={
            "project": "research", "queue": "gpu.q", "reservation": "7", "mail": "me@x.org",
            "gpu_type": "A100", "gpu_capability": 3.5, "gpu_memory": "48Gi", "hold": True,
            "link_time": "12h", "extra": ["#$ -l scratch=1"],
        },
    )  # fmt: skip
    for line in (
        "-N job_3_runs", "-P research", "-q gpu.q", "-ar 7", "-m ea -M me@x.org", "-pe omp 4",
        "-l gpus=1", "-l gpu_type=A100", "-l gpu_c=3.5", "-l gpu_memory=48G",
        "-l mem_per_core=8G", "-l h_rt=43200", "-p -5", "-h", "-j y", "-notify",
    ):  # fmt: skip
        assert line in lines
    assert lines[-1] == "-l scratch=1"


def test_gpus_may_count_for_each_slot(directives: Any) -> None:
    lines = directives("gpus_per_slot = true\n", cpus=4, gpus=1)
    assert "-l gpus=0.25" in lines


def test_memory_needs_a_name(directives: Any) -> None:
    with pytest.raises(SpecError, match="memory_option"):
        directives(memory="2G")


@pytest.mark.parametrize("field", ["project", "queue", "gpu_type"])
def test_a_value_that_is_not_one_word_is_refused(directives: Any, field: str) -> None:
    with pytest.raises(SpecError, match="is not one word"):
        directives(gpus=1, options={field: "two words"})


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], None),
        (["-l h_rt=12:00:00"], 43200),
        (["-l gpus=1,h_rt=3600"], 3600),
        (["-l h_rt=1:0:0", "-l h_rt=0:10:0"], 600),
        (["-l h_rt=1:2:3:4"], None),
        (["-l s_rt=100"], None),
    ],
)
def test_a_time_in_ones_own_directives(lines: list[str], seconds: float | None) -> None:
    assert asked_time(lines) == seconds
