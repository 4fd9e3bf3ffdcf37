"""RecordIO: whatever the chunks, the same records; what is no RecordIO is an error that shows it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.wire import (
    MalformedLength,
    RecordDecoder,
    RecordTooLarge,
    TruncatedRecord,
    encode_record,
    encode_records,
)

RECORDED = sorted((Path(__file__).parents[1] / "conformance" / "recorded").glob("*.recordio"))


def decode(stream: bytes, size: int) -> list[bytes]:
    decoder = RecordDecoder()
    records = []
    for at in range(0, len(stream), size):
        records += decoder.feed(stream[at : at + size])
    decoder.eof()
    return records


@given(st.lists(st.binary(max_size=40)), st.integers(1, 60))
def test_records_survive_any_chunk_size(records: list[bytes], size: int) -> None:
    assert decode(encode_records(records), size) == records


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 200)))
def test_records_survive_any_cut(records: list[bytes], cuts: list[int]) -> None:
    stream = encode_records(records)
    decoder, found, at = RecordDecoder(), [], 0
    for cut in [*sorted(c for c in cuts if c <= len(stream)), len(stream)]:
        found += decoder.feed(memoryview(stream)[at:cut])
        at = cut
    decoder.eof()
    assert found == records


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_recorded_streams_decode_the_same_at_every_chunk_size(path: Path) -> None:
    stream = path.read_bytes()
    whole = decode(stream, len(stream))
    assert encode_records(whole) == stream
    for size in [1, 2, 3, 7, 64, 1000]:
        assert decode(stream, size) == whole


def test_two_records_in_one_chunk_are_both_delivered_and_length_counts_bytes_not_characters() -> None:
    texts = ["ä" * 10, "日本"]
    assert decode(b"".join(encode_record(t.encode()) for t in texts), 1000) == [t.encode() for t in texts]


def test_an_empty_record_is_a_record() -> None:
    assert decode(b"0\n0\n2\nab", 1) == [b"", b"", b"ab"]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"abc\n", b"abc\n"),
        (b"-1\n", b"-1\n"),
        (b"+1\nx", b"+1\n"),
        (b" 1\nx", b" 1\n"),
        (b"\n", b"\n"),
        (b"1.0\nx", b"1.0\n"),
        (b'{"type":"HEARTBEAT"}', b'{"type":"HEARTBEAT"}'),
        (b"9" * 30, b"9" * 20),
        ("١\nx".encode(), "١\n".encode()),
    ],
)
def test_a_malformed_length_is_an_error_that_shows_the_bytes(stream: bytes, found: bytes) -> None:
    decoder = RecordDecoder()
    with pytest.raises(MalformedLength) as error:
        decoder.feed(stream)
    assert error.value.found == found
    assert repr(found) in str(error.value)
    with pytest.raises(MalformedLength):
        decoder.feed(b"1\nx")


def test_a_malformed_length_is_noticed_before_its_newline_comes() -> None:
    with pytest.raises(MalformedLength):
        RecordDecoder().feed(b"<html>")


def test_records_in_front_of_what_is_wrong_are_delivered() -> None:
    decoder = RecordDecoder()
    assert decoder.feed(b"1\naoops\n") == [b"a"]
    with pytest.raises(MalformedLength):
        decoder.feed(b"")


def test_a_bound_refuses_what_is_longer_as_soon_as_its_length_is_known() -> None:
    decoder = RecordDecoder(max_record_size=10)
    assert decoder.feed(b"10\n" + b"x" * 10) == [b"x" * 10]
    with pytest.raises(RecordTooLarge, match="a record of 11 bytes exceeds the limit of 10 bytes") as error:
        decoder.feed(b"11\n")
    assert (error.value.size, error.value.limit) == (11, 10)


def test_without_a_bound_a_record_of_25_megabytes_passes_in_small_chunks() -> None:
    record = bytes(25_000_000)
    assert decode(encode_record(record), 65_536) == [record]


@pytest.mark.parametrize("stream", [b"5\nab", b"5\n", b"5"])
def test_a_stream_that_ends_inside_a_record_is_truncated(stream: bytes) -> None:
    decoder = RecordDecoder()
    assert decoder.feed(stream) == []
    with pytest.raises(TruncatedRecord):
        decoder.eof()


def test_a_negative_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="max_record_size must not be negative, not -1"):
        RecordDecoder(max_record_size=-1)


@pytest.mark.parametrize("chunk", [1, 1 << 12, 1 << 30])
@pytest.mark.parametrize("record", [0, 200, None])
def test_the_time_per_byte_does_not_grow_with_the_stream(record: int | None, chunk: int) -> None:
    """Eight times the stream takes about eight times as long; what is quadratic takes 64 times as long."""

    def took(length: int) -> float:
        """For a stream of that many bytes, of small records or of a single one."""
        stream = encode_record(bytes(length if record is None else record))
        stream *= length // len(stream) + 1
        times = []
        for _ in range(3):
            decoder, begin = RecordDecoder(), time.process_time()
            for at in range(0, len(stream), chunk):
                decoder.feed(stream[at : at + chunk])
            times.append(time.process_time() - begin)
        return min(times)

    length = 10_000 if chunk == 1 else 200_000
    assert took(8 * length) < 25 * took(length) + 0.005
