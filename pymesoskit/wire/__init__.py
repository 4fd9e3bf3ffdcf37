"""The messages between frameworks, masters and agents: their two encodings, and records in a stream. No I/O.

``pymesoskit.wire.v1`` has the messages. See docs/wire.md.
"""

from pymesoskit.wire.codec import JSON, PROTOBUF, Codec
from pymesoskit.wire.errors import (
    ConversionError,
    JsonSyntaxError,
    MalformedLength,
    MissingFields,
    RecordIOError,
    RecordTooLarge,
    TruncatedRecord,
    WireError,
)
from pymesoskit.wire.json_reader import from_json, from_json_value
from pymesoskit.wire.json_writer import dumps_value, to_json, to_json_value
from pymesoskit.wire.recordio import RecordDecoder, encode_record, encode_records

__all__ = [
    "JSON",
    "PROTOBUF",
    "Codec",
    "ConversionError",
    "JsonSyntaxError",
    "MalformedLength",
    "MissingFields",
    "RecordDecoder",
    "RecordIOError",
    "RecordTooLarge",
    "TruncatedRecord",
    "WireError",
    "dumps_value",
    "encode_record",
    "encode_records",
    "from_json",
    "from_json_value",
    "to_json",
    "to_json_value",
]
