"""The pages of the guide on batch schedulers: their commands, with their own site profile."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import nbformat
import pytest
from integration import doc_pages

from .daemons import wait_for
from .shell import Shell

Cluster = Any

TRAIN = """\
import time
for epoch in range(epochs):
    print(epoch, flush=True)
    time.sleep(1)
"""
#: What a cluster has and this machine has not.
PROFILE = """\
module() { echo "module $*"; }
conda() { echo "conda $*"; }
"""
#: As in the tutorial, with a comment where people have one.
JOB_QSUB = """\
#!/bin/bash -l
#$ -P research
#$ -pe omp 4  # cores
#$ -l gpus=1
#$ -l gpu_c=3.5
#$ -l h_rt=12:00:00
#$ -j y
module load miniconda
conda activate speech
python train.py
"""


def commands(name: str) -> list[list[str]]:
    """Return the words after ``jupyter unattended`` of every command on a page."""
    text = (doc_pages.DOCS / f"{name}.md").read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            assert words[:2] == ["jupyter", "unattended"], line
            found.append(words[2:])
    assert found
    return found


def write_notebook(workspace: Path) -> None:
    """Write the notebook that the page's commands name."""
    parameters = nbformat.v4.new_code_cell(  # type: ignore[no-untyped-call]
        "epochs = 300", metadata={"tags": ["parameters"]}
    )
    train = nbformat.v4.new_code_cell(TRAIN)  # type: ignore[no-untyped-call]
    node = nbformat.v4.new_notebook(cells=[parameters, train])  # type: ignore[no-untyped-call]
    (workspace / "train.ipynb").write_text(nbformat.writes(node))  # type: ignore[no-untyped-call]


@pytest.mark.timeout(400)
def test_the_commands_of_the_page_do_what_it_says(
    shell: Shell,
    cluster: Cluster,
    workspace: Path,
    backend: Any,
) -> None:
    page = (doc_pages.DOCS / f"{backend.name}.md").read_text(encoding="utf-8")
    (profile,) = [
        block
        for block in re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        if "submit_host" not in block
    ]
    write_notebook(workspace)
    (workspace / "job.qsub").write_text(JOB_QSUB)
    (workspace / "site.toml").write_text(profile)
    (workspace / ".venv" / "bin").mkdir(parents=True)
    (workspace / ".venv" / "bin" / "activate").write_text("echo activated\n")
    (cluster.person.home / ".bash_profile").write_text(PROFILE)
    shell.env["UNATTENDED_SITE_PROFILE"] = str(workspace / "site.toml")
    job = ""
    for words in commands(backend.name):
        if words[0] == "submit":
            job = shell.submit(*words[1:], *(["--epochs=300"] if "--" not in words else []))
            _runs(shell, job)
            assert shell("cancel", job).returncode == 0
            wait_for(lambda: not cluster.queue(), 60, "it is gone", 0.3)
        elif words[0] == "lengthen":
            held = shell.submit("train.ipynb", "--backend", backend.name, "--name", "train",
                                "--total-time", "72h", "--hold")  # fmt: skip
            done = shell(*words)
            assert done.returncode == 0, done.stderr
            assert "may run for 96h altogether" in done.stderr
            assert shell("cancel", held).returncode == 0
        else:
            done = shell(*words)
            assert done.returncode == 0, (words, done.stderr)
            assert done.stdout.strip()
    assert job


def _runs(shell: Shell, job: str) -> None:
    """Wait until a job's notebook prints, and see that the site's own lines were run."""
    directory = Path(shell.show(job)["directory"])
    log = directory / "attempts" / "1" / "log.txt"
    wait_for(lambda: log.exists() and "1\n" in log.read_text(), 60, f"output of {job}", 0.3)
    said = (directory / "scheduler.log").read_text()
    assert "module load miniconda" in said
    assert "activate" in said
    script = (directory / "batch" / "job.sh").read_text()
    assert "72 h makes a chain of 6 links of 12 h" in script


def test_every_option_that_the_page_names_exists(shell: Shell, backend: Any) -> None:
    page = (doc_pages.DOCS / f"{backend.name}.md").read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`(--[a-z][a-z-]+)", text))
    schedulers = {"--account", "--partition", "--dependency", "--export"}
    listed = shell("submit", "--backend", backend.name, "--help").stdout
    for option in named - schedulers:
        assert re.search(rf"{option}\b", listed), option
