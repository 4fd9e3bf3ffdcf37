"""Bytes recorded of an Apache Mesos 1.11.0 agent reach an executor's handlers whole, however they are cut."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pymesoskit.executor import ExecutorDriver
from pymesoskit.testing.cluster.inprocess import InProcessTransport
from pymesoskit.testing.engine.http.handler import Request, Responder, Response, Stream
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.wire import JSON, PROTOBUF
from tests.executor.test_driver import Teller, environment

RECORDED = Path(__file__).resolve().parents[1] / "conformance" / "recorded"


@pytest.mark.parametrize("size", [1, 2, 3, 11, 64, 1000, 4096, 10**9])
@pytest.mark.parametrize(("kind", "codec"), [("protobuf", PROTOBUF), ("json", JSON)])
def test_a_recorded_life_is_told_whole_at_every_size_of_pieces(kind, codec, size):
    actor = SimulatedActor()
    streams: list[Stream] = []

    def handle(_request: Request, responder: Responder) -> None:
        if streams:
            responder.respond(Response(202))
        else:
            streams.append(responder.stream(200, (("Content-Type", codec.content_type),), lambda: None))

    teller = Teller()
    driver = ExecutorDriver(
        teller, environment(), transport=InProcessTransport(actor, lambda _: handle), content_type=codec
    )
    driver.start()
    actor.settle()
    data = (RECORDED / f"executor-life.{kind}.recordio").read_bytes()
    for at in range(0, len(data), size):
        streams[0].write(data[at : at + size])
        actor.settle()
    told = Counter(teller.names())
    assert told["subscribed"] == 1
    assert told["launch"] == 4  # two, and a group of two
    assert told["acknowledged"] >= 2
    assert told["kill"] >= 1
    assert told["shutdown"] == 1
    assert any(max(entry[1]) > 127 for entry in teller.story if entry[0] == "message")
    assert driver.ended
