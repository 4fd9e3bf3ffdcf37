"""Puts strings that are not UTF-8 into messages, at any place that a string can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

MARK = "@@@@"
BAD = [b"\xff\xff\xff\xff", b"ab\xc3(", b"abc\xc3", b"\xed\xa0\x80x", b"\xf8\x88\x80\x80", b"\xc0\xafab"]


def paths(descriptor: Descriptor, within: tuple[Descriptor, ...] = ()) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The ways to all string fields; a message within its own kind is entered once."""
    for field in descriptor.fields:
        inner = field.message_type
        if field.type == FieldDescriptor.TYPE_STRING:
            yield (field,)
        elif inner is not None and (*within, descriptor).count(inner) < 1:
            yield from ((field, *path) for path in paths(inner, (*within, descriptor)))


def fill(message: Any, path: tuple[FieldDescriptor, ...]) -> str:
    """Puts the mark at the end of the path; returns how the path is written."""
    field, *rest = path
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entries = getattr(message, field.name)
        key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        name = MARK if rest[0] == key else "k"
        if value.message_type is None:
            entries[name] = "v" if rest[0] == key else MARK
            return f"{field.name}[{name if name == MARK else repr(name)}]"
        entries[name].SetInParent()
        if rest[0] == key:
            return f"{field.name}[{MARK}]"
        return f"{field.name}['k'].{fill(entries[name], tuple(rest[1:]))}"
    if not rest:
        if field.is_repeated:
            getattr(message, field.name).extend(["fine", MARK])
            return f"{field.name}[1]"
        setattr(message, field.name, MARK)
        return str(field.name)
    if field.is_repeated:
        container = getattr(message, field.name)
        container.add()
        return f"{field.name}[1].{fill(container.add(), tuple(rest))}"
    inner = getattr(message, field.name)
    inner.SetInParent()
    return f"{field.name}.{fill(inner, tuple(rest))}"
