"""A process that runs, stands still, or has ended."""

from __future__ import annotations

from pymesoskit.testing.engine.http.guarded import Guarded
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.testing.runtime.lifeline import Lifeline


def make() -> tuple[SimulatedActor, Lifeline, list[object]]:
    actor = SimulatedActor()
    return actor, Lifeline(actor.clock), []


def test_what_reaches_a_running_process_happens_at_once() -> None:
    _, line, done = make()
    line.deliver(done.append, 1)
    assert done == [1]


def test_a_frozen_process_catches_up_in_order_and_before_anything_new() -> None:
    actor, line, done = make()
    line.call_later(5, done.append, "timer")
    line.freeze()
    line.deliver(done.append, "first")
    actor.advance(10)
    line.deliver(line.deliver, done.append, "caused by the last")
    assert done == []
    line.thaw()
    assert done == ["first", "timer", "caused by the last"]
    assert not line.frozen


def test_a_cancelled_timer_does_not_fire_even_if_it_fell_due_while_frozen() -> None:
    actor, line, done = make()
    timer = line.call_later(1, done.append, "timer")
    line.freeze()
    actor.advance(2)
    line.deliver(timer.cancel)
    timer.cancel()
    line.thaw()
    assert done == []


def test_an_ended_process_hears_nothing_and_leaves_no_timer() -> None:
    actor, line, done = make()
    line.call_later(1, done.append, "timer")
    line.end()
    line.call_later(1, done.append, "late")
    line.deliver(done.append, "message")
    line.freeze()
    line.thaw()
    assert actor.clock.next_due() is None
    actor.advance(2)
    assert done == []


def test_a_process_that_ends_while_it_catches_up_does_no_more() -> None:
    _, line, done = make()
    line.freeze()
    line.deliver(line.end)
    line.deliver(done.append, "after the end")
    line.thaw()
    assert done == []


class Responder:
    """Keeps who is to be told that the client is gone."""

    def __init__(self) -> None:
        self.told = []

    def on_close(self, callback) -> None:
        self.told.append(callback)

    def stream(self, _status, _headers, on_close) -> None:
        self.told.append(on_close)


def test_a_frozen_process_learns_that_clients_have_gone_when_it_goes_on() -> None:
    _, line, done = make()
    responder = Responder()
    guarded = Guarded(responder, line)
    guarded.on_close(lambda: done.append("late answer"))
    guarded.stream(200, (), lambda: done.append("stream"))
    line.freeze()
    for gone in responder.told:
        gone()
    assert done == []
    line.thaw()
    assert done == ["late answer", "stream"]
