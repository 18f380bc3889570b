"""Where a job's code comes from, if not from the workspace's volume: git, or the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.errors import SpecError
from jupyter_unattended.jobs.states import State
from tests.on_cluster.git_server import repository, serving
from tests.on_cluster.jobs import Bench

SHOW = """
import os
print("here:", sorted(os.listdir(".")))
import module
print("word:", module.WORD)
"""


def options(**more: Any) -> dict[str, Any]:
    # The tests' git server is on the node's loopback.
    pod = {"dnsPolicy": "Default", "hostNetwork": True}
    return {"patch": {"spec": {"template": {"spec": pod}}}, **more}


def test_a_branch_is_pinned_and_cloned_in_the_place_of_the_workspace(
    bench: Bench, tmp_path: Path
) -> None:
    if not bench.cluster.is_ours:
        pytest.skip("a job of this test needs this machine's network")
    (bench.workspace / "module.py").write_text("WORD = 'of the workspace'")
    source = tmp_path / "repositories" / "team"
    source.parent.mkdir()
    commit = repository(source, {"module.py": "WORD = 'of the commit'"})
    with serving(source.parent) as url:
        job = bench.submit(SHOW, options=options(git=f"{url}/team/.git@main"))
        (init,) = bench.job(job)["spec"]["template"]["spec"]["initContainers"]
        assert init["command"][-2:] == [f"{url}/team/.git", commit]
        bench.wait(job, State.SUCCEEDED)
    assert "here: ['.git', '.unattended', 'module.py']\n" in bench.log(job)
    assert "word: of the commit\n" in bench.log(job)
    assert job.paths.output.exists()


def test_a_private_repository(bench: Bench, tmp_path: Path) -> None:
    """The password comes from a Secret of the cluster; without it the job says what is wrong."""
    if not bench.cluster.is_ours:
        pytest.skip("a job of this test needs this machine's network")
    source = tmp_path / "repositories" / "team"
    source.parent.mkdir()
    commit = repository(source, {"module.py": "WORD = 'secret'"})
    bench.cluster.kubectl(
        *("create", "secret", "generic", "git", "--namespace", bench.namespace),
        *("--from-literal=username=ada", "--from-literal=password=p@ss $(x)'word"),
    )
    with serving(source.parent, "p@ss $(x)'word") as url:
        with pytest.raises(SpecError, match=r"cannot be asked what main is .*; give the commit"):
            bench.submit(SHOW, options=options(git=f"{url}/team/.git@main"))
        wanted = options(git=f"{url}/team/.git@{commit}", git_secret="git")
        job = bench.submit(SHOW, options=wanted)
        bench.wait(job, State.SUCCEEDED)
        assert "word: secret\n" in bench.log(job)
        job = bench.submit(SHOW, options=options(git=f"{url}/team/.git@{commit}"))
        ended = bench.wait(job, State.FAILED)
    assert ended.reason.startswith("the repository could not be cloned: ")
    assert "could not read Username" in ended.reason


def test_code_in_the_image(bench: Bench) -> None:
    """Of the volume nothing but the job directory is mounted."""
    (bench.workspace / "module.py").write_text("WORD = 'of the workspace'")
    cells = (
        "import os\nprint('here:', sorted(os.listdir('.')))",
        "print('jobs:', os.listdir('.unattended'))",
        "import sklearn\nprint('in the image')",
    )
    job = bench.submit(*cells, options={"code": "image"})
    bench.submit("pass", options={"code": "image"})
    bench.wait(job, State.SUCCEEDED)
    assert "here: ['.unattended']\n" in bench.log(job)
    assert f"jobs: ['{job.job_id}']\n" in bench.log(job)
    assert "in the image\n" in bench.log(job)
    assert job.paths.output.exists()
