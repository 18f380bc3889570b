from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from jupyter_unattended.backends.batch.profile import load
from jupyter_unattended.errors import SpecError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def system(no_profile_but_ours: Path) -> Path:
    return no_profile_but_ours


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "config" / "jupyter-unattended" / "site.toml"


def test_without_files_everything_has_a_default() -> None:
    profile = load("slurm")
    assert (profile.chain, profile.login_shell, profile.queues) == ("requeue", True, {})


def test_system_group_and_user_add_up_key_by_key(system: Path, own: Path, tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    write(
        system,
        f'group_profiles = "{tmp_path}/groups/{{group}}.toml"\n'
        '[slurm]\nproject = "everybody"\nmodules = ["base"]\nchain = "links"\n'
        '[slurm.queues.gpu]\ntime_limit = "12h"\n',
    )
    write(tmp_path / "groups" / f"{group}.toml", '[slurm]\nproject = "speech"\n')
    write(
        own,
        '[slurm]\nmodules = ["mine"]\n[slurm.queues.long]\ntime_limit = "5d"\n'
        '[gridengine]\nproject = "another"\n',
    )
    profile = load("slurm")
    assert (profile.project, profile.modules, profile.chain) == ("speech", ["mine"], "links")
    assert {name: queue.time_limit for name, queue in profile.queues.items()} == {
        "gpu": 12 * 3600,
        "long": 5 * 86400,
    }
    assert len(profile.sources) == 3
    assert load("gridengine").project == "another"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[slurm\n", "is not valid TOML"),
        ('[slurm]\nqueu = "gpu"\n', "queu"),
        ("slurm = 3\n", r"\[slurm\] must be a table"),
        ('[slurm.queues.gpu]\ntime_limit = "long"\n', "time_limit.*is not a duration"),
        ('[slurm]\nsetup = ["one\\ntwo"]\n', "one line of visible characters"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_name(system: Path, text: str, words: str) -> None:
    write(system, text)
    with pytest.raises(SpecError, match=words) as caught:
        load("slurm")
    assert str(system) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_limits_of_the_default_queue_hold_where_none_is_named(system: Path) -> None:
    write(system, '[slurm]\nqueue = "gpu"\n[slurm.queues.gpu]\ntime_limit = "12h"\n')
    profile = load("slurm")
    assert profile.queue_of(None)[0] == "gpu"
    assert profile.queue_of(None)[1].time_limit == 12 * 3600
    assert profile.queue_of("other")[1].time_limit is None
