from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from jupyter_unattended.backends.batch import script
from jupyter_unattended.errors import SpecError

from ..conftest import MakeBundle


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("train", "train"),
        ("3 little pigs", "job_3_little_pigs"),
        ("ünïcode", "n_code"),
        ("a/b:c@d", "a_b_c_d"),
        ("\U0001f600", "job"),
        ("x" * 80, "x" * 60),
        ("-n", "n"),
    ],
)
def test_names_that_every_scheduler_takes(text: str, name: str) -> None:
    assert script.job_name(text) == name


def test_the_command_survives_the_shell(make_bundle: MakeBundle, tmp_path: Path) -> None:
    arguments = ["--name=it's $HOME", "two words", "", "`x`", "a\nb"]
    bundle = make_bundle("slurm", tmp_path / "a 'b' $c", arguments=arguments)
    words = shlex.split(script.command(bundle.spec, bundle.paths.root))
    assert words == ["bash", str(bundle.paths.root / "start.sh"), *arguments]


def test_inside_apptainer_a_job_gets_the_same_image_with_the_same_binds(
    make_bundle: MakeBundle,
) -> None:
    spec = make_bundle("slurm", gpus=1).spec
    environ = {
        "APPTAINER_CONTAINER": "/images/torch 2.sif",
        "APPTAINER_BIND": "/scratch,/data:/mnt/data:ro",
    }
    assert script.container(spec, environ) == [
        "apptainer", "exec", "--nv", "--bind", "/scratch", "--bind", "/data:/mnt/data:ro",
        "--bind", str(spec.workspace), "/images/torch 2.sif",
    ]  # fmt: skip


def test_inside_singularity_its_own_program_is_used(make_bundle: MakeBundle) -> None:
    spec = make_bundle("slurm").spec
    environ = {
        "SINGULARITY_CONTAINER": "/images/a.sif",
        "SINGULARITY_BIND": str(spec.workspace.parent) if spec.workspace else "",
    }
    words = script.container(spec, environ)
    assert words[:2] == ["singularity", "exec"]
    assert "--nv" not in words
    assert words.count("--bind") == 1  # the workspace lies in what is bound already


def test_an_image_may_be_named_and_without_one_there_is_no_container(
    make_bundle: MakeBundle,
) -> None:
    assert script.container(make_bundle("slurm").spec, {}) == []
    named = script.container(make_bundle("slurm", image="/images/b.sif").spec, {})
    assert (named[0], named[-1]) == ("apptainer", "/images/b.sif")


def test_directives_of_ones_own_script(tmp_path: Path) -> None:
    path = tmp_path / "job.qsub"
    path.write_text("#!/bin/bash -l\n# a comment\n#$ -P speech  # who pays\n#$\n#$ -j y\nrun\n")
    assert script.directive_lines(path, "#$") == ["-P speech", "-j y"]
    with pytest.raises(SpecError, match="has no line that begins with #SBATCH"):
        script.directive_lines(path, "#SBATCH")
    with pytest.raises(SpecError, match="cannot be read"):
        script.directive_lines(tmp_path / "nosuch", "#$")


def test_an_array_has_the_directives_of_its_jobs(tmp_path: Path) -> None:
    one = "#!/bin/bash -l\n#SBATCH --mem=1M\n#\n# words\nrun_link bash start.sh\n"
    made = script.array(one, "#SBATCH", ["--array=1-3"], tmp_path / "a b", "$TASK")
    lines = made.splitlines()
    assert lines[:3] == ["#!/bin/bash -l", "#SBATCH --mem=1M", "#SBATCH --array=1-3"]
    assert lines[3] == f"exec bash '{tmp_path}/a b'/\"$TASK\"/batch/job.sh"
