"""Whether the strings in a protobuf message are text.

The runtime takes any bytes for the strings of Mesos's messages (their syntax is proto2), and hands out those that are
not UTF-8 as ``bytes``. Nothing that reads a message expects that, so such messages are refused where they come in.

The check lets the runtime parse the bytes a second time, as a type that is the same except that it verifies strings:
that takes a microsecond or two. A message of ASCII only needs no check. Only if something is wrong is the message
searched, for the name of the field.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, FileDescriptor

_FEATURES = descriptor_pb2.FeatureSet


def bad_string(data: bytes, message: Message) -> str | None:
    """Returns the path of the first string that is not UTF-8 (``accept.operations[0].id.value``), None if all are.

    ``data`` is what the message was parsed from.
    """
    if data.isascii():
        return None
    try:
        _strict(message.DESCRIPTOR).FromString(data)
    except (DecodeError, UnicodeDecodeError):
        return next(_bad_strings(message), None)
    return None


def _bad_strings(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from _bad_in_map(field, value)
            continue
        for number, each in enumerate(value if field.is_repeated else (value,)):
            path = f"{field.name}[{number}]" if field.is_repeated else field.name
            if field.message_type is not None:
                yield from (f"{path}.{inner}" for inner in _bad_strings(each))
            elif _is_bad(field, each):
                yield path


def _bad_in_map(field: FieldDescriptor, entries: Any) -> Iterator[str]:
    assert field.message_type is not None
    key_type, value_type = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    for key in entries:
        if _is_bad(key_type, key):
            yield f"{field.name}[{key!r}]"
        elif value_type.message_type is not None:
            yield from (f"{field.name}[{key!r}].{inner}" for inner in _bad_strings(entries[key]))
        elif _is_bad(value_type, entries[key]):
            yield f"{field.name}[{key!r}]"


def _is_bad(field: FieldDescriptor, value: object) -> bool:
    return field.type == FieldDescriptor.TYPE_STRING and isinstance(value, bytes)


@cache
def _strict(descriptor: Descriptor) -> type[Message]:
    """Returns the type of that name that verifies strings."""
    pool = _strict_pool()
    _add(pool, descriptor.file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(descriptor.full_name))


@cache
def _strict_pool() -> descriptor_pool.DescriptorPool:
    return descriptor_pool.DescriptorPool()


def _add(pool: descriptor_pool.DescriptorPool, file: FileDescriptor) -> None:
    try:
        pool.FindFileByName(file.name)
    except KeyError:
        for needed in file.dependencies:
            _add(pool, needed)
        pool.AddSerializedFile(_verifying(file).SerializeToString())


def _verifying(file: FileDescriptor) -> descriptor_pb2.FileDescriptorProto:
    """Returns the file in the syntax of edition 2023, with the features of proto2 except that strings are verified."""
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    proto.syntax, proto.edition = "editions", descriptor_pb2.EDITION_2023
    proto.options.features.MergeFrom(
        _FEATURES(
            field_presence=_FEATURES.EXPLICIT,
            enum_type=_FEATURES.CLOSED,
            repeated_field_encoding=_FEATURES.EXPANDED,
            utf8_validation=_FEATURES.VERIFY,
            message_encoding=_FEATURES.LENGTH_PREFIXED,
            json_format=_FEATURES.LEGACY_BEST_EFFORT,
        )
    )
    for message in proto.message_type:
        _modernize(message)
    return proto


def _modernize(message: descriptor_pb2.DescriptorProto) -> None:
    for field in message.field:
        if field.label == field.LABEL_REQUIRED:
            field.label = field.LABEL_OPTIONAL
            field.options.features.field_presence = _FEATURES.LEGACY_REQUIRED
        if field.options.HasField("packed"):
            packed = _FEATURES.PACKED if field.options.packed else _FEATURES.EXPANDED
            field.options.features.repeated_field_encoding = packed
            field.options.ClearField("packed")
    for nested in message.nested_type:
        _modernize(nested)
