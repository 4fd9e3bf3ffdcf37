"""The attributes of an agent: the syntax of ``--attributes``, messages, printed forms.

Rules: docs/reference/agent-executor.md, section 14, and json-and-resources.md, "Text syntax".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

import attrs

from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.values import Ranges, ValueType, parse_value, print_ranges, print_scalar
from pymesoskit.wire.v1 import mesos_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@attrs.frozen
class Attribute:
    """One attribute: a number, ranges, or text. Several attributes of an agent may have the same name."""

    name: str
    type: ValueType = attrs.field(converter=ValueType)
    value: float | Ranges | str

    def print_value(self) -> str:
        """Returns the value as printed."""
        if self.type is ValueType.SCALAR:
            return print_scalar(cast("float", self.value))
        if self.type is ValueType.RANGES:
            return print_ranges(cast("Ranges", self.value))
        return cast("str", self.value)

    def __str__(self) -> str:
        return f"{self.name}={self.print_value()}"

    def to_message(self) -> pb.Attribute:
        """Returns a new message."""
        message = pb.Attribute(name=self.name, type=self.type.value)
        if self.type is ValueType.SCALAR:
            message.scalar.value = cast("float", self.value)
        elif self.type is ValueType.RANGES:
            message.ranges.SetInParent()
            for begin, end in cast("Ranges", self.value):
                message.ranges.range.add(begin=begin, end=end)
        else:
            message.text.value = cast("str", self.value)
        return message

    @classmethod
    def from_message(cls, message: pb.Attribute) -> Attribute:
        """Returns the attribute of a message. Raises ``ResourcesError`` for a set, which an attribute cannot be."""
        if message.type == pb.Value.SCALAR:
            return cls(message.name, ValueType.SCALAR, message.scalar.value)
        if message.type == pb.Value.RANGES:
            pieces = tuple((piece.begin, piece.end) for piece in message.ranges.range)
            return cls(message.name, ValueType.RANGES, pieces)
        if message.type == pb.Value.TEXT:
            return cls(message.name, ValueType.TEXT, message.text.value)
        raise ResourcesError(f"attribute '{message.name}' must be a number, ranges or text, not a set")


@attrs.frozen
class Attributes:
    """The attributes of an agent, in the order given."""

    items: tuple[Attribute, ...] = ()

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        return ";".join(map(str, self.items))

    def named(self, name: str) -> tuple[Attribute, ...]:
        """Returns the attributes of a name."""
        return tuple(attribute for attribute in self.items if attribute.name == name)

    def to_messages(self) -> list[pb.Attribute]:
        """Returns new messages, in order."""
        return [attribute.to_message() for attribute in self.items]

    @classmethod
    def from_messages(cls, messages: Iterable[pb.Attribute]) -> Attributes:
        """Returns the attributes of messages, in order. Raises ``ResourcesError`` for a set."""
        return cls(tuple(Attribute.from_message(message) for message in messages))

    def to_legacy_json(self) -> dict[str, float | str]:
        """Returns the attributes as the older HTTP endpoints show them: numbers as numbers, all else as printed text.

        Of several attributes of one name the last counts.
        """
        return {
            attribute.name: cast("float", attribute.value)
            if attribute.type is ValueType.SCALAR
            else attribute.print_value()
            for attribute in self.items
        }


_SEPARATORS: Final = re.compile(r"[;\n]")


def parse_attributes(text: str) -> Attributes:
    """Returns the attributes in the syntax of an agent's ``--attributes``: ``rack:r1;level:10;zones:[1-3]``.

    Raises ``ResourcesError`` with the text with which a real agent exits.
    """
    return Attributes(tuple(_parse_attribute(token) for token in _SEPARATORS.split(text) if token))


def _parse_attribute(token: str) -> Attribute:
    name, _, text = token.partition(":")
    if not name or not text:
        raise ResourcesError(f"Invalid attribute key:value pair '{token}'")
    try:
        type_, value = parse_value(text)
    except ResourcesError as error:
        raise ResourcesError(f"Failed to parse attribute {name} text {text} error {error}") from None
    if type_ is ValueType.SET:
        raise ResourcesError(f"Bad type for attribute {name} text {text} type {pb.Value.SET}")
    return Attribute(name, type_, cast("float | Ranges | str", value))
