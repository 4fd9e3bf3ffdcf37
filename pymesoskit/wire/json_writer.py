"""Messages to Mesos JSON (docs/reference/scheduler-api.md 1.4, docs/reference/json-and-resources.md).

Fields come in the order of their declaration: those that are set, and of the others those that declare a default,
unless they are deprecated.

The text is made from the message's own encoding, not from the message: reading a field of a protobuf message from
Python costs more than all else here, most of all for nested messages, each of which becomes an object. What to write
for a field is worked out once per message type (``_Plan``). Small messages are the same again and again (ids, roles,
resources of one size), so each plan remembers the texts of the last ones. How numbers and strings look is told by
``json_numbers`` and ``json_text``.
"""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from json.encoder import encode_basestring
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor

from pymesoskit.wire.json_numbers import format_double
from pymesoskit.wire.json_text import dumps, quote, with_upper_case_escapes

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

__all__ = ["dumps_value", "to_json", "to_json_value"]

dumps_value = dumps


def to_json(message: Message) -> str:
    """The message as Mesos writes it; one that lacks required fields, too."""
    data = message.SerializePartialToString(deterministic=True)  # of maps: alphabetical
    text = _write(_plan(message.DESCRIPTOR), data, 0, len(data))
    return with_upper_case_escapes(text) if "\\u" in text else text


def to_json_value(message: Message) -> dict[str, Any]:
    """The same as dicts, lists, texts, numbers and bools: ``dumps_value`` of it is ``to_json`` of the message."""
    value: dict[str, Any] = json.loads(to_json(message))
    return value


# How the value of a field is encoded, and what to make of it. Those before _VARINT begin with their length.
_STRING: Final = 0
_MESSAGE: Final = 1
_BYTES: Final = 2
_VARINT: Final = 3
_ENUM: Final = 4
_DOUBLE: Final = 5

_Rule = tuple[
    int, int, str, Any, str
]  # kind; place among the fields; text in front; what the kind needs; brackets around many

_WIRE_TYPE: Final = {_STRING: 2, _MESSAGE: 2, _BYTES: 2, _VARINT: 0, _ENUM: 0, _DOUBLE: 1}
_FIXED_SIZE: Final = {1: 8, 5: 4}  # by wire type

#: Encodings of up to so many bytes are remembered, so many of each type.
_SMALL: Final = 256
_REMEMBERED: Final = 512

_unpack_double = Struct("<d").unpack_from


class _Plan:
    """What to write for the messages of one type."""

    __slots__ = ("blank", "brackets", "frame", "known", "rules")

    def __init__(self, *, is_map_entry: bool) -> None:
        #: What stands before, between and behind the fields. A map's entry is a message of two, written as a member of
        #: an object.
        self.frame = ("", ":", "") if is_map_entry else ("{", ",", "}")
        #: By place: what is written for a field that is not set, "" for nothing.
        self.blank: list[str] = []
        #: By tag, that is number and wire type.
        self.rules: dict[int, _Rule] = {}
        #: By place: the brackets around a list or a map, "" for what is neither.
        self.brackets: list[str] = []
        #: Texts of small messages by their encoding.
        self.known: dict[bytes, str] = {}


@cache
def _plan(descriptor: Descriptor) -> _Plan:
    plans: dict[str, _Plan] = {}
    return _make_plan(descriptor, plans)


