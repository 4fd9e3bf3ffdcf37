"""Events in: how fast a driver decodes them and calls its handlers, from bytes recorded of Mesos, without a socket.

pymesos gets the same events as JSON, which is all it speaks, and hands on plain dicts. The bytes come in pieces of 64
KiB; no event is acknowledged.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Row, seconds
from benchmarks.peers import ABSENT, pymesos
from pymesoskit.scheduler import Acknowledgement, Scheduler, SchedulerDriver
from pymesoskit.testing.cluster.inprocess import InProcessTransport
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.wire import JSON, PROTOBUF, Codec, RecordDecoder, encode_record
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pymesoskit.testing.engine.http.handler import Request, Responder, Stream

RECORDED = (
    Path(__file__).resolve().parents[1] / "tests" / "conformance" / "recorded" / "scheduler-life.protobuf.recordio"
)
PIECE = 65536


def recorded(kind: int) -> scheduler.Event:
    """The first recorded event of that type."""
    records = RecordDecoder().feed(RECORDED.read_bytes())
    return next(event for event in map(scheduler.Event.FromString, records) if event.type == kind)


def offers_of(count: int) -> scheduler.Event:
    """The recorded OFFERS event, with so many offers, each of another id and agent."""
    event = recorded(scheduler.Event.OFFERS)
    offer = event.offers.offers[0]
    del event.offers.offers[:]
    for number in range(count):
        added = event.offers.offers.add()
        added.CopyFrom(offer)
        added.id.value = f"{offer.id.value}{number}"
        added.agent_id.value = f"{offer.agent_id.value}{number}"
    return event


class Counter(Scheduler):
    def __init__(self) -> None:
        self.seen = 0

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        self.seen += 1

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        self.seen += 1


class Player:
    """A subscribed driver in the caller's own turn, and the stream that feeds it."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._streams: list[Stream] = []
        self._actor = SimulatedActor()
        self.counter = Counter()
        self._driver = SchedulerDriver(
            self.counter,
            mesos.FrameworkInfo(user="u", name="n"),
            "master",
            transport=InProcessTransport(self._actor, lambda _: self._answer),
            content_type=codec,
            acknowledgement=Acknowledgement.EXPLICIT,
        )
        self._driver.start()
        self._actor.settle()
        self.play(self.record(recorded(scheduler.Event.SUBSCRIBED)))
        assert self._driver.subscribed

    def _answer(self, _request: Request, responder: Responder) -> None:
        headers = (("Content-Type", self._codec.content_type), ("Mesos-Stream-Id", "s"))
        self._streams.append(responder.stream(200, headers, lambda: None))

    def record(self, event: scheduler.Event) -> bytes:
        return encode_record(self._codec.encode(event))

    def play(self, data: bytes) -> None:
        stream = self._streams[0]
        for at in range(0, len(data), PIECE):
            stream.write(data[at : at + PIECE])
            self._actor.settle()


def here(codec: Codec, event: scheduler.Event, count: int) -> float:
    """Seconds for an event, when so many come in a row."""
    player = Player(codec)
    data = player.record(event) * count
    took = seconds(lambda: player.play(data)) / count
    assert player.counter.seen % count == 0
    return took


def there(event: scheduler.Event, count: int, rounds: int) -> float | None:
    """The same of pymesos."""
    record = encode_record(JSON.encode(event))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: s\r\n\r\n"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "stream"
        path.write_bytes(head + (b"%x\r\n%b\r\n" % (len(record), record)) * count)
        figures = [pymesos("replay", path, count) for _ in range(rounds)]
    known = sorted(figure for figure in figures if figure is not None)
    return known[len(known) // 2] / count if known else None


def run(quick: bool) -> Iterable[Row]:
    """UPDATE events per second, and the time for one OFFERS event of growing size."""
    count = 2_000 if quick else 20_000
    update = recorded(scheduler.Event.UPDATE)
    peer = there(update, count, 1 if quick else 5)
    name = "pymesos, dicts" if peer else ABSENT
    rate = 1 / peer if peer else None
    yield Row("UPDATE, protobuf", 1 / here(PROTOBUF, update, count), "events/s", rate, name, "≥ 5×")
    yield Row("UPDATE, JSON", 1 / here(JSON, update, count), "events/s", rate, name)
    for size in (1_000,) if quick else (1_000, 10_000, 30_000):
        event = offers_of(size)
        peer = there(event, 1, 1 if quick or size > 10_000 else 5)
        scaled = None if peer is None else peer * 1e3
        aim = "≥ 20×" if size == 10_000 else ""
        yield Row(f"OFFERS of {size:,}, protobuf", here(PROTOBUF, event, 1) * 1e3, "ms", scaled, name, aim)
        yield Row(f"OFFERS of {size:,}, JSON", here(JSON, event, 1) * 1e3, "ms", scaled, name)
