"""RecordIO decoding at the chunkings that show what a decoder costs; per byte it must be the same at every size."""

from __future__ import annotations

import io
from time import process_time
from typing import TYPE_CHECKING

from benchmarks.events import offers_event, update_event
from benchmarks.harness import Row, race
from pymesoskit.wire import RecordDecoder, encode_record, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator


def _decode(stream: bytes, chunk_size: int) -> int:
    decoder, records = RecordDecoder(), 0
    for at in range(0, len(stream), chunk_size):
        records += len(decoder.feed(stream[at : at + chunk_size]))
    decoder.eof()
    return records


def _with_a_file(stream: bytes) -> int:
    """The peer: how one would read it from a file that is there in full."""
    file, records = io.BytesIO(stream), 0
    while line := file.readline():
        records += file.read(int(line)) is not None
    return records


def run(quick: bool) -> Iterator[Row]:
    """Many records at once, one large record in pieces, and byte by byte; in CPU time."""
    scale = 10 if quick else 1
    update = encode_record(to_json(update_event(1)).encode())
    large = encode_record(to_json(offers_event(100)).encode() * (300 // scale))
    quarter = encode_record(large[: len(large) // 4])
    for name, stream, chunk_size in [
        (f"{100_000 // scale:,} records in one chunk", update * (100_000 // scale), 1 << 40),
        (f"{100_000 // scale:,} records in chunks of 64 KiB", update * (100_000 // scale), 1 << 16),
        (f"a record of {len(quarter) / 1e6:.0f} MB in chunks of 64 KiB", quarter, 1 << 16),
        (f"a record of {len(large) / 1e6:.0f} MB in chunks of 64 KiB", large, 1 << 16),
        (f"{1_000 // scale:,} records, byte by byte", update * (1_000 // scale), 1),
        (f"{4_000 // scale:,} records, byte by byte", update * (4_000 // scale), 1),
    ]:
        size = len(stream) / 1e6
        here, peer = race(
            [lambda s=stream, c=chunk_size: _decode(s, c), lambda s=stream: _with_a_file(s)], clock=process_time
        )
        yield Row(name, size / here, "MB/s", size / peer, "a file, at once")
