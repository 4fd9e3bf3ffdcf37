"""Messages to Mesos JSON (docs/reference/scheduler-api.md 1.4, docs/reference/json-and-resources.md).

Fields come in the order of their declaration: those that are set, and of the others those that declare a default,
unless they are deprecated.

The text is made from the message's own encoding, not from the message: reading a field of a protobuf message from
Python costs more than all else here, most of all for nested messages, each of which becomes an object. What turns the
encoding of a type into text is a function that ``json_writer_source`` writes for it, when it is first needed.
"""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from json.encoder import encode_basestring
from struct import Struct
from typing import TYPE_CHECKING, Any, Protocol

from pymesoskit.wire.json_numbers import format_double
from pymesoskit.wire.json_text import dumps, with_upper_case_escapes
from pymesoskit.wire.json_writer_source import enum_texts, nested_types, source

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

__all__ = ["dumps_value", "to_json", "to_json_value"]

dumps_value = dumps

#: Texts of small messages are remembered, so many of each type.
REMEMBERED = 512

_FIXED_SIZE = {1: 8, 5: 4}  # by wire type


class Writer(Protocol):
    """Gives the text of the message whose encoding is ``data[at:end]``."""

    def __call__(self, data: bytes, at: int, end: int) -> str: ...


def to_json(message: Message) -> str:
    """The message as Mesos writes it; one that lacks required fields, too."""
    data = message.SerializePartialToString(deterministic=True)  # of maps: alphabetical
    text = _writer(message.DESCRIPTOR)(data, 0, len(data))
    return with_upper_case_escapes(text) if "\\u" in text else text


def to_json_value(message: Message) -> dict[str, Any]:
    """The same as dicts, lists, texts, numbers and bools: ``dumps_value`` of it is ``to_json`` of the message."""
    value: dict[str, Any] = json.loads(to_json(message))
    return value


@cache
def _writer(descriptor: Descriptor) -> Writer:
    """Compiles the type's function; those of the types within it are compiled when they are first called."""
    names: dict[str, Any] = {
        "quote": encode_basestring,
        "base64": lambda data: b64encode(data).decode(),
        "format_double": format_double,
        "unpack_double": Struct("<d").unpack_from,
        "signed": _signed,
        "varint": _varint,
        "skip": _skip,
        "remember": _remember,
        **enum_texts(descriptor),
    }
    for number, inner in nested_types(descriptor).items():
        names[f"write_{number}"] = _when_called(names, f"write_{number}", inner)
        names[f"known_{number}"] = {}
    exec(compile(source(descriptor), f"<JSON of {descriptor.full_name}>", "exec"), names)  # noqa: S102  # of our own making
    writer: Writer = names["write"]
    return writer


def _when_called(names: dict[str, Any], name: str, descriptor: Descriptor) -> Writer:
    def write(data: bytes, at: int, end: int) -> str:
        names[name] = writer = _writer(descriptor)
        return writer(data, at, end)

    return write


def _remember(known: dict[bytes, str], data: bytes, text: str) -> str:
    if len(known) >= REMEMBERED:
        known.clear()
    known[data] = text
    return text


def _signed(value: int) -> int:
    return value if value < 1 << 63 else value - (1 << 64)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number in base 128 that begins there, and where it ends."""
    number = shift = 0
    while (byte := data[at]) > 127:
        number |= (byte & 127) << shift
        shift += 7
        at += 1
    return number | byte << shift, at + 1


def _skip(data: bytes, at: int) -> int:
    """The end of a field that the message type does not have."""
    tag, at = _varint(data, at)
    wire_type = tag & 7
    if wire_type == 2:
        size, at = _varint(data, at)
        return at + size
    return at + _FIXED_SIZE[wire_type] if wire_type else _varint(data, at)[1]
