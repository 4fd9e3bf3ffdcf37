"""Messages as C++ prints them, for error texts that show a whole message.

It is protobuf's text format, but with all that is not ASCII escaped, and numbers with as few digits as C++ tries.
Source: docs/reference/scheduler-api.md 4.4 (item 13).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

_ESCAPES = {ord(character): f"\\{name}" for character, name in zip("\n\r\t\"'\\", "nrt\"'\\", strict=True)}


def dump(message: Message) -> str:
    """The fields that are set, in the order of their numbers, one value a line."""
    return "".join(f"{line}\n" for line in _lines(message))


def _lines(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        for each in _each(field, value):
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield f"{field.name} {{"
                yield from (f"  {line}" for line in _lines(each))
                yield "}"
            else:
                yield f"{field.name}: {_scalar(field, each)}"


def _each(field: FieldDescriptor, value: Any) -> Iterable[Any]:
    if not field.is_repeated:
        return (value,)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return [value.GetEntryClass()(key=key, value=value[key]) for key in sorted(value)]
    return cast("Iterable[Any]", value)


def _scalar(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
        return f'"{_escape(value.encode() if isinstance(value, str) else value)}"'
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "true" if value else "false"
    return _double(value) if field.type == FieldDescriptor.TYPE_DOUBLE else str(value)


def _escape(data: bytes) -> str:
    return "".join(_ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}") for byte in data)


def _double(value: float) -> str:
    short = f"{value:.15g}"
    return short if math.isnan(value) or float(short) == value else f"{value:.17g}"
