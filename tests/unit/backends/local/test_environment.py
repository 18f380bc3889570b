from __future__ import annotations

import pytest

from jupyter_unattended.backends.local import environment


def test_a_job_has_the_submitters_environment() -> None:
    source = {"PATH": "/bin", "WANDB_API_KEY": "k", "UNATTENDED_PYTHON": "/py", "EMPTY": ""}
    assert environment.of_submitter(source) == source


@pytest.mark.parametrize(
    "name",
    [
        "JUPYTERHUB_API_TOKEN", "JPY_SESSION_NAME", "JPY_API_TOKEN", "JUPYTER_TOKEN",
        "UNATTENDED_JOB_DIR", "UNATTENDED_LAUNCH", "UNATTENDED_ATTEMPT", "PYTHONSTARTUP",
    ],
)  # fmt: skip
def test_what_belongs_to_the_session_or_another_job_stays_behind(name: str) -> None:
    assert environment.of_submitter({name: "x", "HOME": "/h"}) == {"HOME": "/h"}


def test_a_kernels_plotting_backend_stays_behind() -> None:
    inline = "module://matplotlib_inline.backend_inline"
    assert environment.of_submitter({"MPLBACKEND": inline}) == {}
    assert environment.of_submitter({"MPLBACKEND": "agg"}) == {"MPLBACKEND": "agg"}


def test_a_job_that_submits_does_not_pass_on_its_runtime() -> None:
    source = {
        "UNATTENDED_JOB_DIR": "/w/j",
        "PYTHONPATH": "/mine:/w/j/runtime/jupyter_unattended.zip",
    }
    assert environment.of_submitter(source) == {"PYTHONPATH": "/mine"}
    source["PYTHONPATH"] = "/w/j/runtime/jupyter_unattended.zip"
    assert environment.of_submitter(source) == {}


def test_equal_environments_are_kept_once() -> None:
    assert environment.pack({"a": "1", "b": "2"}) == environment.pack({"b": "2", "a": "1"})
    assert environment.pack({"a": "1"})[0] != environment.pack({"a": "2"})[0]


def test_the_agent_keeps_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("UNATTENDED_CPUS", "3")
    monkeypatch.setenv("UNATTENDED_LAUNCH", "other")
    kept = environment.of_agent()
    assert "AWS_SECRET_ACCESS_KEY" not in kept
    assert "UNATTENDED_LAUNCH" not in kept
    assert kept["UNATTENDED_CPUS"] == "3"
