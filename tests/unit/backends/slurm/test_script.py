"""The script that is handed to sbatch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.slurm import SlurmBackend
from jupyter_unattended.backends.slurm.backend import asked_time, quoted
from jupyter_unattended.errors import SpecError

from ..conftest import MakeBundle


@pytest.fixture
def directives(make_bundle: MakeBundle, tmp_path: Path) -> Any:
    """Return a function that renders a job and returns its directives."""

    def made(profile: str = "", **fields: Any) -> list[str]:
        (tmp_path / "site.toml").write_text(f"[slurm]\n{profile}")
        text = SlurmBackend().render(make_bundle("slurm", **fields)).text
        return [line[8:] for line in text.splitlines() if line.startswith("#SBATCH ")]

    return made


def test_every_option_has_its_directive(directives: Any) -> None:
    lines = directives(
        cpus=4, gpus=2, memory="32G", priority=-5, name="My run",
        options={
            "project": "speech", "queue": "gpu", "qos": "long", "constraint": "a100&nvlink",
            "reservation": "r1", "mail": "me@x.org", "gpu_type": "a100", "hold": True,
            "link_time": "12h", "extra": ["#SBATCH --nodelist=node7", "--exclusive"],
        },
    )  # fmt: skip
    for line in (
        "--job-name=My_run", "--account=speech", "--partition=gpu", "--qos=long",
        "--constraint=a100&nvlink", "--reservation=r1", "--mail-user=me@x.org",
        "--gres=gpu:a100:2", "--cpus-per-task=4", "--nice=5", "--hold", "--time=12:00:00",
        "--export=NONE", "--requeue",
    ):  # fmt: skip
        assert line in lines
    assert [line for line in lines if line.startswith("--mem=")]
    assert lines[-2:] == ["--nodelist=node7", "--exclusive"]


def test_a_days_limit_is_written_as_slurm_reads_it(directives: Any) -> None:
    assert "--time=2-12:30:00" in directives(options={"link_time": "60h30m"})


def test_the_profile_gives_what_is_not_said(directives: Any) -> None:
    profile = (
        'project = "speech"\nqueue = "gpu"\ngpu_option = "gpus-per-node"\n'
        'export = ["HTTPS_PROXY"]\nextra = ["--exclude=n13"]\n'
    )
    lines = directives(profile, gpus=1)
    for line in ("--account=speech", "--partition=gpu", "--gpus-per-node=1", "--exclude=n13"):
        assert line in lines
    assert "--export=HTTPS_PROXY" in lines
    assert "--account=other" in directives(profile, options={"project": "other"})


def test_an_unknown_way_to_ask_for_gpus_is_refused(directives: Any) -> None:
    with pytest.raises(SpecError, match="gpu_option 'gpu' is none of"):
        directives('gpu_option = "gpu"\n', gpus=1)


@pytest.mark.parametrize("line", ["a\n#SBATCH --uid=0", "tab\tbed", " "])
def test_no_option_smuggles_in_a_line(directives: Any, line: str) -> None:
    for option in ({"project": line}, {"extra": [line]}):
        with pytest.raises(SpecError, match="one line of visible characters"):
            directives(options=option)


def test_a_workspace_with_a_line_break_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="line break or a control character"):
        SlurmBackend().render(make_bundle("slurm", tmp_path / "a\nb"))


def test_the_values_of_secrets_are_not_in_the_script(make_bundle: MakeBundle) -> None:
    bundle = make_bundle("slurm", secret_env=["TOKEN"])
    text = SlurmBackend().render(type(bundle)(bundle.spec, bundle.paths, {"TOKEN": "s3cret"})).text
    assert "s3cret" not in text
    assert f"slurm-secrets/{bundle.job_id}" in text


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], None),
        (["--time=90"], 5400),
        (["-t 12:00:00"], 43200),
        (["--time 2-12"], 216000),
        (["--mem=1G", "--time=01:00"], 60),
        (["--time=1:00:00", "-t 30"], 1800),
        (["--time-min=10"], None),
    ],
)
def test_a_time_in_ones_own_directives(lines: list[str], seconds: float | None) -> None:
    assert asked_time(lines) == seconds


@pytest.mark.parametrize("value", ["plain-1", "a b", 'say "x"', "back\\slash", "dollar$"])
def test_quoting_is_undone_by_one_reader_of_words(value: str) -> None:
    text = quoted(value)
    inner = text[1:-1].replace('\\"', '"').replace("\\\\", "\\") if text[0] == '"' else text
    assert inner == value
