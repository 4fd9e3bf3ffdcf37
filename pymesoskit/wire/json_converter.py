"""Conversion of JSON values to messages step by step, as Mesos does it, with Mesos's errors.

``json_reader`` passes on here what is not plain: text for a number, one value for a list, null, unknown fields, maps,
and everything that is wrong. Keys are processed in alphabetical order, so that the reported error, and the member of a
oneof that wins, are the same as in Mesos.

Source: docs/reference/scheduler-api.md 1.4, docs/reference/json-and-resources.md.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor

from pymesoskit.wire import json_text
from pymesoskit.wire.errors import ConversionError, JsonSyntaxError, MissingFields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (32, True),
    FieldDescriptor.CPPTYPE_INT64: (64, True),
    FieldDescriptor.CPPTYPE_UINT32: (32, False),
    FieldDescriptor.CPPTYPE_UINT64: (64, False),
}
_DOUBLES = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})
_INFINITY = {"Infinity": float("inf"), "-Infinity": float("-inf")}


def convert(value: object, message_type: type[M]) -> M:
    """Returns the message of a JSON value. Raises ``ConversionError`` or ``MissingFields``."""
    if not isinstance(value, dict):
        raise ConversionError("Expecting a JSON object")
    message = message_type()
    converter = _Converter()
    converter.fill(message, value)
    if not message.IsInitialized():
        raise MissingFields([path for path in missing_fields(message) if not converter.is_in_empty_entry(path)])
    return message


def missing_fields(message: Message, prefix: str = "") -> Iterator[str]:
    """Yields the paths of unset required fields: those of the message as declared, then those of its children."""
    for field in message.DESCRIPTOR.fields:
        if field.is_required and not message.HasField(field.name):
            yield prefix + field.name
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if not field.is_repeated:
            yield from missing_fields(value, f"{prefix}{field.name}.")
        elif field.message_type.GetOptions().map_entry:
            # Mesos numbers the entries as it processes them: by the keys of the JSON object, alphabetically.
            if field.message_type.fields_by_name["value"].message_type is not None:
                for i, key in enumerate(sorted(value)):
                    yield from missing_fields(value[key], f"{prefix}{field.name}[{i}].value.")
        else:
            for i, item in enumerate(value):
                yield from missing_fields(item, f"{prefix}{field.name}[{i}].")


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),  # which is an int to Python, too
    (int, "number"),
    (float, "number"),
    (str, "string"),
    (bytes, "string"),
    (list, "array"),
)


def _kind(value: object) -> str:
    """Returns Mesos's name for the type of a JSON value."""
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "object")


