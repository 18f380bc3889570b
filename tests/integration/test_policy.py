"""An administrator's policy holds for every face, with the same sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_unattended.errors import PolicyError
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.policy import FILE
from jupyter_unattended.spec import JobSpec

from .command_line import CommandLine, write_notebook
from .kernels import Kernel

POLICY = """
[fields.cpus]
maximum = 1
reason = "The machine is shared."
[fields.max_restarts]
default = 3
"""
SAYS = "cpus: 2 is more than the 1 that is allowed by the policy here. The machine is shared."


def test_every_face_refuses_the_same(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(cli.cwd)
    directory = tmp_path / "etc"
    directory.mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(directory))
    cli.env["JUPYTER_CONFIG_PATH"] = str(directory)
    notebook = write_notebook(cli.cwd / "n.ipynb", "print('ran')")
    service = JobService()

    before = service.submit(JobSpec.checked(notebook=notebook, cpus=2))
    (directory / FILE).write_text(POLICY)

    typed = cli("submit", "n.ipynb", "--cpus", "2")
    assert typed.returncode == 2
    assert SAYS in typed.stderr
    assert not typed.stdout
    checked = cli("check", "n.ipynb", "--cpus", "2")
    assert checked.returncode == 2
    assert SAYS in checked.stdout
    with pytest.raises(PolicyError, match="cpus: 2 is more"):
        service.submit(JobSpec.checked(notebook=notebook, cpus=2), force=True)
    with pytest.raises(PolicyError, match="cpus: 2 is more"):
        service.rerun(before.id)
    kernel = Kernel(notebook)
    try:
        kernel.run("%load_ext jupyter_unattended")
        assert SAYS in kernel.run("%submit --cpus 2 --force").stderr
    finally:
        kernel.close()
    assert [view.id for view in service.list()] == [before.id]

    cloned = service.clone(before.id, cpus=1)
    submitted = service.submit(JobSpec.checked(notebook=notebook))
    assert service.wait(cloned.id, 60).state == "succeeded"
    assert service.wait(submitted.id, 60).state == "succeeded"
    assert service.spec(submitted.id)["spec"]["max_restarts"] == 3
    assert "Policy" in cli("doctor").stdout

    (directory / FILE).write_text("[fields.cpuz]\nmaximum = 1")
    broken = cli("submit", "n.ipynb")
    assert broken.returncode == 4
    assert f"{directory / FILE}: fields.cpuz: there is no such field" in broken.stderr
