"""Mesos JSON in both directions, beside ``google.protobuf.json_format`` (proto3 JSON of the same messages), and its growth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import json_format

from benchmarks.events import offers_event, update_event
from benchmarks.harness import Row, seconds
from pymesoskit.wire import from_json, to_json
from pymesoskit.wire.v1 import scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

MICRO = 1e6
PEER = "json_format"


def _read_with_peer(text: str) -> scheduler.Event:
    return json_format.Parse(text, scheduler.Event())


def _write_with_peer(event: scheduler.Event) -> str:
    return json_format.MessageToJson(event, preserving_proto_field_name=True, indent=None)


def run(quick: bool) -> Iterator[Row]:
    """10 offers, one update, and large events."""
    events = [("10 offers, recorded shape", _alike(10), "≥ 5×"), ("10 offers, all different", offers_event(10), "≥ 5×")]
    events.append(("UPDATE", update_event(1), ""))
    for name, event, aim in events:
        text, peer_text = to_json(event), _write_with_peer(event)
        read, peer_read = (
            seconds(lambda t=text: from_json(t, scheduler.Event)),
            seconds(lambda t=peer_text: _read_with_peer(t)),
        )
        yield Row(f"read {name}", read * MICRO, "µs", peer_read * MICRO, PEER, aim)
        write, peer_write = seconds(lambda e=event: to_json(e)), seconds(lambda e=event: _write_with_peer(e))
        yield Row(f"write {name}", write * MICRO, "µs", peer_write * MICRO, PEER, aim)
    yield from _updates()
    yield from _growth((100, 300) if quick else (1_000, 10_000, 30_000))


def _alike(count: int) -> scheduler.Event:
    event = offers_event(count)
    for offer in event.offers.offers:
        offer.CopyFrom(event.offers.offers[0])
    return event


def _updates() -> Iterator[Row]:
    """Every one is another, so that nothing can be remembered."""
    messages = [update_event(number) for number in range(1000)]
    texts = [to_json(message) for message in messages]
    yield Row(
        "read 1,000 different UPDATEs",
        1000 / seconds(lambda: [from_json(text, scheduler.Event) for text in texts]),
        "events/s",
    )
    yield Row(
        "write 1,000 different UPDATEs", 1000 / seconds(lambda: [to_json(message) for message in messages]), "events/s"
    )


def _growth(sizes: tuple[int, ...]) -> Iterator[Row]:
    for count in sizes:
        event = offers_event(count)
        text = to_json(event).encode()
        size = f"{count:,} offers ({len(text) / 1e6:.1f} MB)"
        yield Row(
            f"read {size}, per offer", seconds(lambda t=text: from_json(t, scheduler.Event)) / count * MICRO, "µs"
        )
        yield Row(f"write {size}, per offer", seconds(lambda e=event: to_json(e)) / count * MICRO, "µs")
