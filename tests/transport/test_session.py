"""The machine of a subscription: its table, and what holds whatever happens in whatever order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pymesoskit.errors import ConnectionLost, DriverStateError, NotLeader
from pymesoskit.scheduler import OnRemoved, SchedulerSession
from pymesoskit.scheduler.options import FrameworkOptions
from pymesoskit.subscription import Backoff, State
from pymesoskit.subscription.options import ConnectionOptions
from pymesoskit.subscription.session import (
    MAX_REDIRECTS,
    RECORD_LIMIT,
    TRANSITIONS,
    Connect,
    Connected,
    Disconnect,
    Disconnected,
    Ended,
    Input,
    Retry,
    Subscribe,
    Watchdog,
)
from pymesoskit.transport import FixedDetector
from pymesoskit.transport.errors import refusal
from pymesoskit.wire import encode_record
from pymesoskit.wire.v1 import mesos, scheduler
from tests.transport.stub import error, subscribed, update

HEADERS = (("content-type", "application/x-protobuf"), ("mesos-stream-id", "s"))


def session(**given) -> SchedulerSession:
    given.setdefault("backoff", Backoff(rng=random.Random(1)))
    options = FrameworkOptions.of(
        mesos.FrameworkInfo(user="u", name="n"),
        given.pop("detector", "master"),
        store=None,
        suppressed_roles=(),
        offer_constraints=None,
        on_removed=OnRemoved.EXIT,
        connection=ConnectionOptions(**given),
    )
    return SchedulerSession(options)


def record(event: scheduler.Event) -> bytes:
    return encode_record(event.SerializeToString())


def to_subscribing(machine: SchedulerSession, now: float = 0.0) -> int:
    machine.start(now)
    machine.opened(machine.epoch, now)
    return machine.epoch


def to_subscribed(machine: SchedulerSession, now: float = 0.0) -> int:
    epoch = to_subscribing(machine, now)
    assert machine.head(epoch, 200, HEADERS, now)
    machine.data(epoch, record(subscribed()), now)
    return epoch


# The table.


def test_every_state_but_the_last_can_be_stopped_and_the_last_cannot_be_left():
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.STOPPED] == {}
    for state, row in TRANSITIONS.items():
        assert state is State.STOPPED or row[Input.STOP] is State.STOPPED


def test_every_state_can_be_reached_and_every_input_occurs():
    reached, frontier = {State.IDLE}, [State.IDLE]
    while frontier:
        for after in TRANSITIONS[frontier.pop()].values():
            if after not in reached:
                reached.add(after)
                frontier.append(after)
    assert reached == set(State)
    assert {what for row in TRANSITIONS.values() for what in row} == set(Input)


def test_only_an_answered_subscribe_leads_to_subscribed():
    sources = [state for state, row in TRANSITIONS.items() if State.SUBSCRIBED in row.values()]
    assert sources == [State.SUBSCRIBING]


# Single rules.


def test_it_connects_then_subscribes():
    machine = session()
    machine.start(0.0)
    [connect] = machine.take_actions()
    assert isinstance(connect, Connect)
    assert str(connect.address) == "http://master:5050"
    machine.opened(machine.epoch, 0.0)
    [subscribe] = machine.take_actions()
    assert isinstance(subscribe, Subscribe)
    assert subscribe.head.target == "/api/v1/scheduler"


def test_a_redirect_leads_to_the_leader_at_once():
    machine = session()
    epoch = to_subscribing(machine)
    machine.take_actions()
    machine.refused(epoch, 307, (("location", "//10.0.0.2:5051/api/v1/scheduler"),), b"", 0.0)
    disconnect, connect = machine.take_actions()
    assert isinstance(disconnect, Disconnect)
    assert str(connect.address) == "http://10.0.0.2:5051"
    assert machine.state is State.CONNECTING
    assert connect.epoch > epoch


def test_masters_that_point_at_each_other_are_not_followed_for_ever():
    machine = session()
    machine.start(0.0)
    for _ in range(MAX_REDIRECTS):
        machine.opened(machine.epoch, 0.0)
        machine.refused(machine.epoch, 307, (("location", "//other:1/"),), b"", 0.0)
        assert machine.state is State.CONNECTING
    machine.opened(machine.epoch, 0.0)
    machine.refused(machine.epoch, 307, (("location", "//other:1/"),), b"", 0.0)
    assert machine.state is State.DISCONNECTED
    assert isinstance(machine.take_actions()[-1], Retry)
    assert any(isinstance(told, Disconnected) and isinstance(told.reason, NotLeader) for told in machine.take_told())


@pytest.mark.parametrize("headers", [(), (("location", "nowhere"),), (("location", "ftp://x/"),)])
def test_a_redirect_to_nowhere_is_tried_again_later(headers):
    machine = session()
    machine.refused(to_subscribing(machine), 307, headers, b"", 0.0)
    assert machine.state is State.DISCONNECTED


def test_a_failed_leader_is_not_clung_to():
    machine = session(detector=FixedDetector("one,two"))
    epoch = to_subscribing(machine)
    machine.refused(epoch, 307, (("location", "//leader:5050"),), b"", 0.0)
    machine.ended(machine.epoch, ConnectionLost("x"), 0.0)
    machine.retry(machine.epoch, 1.0)
    assert machine.address.host == "one"
    machine.ended(machine.epoch, ConnectionLost("x"), 1.0)
    machine.retry(machine.epoch, 2.0)
    assert machine.address.host == "two"


def test_several_masters_are_tried_in_turn():
    machine = session(detector=FixedDetector(["a:1", "b:2", "c:3"]))
    machine.start(0.0)
    seen = []
    for number in range(6):
        seen.append(machine.address.host)
        machine.ended(machine.epoch, ConnectionLost("x"), float(number))
        machine.retry(machine.epoch, float(number))
    assert seen == ["a", "b", "c", "a", "b", "c"]


def test_nothing_meant_for_an_old_stream_reaches_the_new_one():
    machine = session()
    old = to_subscribed(machine)
    machine.ended(old, None, 1.0)
    machine.retry(old, 2.0)
    machine.opened(machine.epoch, 2.0)
    machine.take_told()
    machine.take_actions()
    machine.data(old, record(update("late")), 2.0)
    machine.ended(old, None, 2.0)
    machine.refused(old, 400, (), b"", 2.0)
    assert not machine.head(old, 200, HEADERS, 2.0)
    machine.retry(old, 2.0)
    machine.opened(old, 2.0)
    machine.call_refused(old, refusal("KILL", 503, b""), 2.0)
    assert machine.take_told() == []
    assert machine.take_actions() == []
    assert machine.state is State.SUBSCRIBING


def test_records_after_the_one_that_ends_it_are_not_told():
    machine = session()
    epoch = to_subscribed(machine)
    machine.take_told()
    machine.data(epoch, record(error("Framework failed over")) + record(update("after")), 1.0)
    told = machine.take_told()
    assert [type(each) for each in told] == [scheduler.Event, Disconnected, Ended]


def test_records_before_a_broken_one_are_told():
    machine = session()
    epoch = to_subscribed(machine)
    machine.take_told()
    machine.data(epoch, record(update("before")) + b"broken\n", 1.0)
    told = machine.take_told()
    assert [type(each) for each in told] == [scheduler.Event, Disconnected]
    assert "malformed RecordIO" in str(told[1].reason)


def test_empty_records_say_nothing():
    machine = session()
    epoch = to_subscribed(machine)
    machine.take_told()
    machine.data(epoch, b"0\n0\n" + record(update("x")), 1.0)
    assert len(machine.take_told()) == 1


def test_starting_twice_is_an_error():
    machine = session()
    machine.start(0.0)
    with pytest.raises(DriverStateError, match="already connecting"):
        machine.start(0.0)


def test_no_leader_known_is_waited_for():
    class Nobody(FixedDetector):
        known = False

        def candidate(self):
            return super().candidate() if self.known else None

    detector = Nobody("master")
    machine = session(detector=detector)
    machine.start(0.0)
    assert machine.state is State.DISCONNECTED
    [retry] = machine.take_actions()
    detector.known = True
    machine.retry(retry.epoch, 1.0)
    assert machine.state is State.CONNECTING


def test_a_leader_that_changes_is_followed_at_once():
    detector = FixedDetector("old")
    machine = session(detector=detector)
    to_subscribed(machine)
    machine.leader_changed(1.0)
    assert machine.subscribed  # the same one still leads
    detector.redirected(machine.address.from_location("//new:5050"))
    machine.leader_changed(1.0)
    assert machine.state is State.DISCONNECTED
    machine.leader_changed(1.0)
    assert machine.state is State.CONNECTING


# Whatever happens.


class AnyOrder(RuleBasedStateMachine):
    """Random inputs, right and wrong, to right and wrong epochs; what must hold is said by the invariants."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = session()
        self.now = 0.0
        self.epochs: list[int] = []
        self.connected_epochs: list[int] = []
        self.open = False
        self.started = False
        self.subscribed_for: list[int] = []
        self.ended = 0

    def _collect(self) -> None:
        for action in self.machine.take_actions():
            match action:
                case Connect(epoch=epoch):
                    assert not self.open, "a second connection"
                    assert epoch not in self.epochs
                    self.epochs.append(epoch)
                    self.open = True
                case Subscribe(epoch=epoch):
                    assert epoch == self.machine.epoch
                    assert self.open
                case Disconnect():
                    self.open = False
                case Retry(delay=delay):
                    assert 0.0 <= delay <= 30.0
        for told in self.machine.take_told():
            match told:
                case Connected(epoch=epoch):
                    assert epoch not in self.connected_epochs
                    self.connected_epochs.append(epoch)
                case Ended():
                    self.ended += 1
                case scheduler.Event() if told.type == scheduler.Event.SUBSCRIBED:
                    self.subscribed_for.append(self.machine.epoch)

    @precondition(lambda self: not self.started)
    @rule()
    def start(self):
        self.started = True
        self.machine.start(self.now)
        self._collect()

    def _epoch(self, back: int) -> int:
        return self.machine.epoch - back

    BACK = st.sampled_from([0, 0, 0, 0, 1, 2])

    @rule(back=BACK)
    def opened(self, back):
        self.machine.opened(self._epoch(back), self.now)
        self._collect()

    @rule(back=BACK, status=st.sampled_from([200, 200, 200, 307, 400, 401, 403, 404, 500, 503]), good=st.booleans())
    def head(self, back, status, good):
        epoch = self._epoch(back)
        if not self.machine.head(epoch, status, HEADERS if good else (), self.now) and status != 200:
            location = (("location", "//other:1/"),) if good else ()
            self.machine.refused(epoch, status, location, b"text", self.now)
        self._collect()

    @rule(
        back=BACK,
        data=st.lists(
            st.sampled_from(
                [record(subscribed()), record(update("t")), record(error("x")), b"", b"1\n", b"?\n", b"3\nabc"]
            ),
            max_size=3,
        ),
    )
    def data(self, back, data):
        self.machine.data(self._epoch(back), b"".join(data), self.now)
        self._collect()

    @rule(back=BACK)
    def ended_by_the_other_side(self, back):
        self.machine.ended(self._epoch(back), None, self.now)
        self._collect()

    @rule(back=BACK)
    def retry(self, back):
        self.machine.retry(self._epoch(back), self.now)
        self._collect()

    @rule(seconds=st.sampled_from([0.0, 1.0, 40.0, 80.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.machine.tick(self.now)
        self._collect()

    @rule(
        back=BACK,
        answer=st.sampled_from(
            [(503, b""), (400, b"no"), (400, b"The stream ID 'x'"), (403, b"Framework is not subscribed")]
        ),
    )
    def call_refused(self, back, answer):
        self.machine.call_refused(self._epoch(back), refusal("KILL", *answer), self.now)
        self._collect()

    @precondition(lambda self: self.started)
    @rule(now=st.sampled_from([False, False, False, True]))
    def stop(self, now):
        if now:
            self.machine.stop()
            self._collect()

    @invariant()
    def a_connection_is_open_exactly_while_there_is_one_to_listen_to(self):
        assert self.open == (self.machine.state in {State.CONNECTING, State.SUBSCRIBING, State.SUBSCRIBED})

    @invariant()
    def silence_is_watched_exactly_while_there_is_a_connection(self):
        assert (self.machine.deadline is not None) == self.open

    @invariant()
    def the_end_is_told_once(self):
        assert self.ended == (1 if self.machine.state is State.STOPPED else 0)

    @invariant()
    def attempts_are_numbered_upwards(self):
        assert self.epochs == sorted(set(self.epochs))


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_the_table_in_the_documentation_is_the_table():
    rows = ["| state | " + " | ".join(what.value for what in Input) + " |"]
    for state in [State.IDLE, State.DISCONNECTED, *list(State)[2:]]:
        row = TRANSITIONS[state]
        cells = [row[what].value if what in row else "" for what in Input]
        rows.append(f"| {state.value} | " + " | ".join(cells) + " |")
    page = (Path(__file__).resolve().parents[2] / "docs" / "scheduler-client.md").read_text()
    for row in rows:
        assert row in page


# What counts as a sign of life.


def test_bytes_before_subscribed_do_not_put_its_limit_off():
    machine = session(watchdog=Watchdog(subscribe=10))
    epoch = to_subscribing(machine)
    assert machine.head(epoch, 200, HEADERS, 5.0)
    machine.data(epoch, record(scheduler.Event(type=scheduler.Event.HEARTBEAT)), 9.0)
    machine.data(epoch, b"1000000\nx", 9.5)
    machine.tick(10.0)
    assert machine.state is State.DISCONNECTED


def test_only_whole_events_count_as_heartbeats():
    machine = session()
    epoch = to_subscribed(machine)
    machine.data(epoch, b"1000000\n", 70.0)
    machine.data(epoch, b"x" * 100, 74.0)
    machine.tick(75.0)
    assert machine.state is State.DISCONNECTED


@pytest.mark.parametrize(
    ("interval", "limit"), [(1e-9, 1.0), (0.5, 2.5), (30.0, 150.0), (0.0, 75.0), (float("inf"), 75.0)]
)
def test_the_masters_heartbeat_interval_is_believed_within_bounds(interval, limit):
    machine = session()
    epoch = to_subscribing(machine)
    machine.head(epoch, 200, HEADERS, 0.0)
    machine.data(epoch, record(subscribed(interval=interval)), 0.0)
    assert machine.deadline == pytest.approx(limit)


def test_a_record_larger_than_the_limit_breaks_the_stream():
    machine = session()
    epoch = to_subscribed(machine)
    machine.data(epoch, b"%d\n" % (RECORD_LIMIT + 1), 1.0)
    assert machine.state is State.DISCONNECTED
