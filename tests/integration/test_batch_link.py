"""What counts as progress between two links of a chain, as the batch script itself decides it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.backends.batch import script

LINK = Path(script.__file__).with_name("link.sh")
STARTED = {"event": "started", "cells": 5}


class Chain:
    """A job directory whose links' ends are written by the functions of link.sh."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0
        (root / "batch").mkdir(parents=True)

    def link(
        self,
        *events: dict[str, Any],
        metrics: list[dict[str, Any]] | None = None,
        log: str = "",
        starts: bool = True,
        ends: str = "75",
    ) -> str:
        """Add a link in which `events` happened; return ``moved`` or ``stuck``."""
        self.number += 1
        self._bash('printf "start %s 100 7 %s\\n" "$number" "$(progress)" >>"$batch/links"')
        if starts:
            attempt = self.root / "attempts" / str(self.number)
            attempt.mkdir(parents=True)
            (attempt / "log.txt").write_text(log)
        for name, lines in (("journal", events), ("metrics", metrics or [])):
            with (self.root / f"{name}.jsonl").open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
        self._bash(f"close_link {ends} 10")
        return self._end().split()[5]

    def stuck(self) -> int:
        """Return how many of the last three links brought nothing."""
        return int(self._bash("stuck_links || true"))

    def _end(self) -> str:
        return (self.root / "batch" / "links").read_text().splitlines()[-1]

    def _bash(self, command: str) -> str:
        text = f'job_dir="$1" number=$2; source "$3"; {command}'
        words = ["bash", "-c", text, "link", str(self.root), str(self.number), str(LINK)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
        assert done.stderr == ""
        return done.stdout


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path / "job with 'quotes' $x")


def cell_started(ordinal: int) -> dict[str, Any]:
    return {"event": "cell_started", "cell": ordinal + 1, "ordinal": ordinal}


def finished(ordinal: int, status: str = "ok") -> dict[str, Any]:
    return {"event": "cell_finished", "cell": ordinal + 1, "ordinal": ordinal, "status": status}


def saved_loop(steps: int, seconds: float = 0.1) -> dict[str, Any]:
    saved = {"loop": "1", "steps": steps, "total": 9, "seconds": seconds}
    return {"event": "checkpoint", "saved": saved}


def saved_snapshot(sequence: int, covers: int) -> dict[str, Any]:
    return {"event": "checkpoint", "saved": {"snapshot": sequence, "covers": covers}}


def saved_by_name(step: int | None, seconds: float) -> dict[str, Any]:
    return {"event": "checkpoint", "saved": {"name": "best", "step": step, "seconds": seconds}}


def progress(done: float) -> dict[str, Any]:
    return {"event": "progress", "done": done, "total": 60}


def test_links_that_are_killed_before_anything_happened_have_not_moved(chain: Chain) -> None:
    words = [chain.link(STARTED, cell_started(1)) for _ in range(3)]
    assert words == ["stuck"] * 3
    assert chain.stuck() == 3


def test_a_link_that_saved_a_later_step_of_a_loop_has_moved(chain: Chain) -> None:
    for steps in (2, 4, 6, 8):
        assert chain.link(STARTED, cell_started(3), saved_loop(steps)) == "moved"
    assert chain.stuck() == 0


def test_saving_the_same_step_again_is_no_progress(chain: Chain) -> None:
    one = (STARTED, cell_started(3), finished(3, "stopped"))
    assert chain.link(*one, saved_loop(2)) == "moved"
    assert chain.link(*one, saved_loop(2, seconds=0.4)) == "stuck"
    assert chain.link(STARTED, cell_started(4), saved_loop(2)) == "moved"  # another cell's loop


def test_the_snapshot_after_the_same_cell_is_no_progress(chain: Chain) -> None:
    assert chain.link(STARTED, finished(1), saved_snapshot(1, 1)) == "moved"
    assert chain.link(STARTED, finished(1), saved_snapshot(2, 1)) == "stuck"
    assert chain.link(STARTED, finished(2), saved_snapshot(3, 2)) == "moved"


def test_a_checkpoint_with_a_name_counts_by_its_step(chain: Chain) -> None:
    assert chain.link(STARTED, saved_by_name(5, 0.1)) == "moved"
    assert chain.link(STARTED, saved_by_name(5, 0.3)) == "stuck"
    assert chain.link(STARTED, saved_by_name(6, 0.1)) == "moved"
    # Nobody knows what one without a step holds.
    assert chain.link(STARTED, saved_by_name(None, 0.1)) == "moved"
    assert chain.link(STARTED, saved_by_name(None, 0.2)) == "moved"


def test_a_refusal_to_save_is_no_progress(chain: Chain) -> None:
    refused = {"event": "checkpoint", "refused": {"cell": 1, "why": '"saved": {"x"'}}
    assert chain.link(STARTED, refused) == "stuck"


def test_coming_no_further_than_an_earlier_link_is_no_progress(chain: Chain) -> None:
    assert chain.link(STARTED, finished(1), progress(3.0)) == "moved"
    assert chain.link(STARTED, finished(1), progress(3.0)) == "stuck"
    assert chain.link(STARTED, finished(1), progress(2)) == "stuck"
    assert chain.link(STARTED, finished(1), progress(3.5)) == "moved"


def test_a_cell_that_was_stopped_is_not_finished(chain: Chain) -> None:
    assert chain.link(STARTED, cell_started(1), finished(1, "stopped")) == "stuck"


def test_a_later_step_of_its_metrics_is_progress(chain: Chain) -> None:
    assert chain.link(STARTED, metrics=[{"step": 4, "values": {"loss": 1}}]) == "moved"
    assert chain.link(STARTED, metrics=[{"step": 4, "values": {"loss": 1}}]) == "stuck"
    assert chain.link(STARTED, metrics=[{"step": 5, "values": {"loss": 1}}]) == "moved"


STOPPED = "[unattended] received SIGTERM\n-----\nKeyboardInterrupt\n"


def test_other_last_words_are_progress_of_a_notebook_that_saves_by_itself(chain: Chain) -> None:
    """Keras, Lightning and many more save in a callback and print the epoch."""
    assert chain.link(STARTED, log=f"epoch 7\n{STOPPED}") == "stuck"  # nothing to compare with
    assert chain.link(STARTED, log=f"epoch 14\n{STOPPED}") == "moved"
    assert chain.link(STARTED, log=f"epoch 14\n[unattended] again\n{STOPPED}") == "stuck"


def test_a_link_that_never_reached_start_sh_has_the_last_words_of_the_one_before(
    chain: Chain,
) -> None:
    assert chain.link(STARTED, finished(1), log="epoch 7\n") == "moved"
    assert chain.link(starts=False) == "stuck"


def test_a_start_script_of_ones_own_is_given_the_benefit_of_the_doubt(chain: Chain) -> None:
    assert [chain.link(log="up\n") for _ in range(4)] == ["moved"] * 4


def test_links_that_a_person_paused_are_not_held_against_it(chain: Chain) -> None:
    assert [chain.link(STARTED, ends="75p") for _ in range(4)] == ["moved"] * 4
    assert [chain.link(STARTED, ends="75o") for _ in range(2)] == ["stuck"] * 2
