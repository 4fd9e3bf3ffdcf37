"""Bytes recorded of Apache Mesos 1.11.0 reach the handlers whole, however they are cut."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pymesoskit.scheduler import Acknowledgement, SchedulerDriver
from pymesoskit.testing.cluster.inprocess import InProcessTransport
from pymesoskit.testing.engine.http.handler import Request, Responder, Response, Stream
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.wire import JSON, PROTOBUF
from pymesoskit.wire.v1 import mesos
from tests.scheduler.story import FRAMEWORK, Storyteller

RECORDED = Path(__file__).resolve().parents[1] / "conformance" / "recorded"

SIZES = [1, 2, 3, 5, 17, 64, 100, 1000, 4096, 65536, 10**9]


def play(data: bytes, codec, size: int) -> tuple[Storyteller, list[bytes]]:
    """What a scheduler gets from a recorded stream, in pieces of that size, and the calls it made."""
    actor = SimulatedActor()
    streams: list[Stream] = []
    bodies: list[bytes] = []

    def handle(request: Request, responder: Responder) -> None:
        if not streams:
            headers = (("Content-Type", codec.content_type), ("Mesos-Stream-Id", "s"))
            streams.append(responder.stream(200, headers, lambda: None))
        else:
            bodies.append(request.body)
            responder.respond(Response(202))

    teller = Storyteller()
    driver = SchedulerDriver(
        teller,
        FRAMEWORK,
        "master",
        transport=InProcessTransport(actor, lambda _: handle),
        content_type=codec,
        acknowledgement=Acknowledgement.AUTOMATIC,
    )
    driver.start()
    actor.settle()
    for at in range(0, len(data), size):
        streams[0].write(data[at : at + size])
        actor.settle()
    return teller, bodies


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "codec"), [("scheduler-life.protobuf", PROTOBUF), ("scheduler-life.json", JSON)], ids=["protobuf", "json"]
)
def test_a_recorded_life_is_told_whole_at_every_size_of_pieces(name, codec, size):
    data = (RECORDED / f"{name}.recordio").read_bytes()
    teller, bodies = play(data, codec, size)
    whole, _ = play(data, codec, len(data))
    assert teller.story == whole.story
    told = Counter(teller.names())
    assert told["subscribed"] == 1
    assert told["offers"] >= 3
    assert told["update"] >= 10
    assert told["update_operation_status"] == 1
    assert told["heartbeat"] >= 1
    statuses = [entry[1] for entry in teller.story if entry[0] == "update"]
    assert len(bodies) == sum(1 for status in statuses if status.uuid) + 1  # the operation's too
    states = {status.state for status in statuses}
    assert {mesos.TASK_RUNNING, mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_ERROR} <= states
    assert {"subscribed", "offers", "update"} <= set(told)


@pytest.mark.parametrize("size", [1, 7, 4096, 10**9])
def test_a_recorded_life_with_a_custom_executor(size):
    data = (RECORDED / "scheduler-with-custom-executor.json.recordio").read_bytes()
    teller, _ = play(data, JSON, size)
    told = Counter(teller.names())
    assert told["message"] >= 1
    assert told["failure"] >= 1
    assert isinstance(teller.last("message")[0].data, bytes)


def test_protobuf_and_json_tell_the_same_kinds_of_things():
    kinds = []
    for name, codec in (("scheduler-life.protobuf", PROTOBUF), ("scheduler-life.json", JSON)):
        teller, _ = play((RECORDED / f"{name}.recordio").read_bytes(), codec, 4096)
        kinds.append(
            {entry[1].task_id.value: entry[1].state for entry in teller.story if entry[0] == "update"}.values()
        )
    assert Counter(kinds[0]) == Counter(kinds[1])
