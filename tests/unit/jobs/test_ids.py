from __future__ import annotations

import re

import pytest

from jupyter_unattended.jobs import ids

VALID = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]\Z")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Train ResNet (v2)", "train-resnet-v2"),
        ("2024 report", "job-2024-report"),
        ("Ünïcödé", "unicode"),
        ("模型训练", "job"),
        ("", "job"),
        ("---", "job"),
        ('it\'s "quoted"\nand\ttabbed', "it-s-quoted-and-tabbed"),
        ("x" * 300, "x" * 29),
    ],
)
def test_a_slug_is_short_and_plain(name: str, slug: str) -> None:
    assert ids.slug(name) == slug


@pytest.mark.parametrize("name", ["train", "9", "ÄÖÜ" * 40, "-" * 60, "a" * 28 + "-b", "../../etc"])
def test_an_id_fits_every_scheduler(name: str) -> None:
    made = ids.new(name, now=1_700_000_000)
    assert VALID.match(made)
    assert len(made) <= ids.MAX_LENGTH
    assert "-20231114-221320-" in made


def test_ids_differ() -> None:
    assert len({ids.new("a", now=0) for _ in range(200)}) > 190


@pytest.mark.parametrize(
    ("stem", "shown"),
    [("a\nb", "a b"), ("  ", "notebook"), ("Über", "Über"), ("y" * 500, "y" * 200)],
)
def test_a_name_for_people_is_one_line(stem: str, shown: str) -> None:
    assert ids.printable(stem) == shown
