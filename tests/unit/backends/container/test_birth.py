from __future__ import annotations

import threading

import pytest

from jupyter_unattended.backends.container.birth import Birth
from jupyter_unattended.backends.container.engine import EngineAwayError, EngineError


class Engine:
    """Is away for some calls."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.calls = 0

    def start(self) -> str:
        self.calls += 1
        if self.calls <= self.away:
            raise EngineAwayError("Docker: the engine does not answer.")
        return "a container"


def test_an_engine_that_is_away_is_waited_for() -> None:
    birth, engine = Birth(60, 0), Engine(away=3)
    assert birth.patiently(lambda: birth.begin(engine.start)) == "a container"
    assert engine.calls == 4
    assert birth.waits_for == ""


def test_not_for_ever() -> None:
    birth, engine = Birth(0, 0), Engine(away=10**9)
    with pytest.raises(EngineAwayError):
        birth.patiently(lambda: birth.begin(engine.start))


def test_another_refusal_is_final() -> None:
    def refuse() -> None:
        raise EngineError("No space.")

    with pytest.raises(EngineError, match="No space"):
        Birth(60, 0).patiently(refuse)


def test_while_it_waits_it_says_so_and_can_be_given_up() -> None:
    birth, engine = Birth(60, 60), Engine(away=10**9)
    errors: list[EngineError] = []

    def wait() -> None:
        try:
            birth.patiently(lambda: birth.begin(engine.start))
        except EngineError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not birth.waits_for:
        assert thread.is_alive()
    assert birth.waits_for == "waiting for the engine (Docker: the engine does not answer)"
    assert birth.give_up()
    thread.join(20)
    assert not thread.is_alive()
    assert len(errors) == 1
    assert engine.calls == 1


def test_what_is_given_up_before_it_began_is_not_started() -> None:
    birth, engine = Birth(60, 0), Engine(away=0)
    assert birth.give_up()
    with pytest.raises(EngineError):
        birth.begin(engine.start)
    assert engine.calls == 0


def test_what_has_begun_cannot_be_given_up() -> None:
    birth = Birth(60, 0)
    birth.begin(lambda: None)
    assert not birth.give_up()
