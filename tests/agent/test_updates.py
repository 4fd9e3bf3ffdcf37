"""Streams of updates under any history: order, exactly one head under way, nothing lost (agent-executor.md 3.1)."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from pymesoskit.testing.engine.agent.updates import RETRY_MAX, UpdateStreams
from pymesoskit.testing.runtime.actor import SimulatedActor


def make() -> tuple[SimulatedActor, UpdateStreams[str, str], list[tuple[float, str]]]:
    actor = SimulatedActor()
    sent: list[tuple[float, str]] = []
    streams: UpdateStreams[str, str] = UpdateStreams(
        actor.clock, lambda _, update: sent.append((actor.clock.monotonic(), update))
    )
    return actor, streams, sent


def test_nothing_is_sent_before_the_first_resume() -> None:
    actor, streams, sent = make()
    streams.add("t", b"1", "one", terminal=False)
    actor.advance(100)
    assert sent == []
    streams.resume()
    assert sent == [(100, "one")]


def test_the_interval_doubles_up_to_ten_minutes_and_starts_anew_with_the_next_update() -> None:
    actor, streams, sent = make()
    streams.resume()
    streams.add("t", b"1", "one", terminal=False)
    actor.advance(4000)
    times = [time for time, _ in sent]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == [10, 20, 40, 80, 160, 320, *[RETRY_MAX] * (len(gaps) - 6)]
    streams.add("t", b"2", "two", terminal=True)
    sent.clear()
    streams.acknowledge("t", b"1")
    actor.advance(10)
    assert [update for _, update in sent] == ["two", "two"]


def test_resuming_sends_each_head_again_and_starts_its_interval_anew() -> None:
    actor, streams, sent = make()
    streams.resume()
    streams.add("a", b"1", "a", terminal=False)
    streams.add("b", b"2", "b", terminal=False)
    actor.advance(35)
    sent.clear()
    streams.resume()
    assert sent == [(35, "a"), (35, "b")]
    actor.advance(10)
    assert [time for time, _ in sent[2:]] == [45, 45]


def test_a_stream_ends_with_the_acknowledgement_of_its_terminal_update() -> None:
    _, streams, _ = make()
    streams.resume()
    streams.add("t", b"1", "one", terminal=True)
    assert not streams.acknowledge("t", b"other")
    assert streams.acknowledge("t", b"1")
    assert "t" not in streams
    assert not streams.acknowledge("t", b"1")


def test_what_came_after_a_terminal_update_ends_with_it() -> None:
    _, streams, sent = make()
    streams.resume()
    streams.add("t", b"1", "one", terminal=True)
    streams.add("t", b"2", "two", terminal=False)
    assert streams.acknowledge("t", b"1")
    assert "t" not in streams
    assert [update for _, update in sent] == ["one"]


def test_what_was_recorded_is_restored() -> None:
    _, streams, sent = make()
    streams.restore("t", b"1", "one", terminal=False)
    streams.restore("t", b"1", None, terminal=False)
    streams.restore("t", b"2", "two", terminal=True)
    streams.restore("done", b"3", "x", terminal=True)
    streams.restore("done", b"3", None, terminal=False)
    streams.resume()
    assert [update for _, update in sent] == ["two"]
    assert "done" not in streams
    assert not streams.add("t", b"1", "one", terminal=False)


class Streams(RuleBasedStateMachine):
    """Compares with the plainest model: a list of unacknowledged updates per key."""

    uuids = Bundle("uuids")

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.streams, self.sent = make()
        self.model: dict[str, list[str]] = {}
        self.seen: dict[str, set[str]] = {}
        self.terminal: set[str] = set()
        self.paused = True
        self.number = 0

    @rule(target=uuids, key=st.sampled_from("abc"), terminal=st.booleans())
    def add(self, key: str, terminal: bool) -> Any:
        self.number += 1
        uuid = f"{key}{self.number}"
        assert self.streams.add(key, uuid.encode(), uuid, terminal=terminal)
        self.model.setdefault(key, []).append(uuid)
        self.seen.setdefault(key, set()).add(uuid)
        if terminal:
            self.terminal.add(uuid)
        return uuid

    @rule(uuid=uuids)
    def add_again(self, uuid: str) -> None:
        if uuid in self.seen.get(uuid[0], ()):
            assert not self.streams.add(uuid[0], uuid.encode(), uuid, terminal=False)

    @rule(uuid=uuids)
    def acknowledge(self, uuid: str) -> None:
        key = uuid[0]
        pending = self.model.get(key, [])
        expected = bool(pending) and pending[0] == uuid
        assert self.streams.acknowledge(key, uuid.encode()) == expected
        if expected:
            pending.pop(0)
            if uuid in self.terminal:
                pending.clear()
                self.seen.pop(key)

    @rule()
    def pause(self) -> None:
        self.streams.pause()
        self.paused = True

    @rule()
    def resume(self) -> None:
        self.streams.resume()
        self.paused = False

    @rule(seconds=st.floats(0.1, 2000))
    def wait(self, seconds: float) -> None:
        before = len(self.sent)
        heads = {pending[0] for pending in self.model.values() if pending}
        self.actor.advance(seconds)
        fresh = {update for _, update in self.sent[before:]}
        assert fresh <= heads
        if self.paused:
            assert not fresh
        elif seconds > RETRY_MAX:
            assert fresh == heads

    @invariant()
    def every_head_was_sent_unless_paused(self) -> None:
        if not self.paused:
            sent = {update for _, update in self.sent}
            assert all(pending[0] in sent for pending in self.model.values() if pending)


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