def _make_plan(descriptor: Descriptor, plans: dict[str, _Plan]) -> _Plan:
    """``plans`` has those that are finished or being made: message types refer to each other."""
    if descriptor.full_name in plans:
        return plans[descriptor.full_name]
    is_map_entry = descriptor.GetOptions().map_entry
    plan = plans[descriptor.full_name] = _Plan(is_map_entry=is_map_entry)
    for place, field in enumerate(descriptor.fields):
        kind, needs = _kind(field, plans)
        prefix = "" if is_map_entry else f'"{field.name}":'
        brackets = "" if not field.is_repeated else "{}" if _is_map(field) else "[]"
        plan.rules[field.number << 3 | _WIRE_TYPE[kind]] = (kind, place, prefix, needs, brackets)
        plan.brackets.append(brackets)
        printed = field.has_default_value and not field.is_repeated and not field.GetOptions().deprecated
        plan.blank.append(prefix + _default_text(field) if printed else "")
    return plan


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _kind(field: FieldDescriptor, plans: dict[str, _Plan]) -> tuple[int, Any]:
    """The field's kind, and what that kind needs:

    the plan of a message, the texts of an enum, the way to read an integer.
    """
    match field.type:
        case FieldDescriptor.TYPE_MESSAGE:
            assert field.message_type is not None
            return _MESSAGE, _make_plan(field.message_type, plans)
        case FieldDescriptor.TYPE_STRING:
            return _STRING, None
        case FieldDescriptor.TYPE_BYTES:
            return _BYTES, None
        case FieldDescriptor.TYPE_DOUBLE:
            return _DOUBLE, None
        case FieldDescriptor.TYPE_ENUM:
            assert field.enum_type is not None
            return _ENUM, {value.number & (1 << 64) - 1: f'"{value.name}"' for value in field.enum_type.values}
        case FieldDescriptor.TYPE_BOOL:
            return _VARINT, ("false", "true").__getitem__
        case FieldDescriptor.TYPE_INT32 | FieldDescriptor.TYPE_INT64:
            return _VARINT, _signed
        case FieldDescriptor.TYPE_UINT32 | FieldDescriptor.TYPE_UINT64:
            return _VARINT, str
    raise TypeError(f"{field.full_name} is of a type that no message of Mesos has")


def _signed(value: int) -> str:
    return str(value if value < 1 << 63 else value - (1 << 64))


def _default_text(field: FieldDescriptor) -> str:
    value = field.default_value
    if field.enum_type is not None:
        return f'"{field.enum_type.values_by_number[value].name}"'
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_double(value) if isinstance(value, float) else str(value)


def _write(plan: _Plan, data: bytes, at: int, end: int) -> str:
    """The text of the message whose encoding is ``data[at:end]``."""
    texts = plan.blank[:]
    items: dict[int, list[str]] = {}  # of repeated fields, by place
    rules = plan.rules
    while at < end:
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = _varint(data, at - 1)
        rule = rules.get(tag)
        if rule is None:
            at = _skip(data, at, tag)
            continue
        kind, place, prefix, needs, brackets = rule
        if kind == _DOUBLE:
            text = format_double(_unpack_double(data, at)[0])
            at += 8
        else:
            number = data[at]  # a value, or a length
            at += 1
            if number > 127:
                number, at = _varint(data, at - 1)
            if kind < _VARINT:
                start, at = at, at + number
                if kind == _STRING:
                    text = encode_basestring(data[start:at].decode("utf-8", "replace"))
                elif kind == _MESSAGE:
                    text = _write_small(needs, data[start:at]) if number <= _SMALL else _write(needs, data, start, at)
                else:
                    text = f'"{b64encode(data[start:at]).decode()}"'
            elif kind == _ENUM:
                text = needs.get(number)
                if text is None:
                    continue  # a value that the enum does not have: as if the field were not set
            else:
                text = needs(number)
        if not brackets:
            texts[place] = prefix + text
        elif place in items:
            items[place].append(text)
        else:
            items[place] = [text]
            texts[place] = prefix
    for place, found in items.items():
        brackets = plan.brackets[place]
        texts[place] += f"{brackets[0]}{','.join(found)}{brackets[1]}"
    opening, separator, closing = plan.frame
    return opening + separator.join(filter(None, texts)) + closing


def _write_small(plan: _Plan, data: bytes) -> str:
    known = plan.known
    text = known.get(data)
    if text is None:
        text = _write(plan, data, 0, len(data))
        if len(known) >= _REMEMBERED:
            known.clear()
        known[data] = text
    return text


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number in base 128 that begins there, and where it ends."""
    number = shift = 0
    while (byte := data[at]) > 127:
        number |= (byte & 127) << shift
        shift += 7
        at += 1
    return number | byte << shift, at + 1


def _skip(data: bytes, at: int, tag: int) -> int:
    """The end of a field that the message type does not have."""
    wire_type = tag & 7
    if wire_type == 2:
        size, at = _varint(data, at)
        return at + size
    return at + _FIXED_SIZE[wire_type] if wire_type else _varint(data, at)[1]
