from __future__ import annotations

import pytest

from jupyter_unattended.errors import SpecError
from jupyter_unattended.spec import JobSpec


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cpus": "two"}, "cpus: 'two' is not a number"),
        ({"gpus": "one"}, "gpus: 'one' is not a whole number"),
        ({"gpus": "1.5"}, "gpus: '1.5' is not a whole number"),
        ({"priority": "5000"}, "priority: it must be at most 1000, not 5000"),
        ({"cpus": "0"}, "cpus: it must be more than 0, not 0"),
        ({"max_restarts": -1}, "max-restarts: it must be at least 0, not -1"),
        ({"time_limit": "0"}, "time-limit: it must be more than 0, not 0"),
        ({"snapshot": "maybe"}, "snapshot: 'maybe' is not true or false"),
        ({"env": 3}, "env: 3 is not a mapping of names to values"),
        ({"name": "x" * 201}, "name: it is longer than 200 characters"),
        ({"colour": "red"}, "colour: there is no such option"),
        ({"cpus": "x", "gpus": "y"}, "cpus: 'x' is not a number (and 1 more problem)"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(fields: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        JobSpec.checked(**{"notebook": "/w/n.ipynb", **fields})
    assert str(caught.value).rstrip(".") == words
