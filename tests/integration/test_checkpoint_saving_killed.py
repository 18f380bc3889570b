"""SIGKILL in the middle of saving: what is read afterwards is whole, and not too old."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jupyter_unattended.runtime import checkpoint_state
from jupyter_unattended.runtime.checkpoint_store import CheckpointStore

#: Saves one state after the other for ever, and says which is published.
SAVER = """
import sys
import numpy as np
from pathlib import Path
from jupyter_unattended.runtime import checkpoint_state
from jupyter_unattended.runtime.checkpoint_store import CheckpointStore

store = CheckpointStore(Path(sys.argv[1]))
number = int(sys.argv[2])
same = np.arange(400_000)
while True:
    number += 1
    state = {"number": number, "same": same, "many": [number] * 999}
    state["array"] = np.full(500_000, number)
    with store.begin("state") as publication:
        publication.publish(checkpoint_state.dump(publication, state))
    print(number, flush=True)
"""


_KILLS = int(os.environ.get("UNATTENDED_SAVING_KILLS", "15"))


@pytest.mark.timeout(300 + 10 * _KILLS)
def test_killed_while_saving(tmp_path: Path) -> None:
    """More often with UNATTENDED_SAVING_KILLS=200."""
    chance = random.Random(1)
    newest = 0
    for _ in range(_KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(tmp_path / "store"), str(newest)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        said = newest
        for _ in range(chance.randrange(1, 4)):
            said = int(process.stdout.readline())
        try:
            process.wait(chance.uniform(0.0, 0.03))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        said = int(rest[-1]) if rest else said

        notes: list[str] = []
        store = CheckpointStore(tmp_path / "store", notes.append)
        manifests = list(store.newest_first("state"))
        assert notes == []
        assert len(manifests) >= min(2, said)
        for place, manifest in enumerate(manifests):
            state = checkpoint_state.load(store, manifest, manifest.meta)
            number = state["number"]
            assert state["many"] == [number] * 999
            assert (state["array"] == number).all()
            assert (state["same"] == np.arange(400_000)).all()
            if place == 0:
                # Published is published; one more may be, of which nobody could be told.
                assert said <= number <= said + 1
                newest = number
    # What all the killed saves left behind goes with the next one.
    store = CheckpointStore(tmp_path / "store")
    with store.begin("state") as publication:
        publication.publish({})
    named = {ref.name for m in store.newest_first("state") for ref in m.refs if ref.inline is None}
    assert {path.name for path in (tmp_path / "store" / "objects").iterdir()} == named
    assert not list((tmp_path / "store").glob(".tmp-*"))
