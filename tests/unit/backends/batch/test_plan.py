from __future__ import annotations

from typing import Any

import pytest

from jupyter_unattended.backends.batch.options import BatchOptions
from jupyter_unattended.backends.batch.plan import Plan, check_size, clock, needs_limit, plan
from jupyter_unattended.backends.batch.profile import Profile
from jupyter_unattended.errors import SpecError

from ..conftest import MakeBundle

HOUR = 3600.0
PROFILE = {"queue": "gpu", "queues": {"gpu": {"time_limit": "12h", "gpus": 4, "cpus": 32}}}


@pytest.fixture
def made(make_bundle: MakeBundle) -> Any:
    """Return a function that plans a job from options, the profile and fields of the spec."""

    def make(
        profile: dict[str, Any] | None = None,
        *,
        asked: float | None = None,
        limit: float | None = None,
        spec: dict[str, Any] | None = None,
        **options: Any,
    ) -> Plan:
        bundle = make_bundle("slurm", **(spec or {}))
        return plan(
            bundle.spec,
            BatchOptions(**options),
            Profile(**(profile or {})),
            asked=asked,
            limit=limit,
        )

    return make


def test_a_total_above_the_queues_limit_is_a_chain(made: Any) -> None:
    planned = made(PROFILE, total_time="72h")
    assert (planned.links, planned.link, planned.total) == (6, 12 * 3600, 72 * 3600)
    assert planned.words == "queue gpu allows 12 h; 72 h makes a chain of 6 links of 12 h"


def test_a_total_within_the_limit_is_one_link(made: Any) -> None:
    planned = made(PROFILE, total_time="3h")
    assert (planned.links, planned.link, planned.words) == (1, 3 * 3600, "")


def test_the_time_limit_of_every_backend_is_the_total_time(made: Any) -> None:
    assert made(PROFILE, spec={"time_limit": 24 * HOUR}).links == 2
    with pytest.raises(SpecError, match=r"total-time: .* one says 20 h and the other 24 h"):
        made(PROFILE, spec={"time_limit": 24 * HOUR}, total_time="20h")


def test_what_the_scheduler_tells_stands_in_for_the_profile(made: Any) -> None:
    planned = made(limit=6 * HOUR, total_time="24h")
    assert (planned.links, planned.link) == (4, 6 * 3600)
    assert planned.words.startswith("the queue allows 6 h; 24 h makes")


def test_without_any_time_it_is_left_to_the_scheduler(made: Any) -> None:
    planned = made()
    assert (planned.links, planned.link, planned.total) == (1, None, None)
    assert planned.warning == 30 + 60


def test_links_shorter_than_the_limit_can_be_asked_for(made: Any) -> None:
    assert made(PROFILE, total_time="24h", link_time="4h").links == 6
    assert made(PROFILE, total_time="24h", asked=4 * HOUR).links == 6
    with pytest.raises(SpecError, match="link-time: queue gpu allows 12 h at once, not 13 h"):
        made(PROFILE, link_time="13h")


def test_a_link_leaves_time_to_run_before_its_warning(made: Any) -> None:
    assert made(link_time="600s").warning == 30 + 60
    assert made(link_time="60s", spec={"grace_period": 5}).warning == 5 + 6
    assert made(link_time="1h", warning_time="5m").warning == 300
    with pytest.raises(SpecError, match="leaves no time to run before its warning"):
        made(link_time="30s")


def test_an_exact_number_of_links_is_not_rounded_up(made: Any) -> None:
    assert made(total_time="0.3h", link_time="0.1h", warning_time="10s").links == 3


@pytest.mark.parametrize(
    ("profile", "asked", "options", "needed"),
    [
        ({}, None, {"total_time": "9h"}, True),
        ({}, None, {}, False),
        ({}, HOUR, {"total_time": "9h"}, False),
        ({}, None, {"total_time": "9h", "link_time": "1h"}, False),
        (PROFILE, None, {"total_time": "9h"}, False),
        (PROFILE, None, {"total_time": "9h", "queue": "other"}, True),
    ],
)
def test_when_the_scheduler_is_asked_for_a_limit(
    make_bundle: MakeBundle,
    profile: dict[str, Any],
    asked: float | None,
    options: dict[str, Any],
    needed: bool,
) -> None:
    spec = make_bundle("slurm").spec
    assert needs_limit(spec, BatchOptions(**options), Profile(**profile), asked) == needed


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"gpus": 5}, "gpus: a job in queue gpu can have at most 4 GPUs, not 5."),
        ({"cpus": 32.5}, "cpus: a job in queue gpu can have at most 32 CPU cores, not 33."),
    ],
)
def test_more_than_a_queue_gives_a_job_is_refused(
    make_bundle: MakeBundle, fields: dict[str, Any], words: str
) -> None:
    profile = Profile(**PROFILE)  # type: ignore[arg-type]
    with pytest.raises(SpecError) as caught:
        check_size(make_bundle("slurm", **fields).spec, BatchOptions(), profile)
    assert str(caught.value) == words
    check_size(make_bundle("slurm", **fields).spec, BatchOptions(queue="big"), profile)


def test_a_queue_without_gpus_says_so(make_bundle: MakeBundle) -> None:
    profile = Profile(queues={"cpu": {"gpus": 0}})  # type: ignore[dict-item]
    with pytest.raises(SpecError, match="a job in queue cpu can have no GPUs, not 1"):
        check_size(make_bundle("slurm", gpus=1).spec, BatchOptions(queue="cpu"), profile)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(45, "45 s"), (90, "90 s"), (7200, "2 h"), (5400, "1 h 30 min"), (3605, "1 h 5 s")],
)
def test_durations_as_people_say_them(seconds: float, words: str) -> None:
    assert clock(seconds) == words
