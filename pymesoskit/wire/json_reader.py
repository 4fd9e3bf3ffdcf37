"""Mesos JSON to messages (docs/reference/scheduler-api.md 1.4, docs/reference/json-and-resources.md).

There are two ways with the same result. This module has the fast one: it checks a parsed document against tables that
are made once per message type, and if everything in it is plain (known fields, values of the fields' own types), the
protobuf runtime builds the message at once. Everything else, and every error, is left to ``json_converter``.
"""

from __future__ import annotations

import binascii
import contextlib
import gc
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from pymesoskit.wire import json_text
from pymesoskit.wire.errors import ConversionError, MissingFields
from pymesoskit.wire.json_converter import convert, missing_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

M = TypeVar("M", bound=Message)

#: Texts of at least so many bytes are read without garbage collection.
_LARGE = 1 << 18


def from_json(text: str | bytes, message_type: type[M]) -> M:
    """Returns the message of a JSON text.

    Raises ``JsonSyntaxError``, ``ConversionError`` or ``MissingFields``.
    """
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else bytes(text)
    if len(data) < _LARGE:
        return _from_json(data, message_type)
    with _no_garbage_collection():
        return _from_json(data, message_type)


def _from_json(data: bytes, message_type: type[M]) -> M:
    value = json_text.loads(data)
    message = _quickly(value, message_type)
    if message is None:
        if json_text.may_differ(value):
            value = json_text.parse(data)
        message = convert(value, message_type)
    return message


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pauses the garbage collector while a large document is read.

    Reading creates many objects and no garbage; collections in between would double the time or worse.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def from_json_value(value: object, message_type: type[M]) -> M:
    """Returns the message of a parsed JSON document (dicts, lists, …), which may be modified.

    Raises ``ConversionError`` or ``MissingFields``.
    """
    message = _quickly(value, message_type)
    return convert(value, message_type) if message is None else message


def parse_message(data: bytes, message_type: type[M]) -> M:
    """Returns the message of protobuf's own encoding. Raises ``ConversionError`` or ``MissingFields``."""
    message = message_type()
    try:
        message.ParseFromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ConversionError(
            f"the {len(data)} bytes are not a {message_type.DESCRIPTOR.full_name}: {error}"
        ) from error
    if not message.IsInitialized():
        raise MissingFields(list(missing_fields(message)))
    return message


def _quickly(value: object, message_type: type[M]) -> M | None:
    """Returns the message of a plain value; None if something in it is not plain."""
    if not isinstance(value, dict):
        return None
    try:
        _check(_shape(message_type.DESCRIPTOR), value)
        message = message_type(**value)
    except (_NotPlain, TypeError, ValueError, OverflowError):
        return None
    if not message.IsInitialized():
        raise MissingFields(list(missing_fields(message)))
    return message


class _LongWay:
    """In a shape: a field that is never read the fast way, such as a map or a recursive message."""


class _Integer:
    """In a shape: an integer of at most 63 bits and a sign; Mesos reads a larger one as a double first."""


_LAST_64_BIT = 2**63 - 1

#: The maximum depth of a value in a message, so that the depth of the whole document is within the limit.
_DEEP = json_text.MAX_DEPTH // 2


class _NotPlain(Exception):
    """The value is not plain."""


class _Shape:
    """The plain values of the fields of one message type.

    The protobuf runtime itself refuses unknown enum names, texts that are not Unicode, and numbers out of range. What
    it would accept and Mesos would not is not plain: numbers for enums and bools, bools for numbers, a text for a list
    of texts, several members of a oneof.
    """

    __slots__ = ("fields", "oneofs")

    def __init__(self) -> None:
        #: ``str``, ``bool``, ``float``, ``_Integer``, ``bytes``: the type of the value. A shape, or one in a list: of a
        #: message, or of many.
        self.fields: dict[str, type | _Shape | list[type | _Shape]] = {}
        self.oneofs: list[set[str]] = []


_PYTHON_TYPES = {
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_ENUM: str,
    FieldDescriptor.CPPTYPE_INT32: _Integer,
    FieldDescriptor.CPPTYPE_INT64: _Integer,
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_UINT32: _Integer,
    FieldDescriptor.CPPTYPE_UINT64: _Integer,
}


@cache
def _shape(descriptor: Descriptor) -> _Shape:
    shape = _Shape()
    for field in descriptor.fields:
        plain = _plain_value(field)
        shape.fields[field.name] = [plain] if field.is_repeated else plain
    shape.oneofs = [{field.name for field in oneof.fields} for oneof in descriptor.oneofs]
    return shape


def _plain_value(field: FieldDescriptor) -> type | _Shape:
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry or field.message_type is field.containing_type:
            return _LongWay
        return _shape(field.message_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _LongWay if field.is_repeated else bytes
    return _PYTHON_TYPES[field.cpp_type]


def _check(shape: _Shape, document: dict[str, Any]) -> None:
    """Raises ``_NotPlain`` unless the runtime can build the message from the document.

    Prepares the document in place: decodes bytes, and removes fields that the type does not have.
    """
    fields = shape.fields
    unknown: list[str] = []
    for key, value in document.items():
        want = fields.get(key)
        have = value.__class__
        if want is have:
            continue  # of just that type
        if want is _Integer and have is int:
            if value > _LAST_64_BIT:
                raise _NotPlain
        elif want.__class__ is _Shape and have is dict:
            _check(want, value)
        elif want.__class__ is list and have is list:
            _check_items(want[0], value)
        elif want is bytes and have is str:
            try:
                document[key] = binascii.a2b_base64(value, strict_mode=True)
            except ValueError:
                raise _NotPlain from None
        elif want is None:
            unknown.append(key)
        elif not (want is float and have is int) and value is not None:
            raise _NotPlain
    for members in shape.oneofs:
        if len(members & document.keys()) > 1:
            raise _NotPlain
    for key in unknown:  # Mesos does not look at them, but reads them
        if json_text.may_differ(document[key], _DEEP):
            raise _NotPlain
        del document[key]


def _check_items(want: type | _Shape, items: list[Any]) -> None:
    if want.__class__ is _Shape:
        for item in items:
            if item.__class__ is not dict:
                raise _NotPlain
            _check(want, item)
    elif any(item.__class__ is not want for item in items):
        raise _NotPlain
