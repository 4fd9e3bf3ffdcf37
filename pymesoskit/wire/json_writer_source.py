"""Generates the source of a function that converts the protobuf encoding of one message type to Mesos JSON.

The runtime encodes fields in the order of their numbers. The function therefore has an ``if`` for each field in that
order, which reads the field if it comes next and puts its text into a variable. Variables of unset fields keep what
Mesos writes for them, usually nothing. At the end the variables are joined in the order of declaration.

For Value.Scalar, whose only field is ``value``::

    def write(data, at, end):
        t0 = ''
        while at < end:
            begin = at
            tag = data[at] if at < end else 0
            if tag > 127: tag += data[at + 1] << 8
            if tag == 9:
                text = format_double(unpack_double(data, at + 1)[0])
                at += 9
                t0 = ',"value":' + text
                tag = data[at] if at < end else 0
                if tag > 127: tag += data[at + 1] << 8
            if at == begin: at = skip(data, at)
        return '{' + (t0)[1:] + '}'

``json_writer`` supplies the names in it: ``write_N`` and ``known_N`` for the message type of field N (its function, and
cached texts of small messages by their encoding), and ``texts_N`` for its enum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from pymesoskit.wire.json_numbers import format_double
from pymesoskit.wire.json_text import quote

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

#: The texts of encodings of at most so many bytes are cached.
SMALL = 256

_VARINTS = {
    FieldDescriptor.TYPE_BOOL: '("true" if number else "false")',
    FieldDescriptor.TYPE_INT32: "str(signed(number))",
    FieldDescriptor.TYPE_INT64: "str(signed(number))",
    FieldDescriptor.TYPE_UINT32: "str(number)",
    FieldDescriptor.TYPE_UINT64: "str(number)",
}

_NEXT = ["tag = data[at] if at < end else 0", "if tag > 127: tag += data[at + 1] << 8"]


def nested_types(descriptor: Descriptor) -> dict[int, Descriptor]:
    """Returns the message types of the fields, by number."""
    return {field.number: field.message_type for field in descriptor.fields if field.message_type is not None}


def enum_texts(descriptor: Descriptor) -> dict[str, dict[int, str]]:
    """Returns the texts of the values of each enum, by the name in the source."""
    return {
        f"texts_{field.number}": {value.number & (1 << 64) - 1: f'"{value.name}"' for value in field.enum_type.values}
        for field in descriptor.fields
        if field.enum_type is not None
    }


def source(descriptor: Descriptor) -> str:
    """Returns the source of ``write`` for messages of the type."""
    is_map_entry = descriptor.GetOptions().map_entry
    variables = {field.number: f"t{place}" for place, field in enumerate(descriptor.fields)}
    lines = ["def write(data, at, end):"]
    lines += [f"    {variables[field.number]} = {_text_if_unset(field)!r}" for field in descriptor.fields]
    lines.append("    while at < end:")
    body = ["begin = at", *_NEXT]
    for field in sorted(descriptor.fields, key=lambda field: field.number):
        front = "" if is_map_entry else f',"{field.name}":'
        body += _take(field, variables[field.number], front)
    body.append("if at == begin: at = skip(data, at)")
    lines += _indented(body, 2)
    joined = " + ".join(variables[field.number] for field in descriptor.fields)
    if is_map_entry:
        lines.append("    return t0 + ':' + t1")
    else:
        lines.append(f"    return '{{' + ({joined})[1:] + '}}'" if joined else "    return '{}'")
    return "\n".join(lines) + "\n"


def _indented(lines: list[str], levels: int = 1) -> list[str]:
    return ["    " * levels + line for line in lines]


def _take(field: FieldDescriptor, variable: str, front: str) -> list[str]:
    """Returns the lines that read the field, or all of a repeated one, if it comes next."""
    tag, width = _tag(field)
    known = "if text is not None: " if field.enum_type is not None else ""
    if not field.is_repeated:
        taken = [*_value(field, width), f"{known}{variable} = {front!r} + text", *_NEXT]
        return [f"if tag == {tag}:", *_indented(taken)]
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    opening, closing = ("{", "}") if is_map else ("[", "]")
    one = [*_value(field, width), f"{known}items.append(text)", *_NEXT]
    return [
        f"if tag == {tag}:",
        "    items = []",
        f"    while tag == {tag}:",
        *_indented(one, 2),
        f"    if items: {variable} = {front + opening!r} + ','.join(items) + {closing!r}",
    ]


def _tag(field: FieldDescriptor) -> tuple[int, int]:
    """Returns the tag in front of the field's value as ``write`` reads it, and its number of bytes."""
    wire_type = 0 if field.type in _VARINTS or field.enum_type is not None else 1 if _is_double(field) else 2
    key = field.number << 3 | wire_type
    return (key, 1) if key < 128 else (key & 127 | 128 | key >> 7 << 8, 2)


def _is_double(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_DOUBLE


def _value(field: FieldDescriptor, width: int) -> list[str]:
    """Returns the lines that make ``text`` of one value (None for an unknown enum value) and move ``at`` behind it."""
    if _is_double(field):
        return [f"text = format_double(unpack_double(data, at + {width})[0])", f"at += {width + 8}"]
    number = [
        f"number = data[at + {width}]",
        f"at += {width + 1}",
        "if number > 127: number, at = varint(data, at - 1)",
    ]
    if field.enum_type is not None:
        return [*number, f"text = texts_{field.number}.get(number)"]
    if field.type in _VARINTS:
        return [*number, f"text = {_VARINTS[field.type]}"]
    return [*number, "stop = at + number", *_delimited(field), "at = stop"]


def _delimited(field: FieldDescriptor) -> list[str]:
    if field.type == FieldDescriptor.TYPE_STRING:
        return ["text = quote(data[at:stop].decode('utf-8', 'replace'))"]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return ["text = '\"' + base64(data[at:stop]) + '\"'"]
    if field.type != FieldDescriptor.TYPE_MESSAGE:
        raise TypeError(f"{field.full_name} is of a type that no message of Mesos has")
    write, known = f"write_{field.number}", f"known_{field.number}"
    return [
        f"if number > {SMALL}: text = {write}(data, at, stop)",
        "else:",
        "    small = data[at:stop]",
        f"    text = {known}.get(small)",
        f"    if text is None: text = remember({known}, small, {write}(data, at, stop))",
    ]


def _text_if_unset(field: FieldDescriptor) -> str:
    if field.is_repeated or not field.has_default_value or field.GetOptions().deprecated:
        return ""
    value = field.default_value
    if field.enum_type is not None:
        text = f'"{field.enum_type.values_by_number[value].name}"'
    elif isinstance(value, str):
        text = quote(value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = format_double(value) if isinstance(value, float) else str(value)
    return f',"{field.name}":{text}'
