"""The actor with a thread: order, errors, waiting, its end; and the history."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing.runtime.actor import ActorEnded, ThreadActor
from pymesoskit.testing.runtime.clock import VirtualClock
from pymesoskit.testing.runtime.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator
from pathlib import Path


@pytest.fixture
def actor() -> Iterator[ThreadActor]:
    actor = ThreadActor()
    actor.start()
    yield actor
    actor.stop()


def test_what_is_posted_runs_in_order_in_one_thread(actor: ThreadActor) -> None:
    seen: list[tuple[int, int]] = []

    def step(number: int) -> None:
        seen.append((number, threading.get_ident()))
        if number < 1000:
            actor.post(step, number + 1000)

    actor.call(lambda: [actor.post(step, number) for number in range(1000)])
    assert actor.wait_for(lambda: len(seen) == 2000, 10)
    assert [number for number, _ in seen] == list(range(2000))
    assert {ident for _, ident in seen} == {actor.call(threading.get_ident)}


def test_call_returns_and_raises(actor: ThreadActor) -> None:
    assert actor.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        actor.call(divmod, 7, 0)
    assert actor.call(lambda: actor.call(threading.get_ident)) == actor.call(threading.get_ident)


def test_an_exception_in_a_turn_is_reported_and_the_actor_goes_on(actor: ThreadActor) -> None:
    reported: list[tuple[str, BaseException]] = []
    actor.report = lambda where, error: reported.append((where, error))
    actor.post(divmod, 1, 0)
    actor.clock.call_later(0, divmod, 2, 0)
    assert actor.wait_for(lambda: len(reported) == 2, 10)
    assert {type(error) for _, error in reported} == {ZeroDivisionError}


def test_timers_run_in_order_and_can_be_cancelled(actor: ThreadActor) -> None:
    seen: list[str] = []

    def set_timers() -> None:
        actor.clock.call_later(0.02, seen.append, "late")
        actor.clock.call_later(0.01, seen.append, "never").cancel()
        actor.clock.call_later(0, seen.append, "early")

    actor.call(set_timers)
    assert actor.wait_for(lambda: len(seen) == 2, 10)
    assert seen == ["early", "late"]


def test_waiting_ends_in_vain_after_its_time(actor: ThreadActor) -> None:
    assert actor.wait_for(lambda: False, 0.01) is False


def test_a_condition_is_asked_only_when_something_happened(actor: ThreadActor) -> None:
    asked: list[int] = []
    assert actor.wait_for(lambda: asked.append(1), 0.2) is False
    assert len(asked) < 5


def test_an_ended_actor_says_so_and_ignores_posts(actor: ThreadActor) -> None:
    actor.stop()
    actor.stop()
    actor.post(divmod, 1, 0)
    with pytest.raises(ActorEnded):
        actor.call(divmod, 1, 1)
    with pytest.raises(ActorEnded):
        actor.wait_for(lambda: True, 1)


def test_an_actor_that_never_started_holds_nothing_and_can_be_stopped() -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    actor = ThreadActor()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    actor.stop()


def test_what_was_posted_before_it_started_runs_first() -> None:
    actor, seen = ThreadActor(), []
    actor.post(seen.append, 1)
    actor.start()
    try:
        actor.call(seen.append, 2)
        assert seen == [1, 2]
    finally:
        actor.stop()


def test_with_a_virtual_clock_time_stands_still_until_advanced() -> None:
    clock = VirtualClock()
    actor = ThreadActor(clock)
    actor.start()
    seen: list[float] = []
    try:
        actor.call(lambda: actor.clock.call_later(60, lambda: seen.append(clock.monotonic())))
        actor.advance(59)
        assert seen == []
        actor.advance(1)
        assert seen == [60]
    finally:
        actor.stop()


def test_a_real_clock_cannot_be_advanced(actor: ThreadActor) -> None:
    with pytest.raises(TypeError, match="real time"):
        actor.advance(1)


def test_history_keeps_the_newest_events(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter(range(1577836800, 1577836900))
    history = History(lambda: next(now) + 0.25, limit=3)
    for number in range(5):
        history.note("master", f"event {number}")
    assert [event.text for event in history.events()] == ["event 2", "event 3", "event 4"]
    assert history.story(2) == "(3 earlier events)\n00:00:03.250 master: event 3\n00:00:04.250 master: event 4"
    history.report("the cluster", ValueError("oops"))
    assert history.failures == 1
    assert history.events()[-1].text == "FAILURE ValueError: oops"
    assert "ValueError: oops" in capsys.readouterr().err
