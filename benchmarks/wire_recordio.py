"""RecordIO decoding at the chunkings that show what a decoder costs; per byte it must be the same at every size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.events import offers_event, update_event
from benchmarks.harness import Row, seconds
from pymesoskit.wire import RecordDecoder, encode_record, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator


def _decode(stream: bytes, chunk_size: int) -> int:
    decoder, records = RecordDecoder(), 0
    for at in range(0, len(stream), chunk_size):
        records += len(decoder.feed(stream[at : at + chunk_size]))
    decoder.eof()
    return records


def _slice_only(stream: bytes, chunk_size: int) -> int:
    """The peer: what cutting the stream into chunks costs by itself."""
    return sum(1 for at in range(0, len(stream), chunk_size) if stream[at : at + chunk_size])


def run(quick: bool) -> Iterator[Row]:
    """Many records at once, one large record in pieces, and byte by byte."""
    scale = 10 if quick else 1
    update = encode_record(to_json(update_event(1)).encode())
    large = encode_record(to_json(offers_event(100)).encode() * (300 // scale))
    for name, stream, chunk_size in [
        (f"{100_000 // scale:,} records in one chunk", update * (100_000 // scale), 1 << 40),
        (f"{100_000 // scale:,} records in chunks of 64 KiB", update * (100_000 // scale), 1 << 16),
        (f"a record of {len(large) / 1e6:.0f} MB in chunks of 64 KiB", large, 1 << 16),
        (
            f"a record of {len(large) / 4e6:.0f} MB in chunks of 64 KiB",
            encode_record(large[: len(large) // 4]),
            1 << 16,
        ),
        (f"{1_000 // scale:,} records, byte by byte", update * (1_000 // scale), 1),
        (f"{4_000 // scale:,} records, byte by byte", update * (4_000 // scale), 1),
    ]:
        here = len(stream) / 1e6 / seconds(lambda s=stream, c=chunk_size: _decode(s, c))
        peer = len(stream) / 1e6 / seconds(lambda s=stream, c=chunk_size: _slice_only(s, c))
        yield Row(name, here, "MB/s", peer, "slicing alone")
