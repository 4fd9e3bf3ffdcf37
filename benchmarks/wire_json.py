"""Mesos JSON in both directions, beside ``google.protobuf.json_format`` (proto3 JSON of the same messages), and its
growth.
"""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

from google.protobuf import json_format

from benchmarks.events import offers_event, update_event
from benchmarks.harness import Row, race, seconds
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
    """10 offers, one update, and large events; in CPU time."""
    for name, event, aim in [
        ("10 offers of like agents", _alike(10), "≥ 5×"),
        ("10 offers, all different", offers_event(10), "≥ 5×"),
        ("UPDATE", update_event(1), ""),
    ]:
        text, peer_text = to_json(event), _write_with_peer(event)
        here, peer = race(
            [lambda t=text: from_json(t, scheduler.Event), lambda t=peer_text: _read_with_peer(t)], clock=process_time
        )
        yield Row(f"read {name}", here * MICRO, "µs", peer * MICRO, PEER, aim)
        here, peer = race([lambda e=event: to_json(e), lambda e=event: _write_with_peer(e)], clock=process_time)
        yield Row(f"write {name}", here * MICRO, "µs", peer * MICRO, PEER, aim)
    yield from _never_seen(30 if quick else 300)
    yield from _updates()
    yield from _growth((100, 300) if quick else (1_000, 10_000, 30_000))


def _alike(count: int) -> scheduler.Event:
    event = offers_event(count)
    for offer in event.offers.offers:
        offer.CopyFrom(event.offers.offers[0])
    return event


def _never_seen(count: int) -> Iterator[Row]:
    """No two of these events have an offer, an agent or (but for a few) a number in common."""
    events = [offers_event(10, first=10 * number) for number in range(count)]
    here, peer = race(
        [lambda: [to_json(event) for event in events], lambda: [_write_with_peer(event) for event in events]],
        clock=process_time,
    )
    yield Row("write 10 offers, other ones each time", here / count * MICRO, "µs", peer / count * MICRO, PEER)


def _updates() -> Iterator[Row]:
    """Every one is another, so that nothing can be remembered."""
    messages = [update_event(number) for number in range(1000)]
    texts = [to_json(message) for message in messages]
    read = seconds(lambda: [from_json(text, scheduler.Event) for text in texts], clock=process_time)
    yield Row("read 1,000 different UPDATEs", 1000 / read, "events/s")
    write = seconds(lambda: [to_json(message) for message in messages], clock=process_time)
    yield Row("write 1,000 different UPDATEs", 1000 / write, "events/s")


def _growth(sizes: tuple[int, ...]) -> Iterator[Row]:
    for count in sizes:
        event = offers_event(count)
        text = to_json(event).encode()
        size = f"{count:,} offers ({len(text) / 1e6:.1f} MB), per offer"
        read = seconds(lambda t=text: from_json(t, scheduler.Event), clock=process_time)
        yield Row(f"read {size}", read / count * MICRO, "µs")
        write = seconds(lambda e=event: to_json(e), clock=process_time)
        yield Row(f"write {size}", write / count * MICRO, "µs")
