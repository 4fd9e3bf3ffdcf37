"""RecordIO: each record is its length in decimal digits, a newline, and its bytes (docs/reference/scheduler-api.md
1.1).

There is no I/O here. Decoding takes time linear in the input, whatever the size of the chunks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

from pymesoskit.wire.errors import MalformedLength, RecordTooLarge, TruncatedRecord

#: A length of more digits than this is malformed: no such record could ever arrive.
MAX_DIGITS = 19


def encode_record(record: bytes) -> bytes:
    """Returns the record with its length in front."""
    return b"%d\n%b" % (len(record), record)


def encode_records(records: Iterable[bytes]) -> bytes:
    """Returns all records with their lengths, one after the other."""
    return b"".join(map(encode_record, records))


class RecordDecoder:
    """Splits a stream into records.

    ``max_record_size`` is the largest size of a record in bytes; by default there is no limit, because an OFFERS event
    of a large cluster has tens of megabytes. After an error the decoder cannot be used any more: every later ``feed``
    raises the same error. Raises ``ValueError`` if ``max_record_size`` is negative.
    """

    def __init__(self, max_record_size: int | None = None) -> None:
        if max_record_size is not None and max_record_size < 0:
            raise ValueError(f"max_record_size must not be negative, not {max_record_size}")
        self._limit = max_record_size
        self._head = b""  # the digits of a length that has not arrived in full
        self._want: int | None = None  # the length of the record that has not arrived in full
        self._part = bytearray()  # what has arrived of it
        self._error: MalformedLength | RecordTooLarge | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Returns the records that are complete with this data.

        Raises ``MalformedLength`` or ``RecordTooLarge``. Records before the error are not lost: they are returned, and
        the next call raises.
        """
        if self._error is not None:
            raise self._error
        chunk = data if isinstance(data, bytes) else bytes(data)
        records: list[bytes] = []
        at = 0
        if self._want is not None:
            missing = self._want - len(self._part)
            if len(chunk) < missing:
                self._part += chunk
                return records
            self._part += chunk[:missing]
            records.append(bytes(self._part))
            self._part, self._want = bytearray(), None
            at = missing
        elif self._head:
            chunk, self._head = self._head + chunk, b""
        try:
            self._split(chunk, at, records)
        except (MalformedLength, RecordTooLarge) as error:
            self._error = error
            if not records:
                raise
        return records

    def eof(self) -> None:
        """Tells the decoder that the stream has ended.

        Raises ``TruncatedRecord`` unless that is between two records, or the error that ``feed`` has not raised yet.
        """
        if self._error is not None:
            raise self._error
        if self._want is not None:
            raise TruncatedRecord(len(self._part), self._want)
        if self._head:
            raise TruncatedRecord(0, None)

    def _split(self, chunk: bytes, at: int, records: list[bytes]) -> None:
        end = len(chunk)
        append, begins = records.append, chunk.startswith
        head, size = (
            b"\n",
            0,
        )  # the length read last, as it stands there and as a number: neighbours are often of one length
        while at < end:
            if begins(head, at) and size:
                at += len(head)
            else:
                newline = chunk.find(b"\n", at, at + MAX_DIGITS + 1)
                if newline < 0:
                    self._head = chunk[at : at + MAX_DIGITS + 1]
                    if len(self._head) > MAX_DIGITS or not self._head.isdigit():
                        raise MalformedLength(self._head)
                    return
                digits = chunk[at:newline]
                if not digits.isdigit():
                    raise MalformedLength(chunk[at : newline + 1])
                size = int(digits)
                if self._limit is not None and size > self._limit:
                    raise RecordTooLarge(size, self._limit)
                head = chunk[at : newline + 1]
                at = newline + 1
            stop = at + size
            if stop > end:
                self._want = size
                self._part += chunk[at:]
                return
            append(chunk[at:stop])
            at = stop