_BASE64 = {letter: i for i, letter in enumerate(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}


def decode_base64(text: str) -> bytes:
    """Returns base64 decoded as Mesos does: white space is skipped, ``=`` ends the text, left-over bits are dropped.

    Raises ``ValueError`` that names the first other character outside the alphabet.
    """
    bits = count = 0
    out = bytearray()
    for byte in text.encode(errors="surrogateescape"):
        if byte == 0x3D:
            break
        if byte in b" \t\n\v\f\r":
            continue
        six = _BASE64.get(byte)
        if six is None:
            raise ValueError(f"Invalid character '{bytes([byte]).decode(errors='surrogateescape')}'")
        bits, count = (bits << 6 | six) & 0xFFFF, count + 6
        if count >= 8:
            count -= 8
            out.append(bits >> count & 0xFF)
    return bytes(out)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# The runtime's own maps by name fail on text that is not Unicode.


@cache
def _fields_by_name(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.name: field for field in descriptor.fields}


@cache
def _numbers_by_name(descriptor: EnumDescriptor) -> dict[str, int]:
    return {value.name: value.number for value in descriptor.values}


class _Converter:
    """One conversion."""

    def __init__(self) -> None:
        self.empty_entries: list[str] = []  # paths of map entries given as null
        self._path: list[str] = []

    def is_in_empty_entry(self, path: str) -> bool:
        """Returns whether Mesos does not list a missing field, because it is in a map entry that was given as null."""
        return any(path.startswith(entry) for entry in self.empty_entries)

    def fill(self, message: Message, document: dict[str, Any]) -> None:
        """Sets the fields that the document names; unknown names are ignored."""
        fields = _fields_by_name(message.DESCRIPTOR)
        for key in sorted(document, key=lambda key: key.encode(errors="surrogateescape")):
            field = fields.get(key)
            if field is not None:
                self._path.append(key)
                self.put(message, field, document[key])
                self._path.pop()

    def refuse(self, text: str) -> ConversionError:
        return ConversionError(text, ".".join(self._path).replace(".[", "["))

    def put(self, message: Message, field: FieldDescriptor, value: Any) -> None:
        """Sets the field, or adds to it if it is repeated."""
        if value is None:
            return
        if isinstance(value, list):
            if not field.is_repeated:
                raise self.refuse(f"Not expecting a JSON array for field '{field.name}'")
            for i, item in enumerate(value):
                self._path.append(f"[{i}]")
                self.put(message, field, item)
                self._path.pop()
            return
        if field.message_type is None:
            converted = self.scalar(field, value)
            if converted is not None and field.is_repeated:
                getattr(message, field.name).append(converted)
            elif converted is not None:
                setattr(message, field.name, converted)
            return
        if not isinstance(value, dict):
            raise self.refuse(f"Not expecting a JSON {_kind(value)} for field '{field.name}'")
        if field.message_type.GetOptions().map_entry:
            self.entries(message, field, value)
        elif field.is_repeated:
            self.fill(getattr(message, field.name).add(), value)
        else:
            inner = getattr(message, field.name)
            inner.SetInParent()
            self.fill(inner, value)

    def entries(self, message: Message, field: FieldDescriptor, document: dict[str, Any]) -> None:
        """Sets the entries of a map from the members of an object."""
        assert field.message_type is not None
        of_key, of_value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        target = getattr(message, field.name)
        for text in sorted(document, key=lambda key: key.encode(errors="surrogateescape")):
            self._path.append(text)
            key, value = self.scalar(of_key, text), document[text]
            if key in target:  # in a list of objects, the last one counts
                del target[key]
            if of_value.message_type is None:
                converted = None if value is None else self.scalar(of_value, value)
                target[key] = of_value.default_value if converted is None else converted
            elif value is None:
                index = len(target)
                if not target[key].IsInitialized():
                    self.empty_entries.append(".".join(self._path[:-1]).replace(".[", "[") + f"[{index}].")
            elif not isinstance(value, dict):
                raise self.refuse(f"Not expecting a JSON {_kind(value)} for field 'value'")
            else:
                self.fill(target[key], value)
            self._path.pop()

    def scalar(self, field: FieldDescriptor, value: Any) -> Any:
        """Returns the value of a field that is not a message; None means that it counts as not given."""
        kind = field.cpp_type
        if isinstance(value, bytes):  # the quick way has been here
            value = base64.b64encode(value).decode()
        if isinstance(value, str):
            return self.from_text(field, value)
        if isinstance(value, bool):
            if kind == FieldDescriptor.CPPTYPE_BOOL:
                return value
        elif isinstance(value, int | float) and (kind in _DOUBLES or kind in _INTEGERS):
            return self.from_number(field, value)
        raise self.refuse(f"Not expecting a JSON {_kind(value)} for field '{field.name}'")

    def from_text(self, field: FieldDescriptor, text: str) -> Any:
        kind = field.cpp_type
        if field.type == FieldDescriptor.TYPE_BYTES:
            try:
                return decode_base64(text)
            except ValueError as error:
                raise self.refuse(f"Failed to base64 decode bytes field '{field.name}': {error}") from None
        if kind == FieldDescriptor.CPPTYPE_STRING:
            if not _is_unicode(text):
                raise self.refuse(f"The text of field '{field.name}' is not valid UTF-8")
            return text
        if field.enum_type is not None:
            number = _numbers_by_name(field.enum_type).get(text)
            if number is None and field.is_required:
                raise self.refuse(f"Failed to find enum for '{text}'")
            return number
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self.parse(field, text, (bool,), "boolean")
        if kind in _DOUBLES and text in _INFINITY:
            return _INFINITY[text]
        return self.from_number(field, self.parse(field, text, (int, float), "number"))

    def parse(self, field: FieldDescriptor, text: str, types: tuple[type, ...], name: str) -> Any:
        """Returns a number or a boolean that was given as text; the text is JSON, too."""
        try:
            value = json_text.parse(text.encode(errors="surrogateescape"))
        except JsonSyntaxError as error:
            reason = str(error)
        else:
            if value.__class__ in types:
                return value
            reason = "Unexpected JSON type parsed"
        raise self.refuse(f"Failed to parse '{text}' as a JSON {name} for field '{field.name}': {reason}")

    def from_number(self, field: FieldDescriptor, value: Any) -> int | float:
        is_double = isinstance(value, float) or not -(2**63) <= value < 2**63
        if field.cpp_type in _DOUBLES:
            return float(value)
        bits, signed = _INTEGERS[field.cpp_type]
        return _truncated(float(value), bits, signed) if is_double else _wrapped(value, bits, signed)


def _wrapped(whole: int, bits: int, signed: bool) -> int:
    """Returns the number formed by the lowest bits of an integer."""
    wrapped = whole & (1 << bits) - 1
    return wrapped - (1 << bits) if signed and wrapped >> bits - 1 else wrapped


def _truncated(value: float, bits: int, signed: bool) -> int:
    """Returns a double truncated to an integer; outside the range of the type the result is that of x86-64.

    The processor converts only to signed integers of 32 and 64 bits, and returns the least one if the double is out of
    range; unsigned integers are made from these (docs/reference/json-and-resources.md, "Mesos JSON").
    """
    if signed:
        return _in_register(value, bits)
    if bits == 64 and value >= 2.0**63:
        return _in_register(value - 2.0**63, 64) + 2**63
    return _wrapped(_in_register(value, 64), bits, signed=False)


def _in_register(value: float, bits: int) -> int:
    least = -(2 ** (bits - 1))
    return whole if least <= (whole := int(value)) < -least else least
