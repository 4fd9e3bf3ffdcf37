"""Messages to Mesos JSON (docs/reference/scheduler-api.md 1.4, docs/reference/json-and-resources.md).

Fields come in the order of their declaration: those that are set, and of the others those that declare a default, unless they are deprecated. What
to write for a field is worked out once per message type.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from pymesoskit.wire.json_text import dumps, format_double, quote

Writer = Callable[[Any], str]


def to_json(message: Message) -> str:
    """The message as Mesos writes it."""
    return _writer(message.DESCRIPTOR)(message)


def to_json_value(message: Message) -> dict[str, Any]:
    """The same as dicts, lists, texts, numbers and bools: ``dumps`` of it is ``to_json`` of the message."""
    return _valuer(message.DESCRIPTOR)(message)


dumps_value = dumps


def _integer(value: int) -> str:
    return str(value)


def _boolean(value: bool) -> str:  # noqa: FBT001  # a field's value
    return "true" if value else "false"


def _base64(value: bytes) -> str:
    return '"' + b64encode(value).decode() + '"'


def _double(value: float) -> str:
    text = repr(value)
    return text if "e" not in text and "n" not in text else format_double(value)


def _scalar_writer(field: FieldDescriptor) -> Writer:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        assert field.enum_type is not None
        names = {number: f'"{value.name}"' for number, value in field.enum_type.values_by_number.items()}
        return lambda value: names.get(value) or str(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _base64
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return quote
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _boolean
    return _double if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT) else _integer


def _later(descriptor: Descriptor) -> Writer:
    """The writer of a type, looked up when first used: message types refer to each other."""
    found: list[Writer] = []

    def write(message: Any) -> str:
        if not found:
            found.append(_writer(descriptor))
        return found[0](message)

    return write


def _field_writer(field: FieldDescriptor) -> Writer:
    if field.message_type is None:
        one = _scalar_writer(field)
    elif field.message_type.GetOptions().map_entry:
        of_value = field.message_type.fields_by_name["value"]
        inner = _later(of_value.message_type) if of_value.message_type is not None else _scalar_writer(of_value)
        # A map's entries have no order; alphabetical makes the text the same every time.
        return lambda entries: "{" + ",".join([f"{quote(str(key))}:{inner(entries[key])}" for key in sorted(entries)]) + "}"
    else:
        one = _later(field.message_type)
    if field.is_repeated:
        return lambda items: "[" + ",".join([one(item) for item in items]) + "]"
    return one


def _printed_defaults(descriptor: Descriptor) -> list[FieldDescriptor]:
    return [
        field
        for field in descriptor.fields
        if not field.is_repeated and field.has_default_value and not field.is_required and not field.GetOptions().deprecated
    ]


@cache
def _writer(descriptor: Descriptor) -> Writer:
    place = {field.number: i for i, field in enumerate(descriptor.fields)}
    in_order = list(place) == sorted(place)
    prefix = {field.number: f'"{field.name}":' for field in descriptor.fields}
    writers = {field.number: _field_writer(field) for field in descriptor.fields}
    defaults = {field.number: prefix[field.number] + _scalar_writer(field)(field.default_value) for field in _printed_defaults(descriptor)}

    if in_order and not defaults:

        def write(message: Message) -> str:
            return "{" + ",".join([prefix[n := field.number] + writers[n](value) for field, value in message.ListFields()]) + "}"

        return write

    def write_in_order(message: Message) -> str:
        texts = defaults.copy()
        for field, value in message.ListFields():
            number = field.number
            texts[number] = prefix[number] + writers[number](value)
        return "{" + ",".join([texts[number] for number in sorted(texts, key=place.__getitem__)]) + "}"

    return write_in_order


@cache
def _valuer(descriptor: Descriptor) -> Callable[[Message], dict[str, Any]]:
    def convert(field: FieldDescriptor) -> Callable[[Any], Any]:
        if field.message_type is not None:
            inner = field.message_type
            return lambda message: _valuer(inner)(message)
        if field.enum_type is not None:
            names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
            return lambda value: names.get(value, value)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return lambda value: b64encode(value).decode()
        return lambda value: value

    def convert_field(field: FieldDescriptor) -> Callable[[Any], Any]:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of_value = convert(field.message_type.fields_by_name["value"])
            return lambda entries: {str(key): of_value(entries[key]) for key in sorted(entries)}
        one = convert(field)
        return (lambda items: [one(item) for item in items]) if field.is_repeated else one

    plan = [(field.name, field.number, convert_field(field)) for field in descriptor.fields]
    defaults = {field.number: convert_field(field)(field.default_value) for field in _printed_defaults(descriptor)}

    def value_of(message: Message) -> dict[str, Any]:
        present = {field.number: value for field, value in message.ListFields()}
        out: dict[str, Any] = {}
        for name, number, conversion in plan:
            if number in present:
                out[name] = conversion(present[number])
            elif number in defaults:
                out[name] = defaults[number]
        return out

    return value_of
